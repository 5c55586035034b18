"""Temporary folders: one name, one owner, and none that stays when its process is killed.

Each is `mlops-…` in the system's temporary folder, for this user only (0700), with a note of the process that owns
it. A process removes those whose owner is dead when it makes its first one. In a folder where everybody may write,
that is safe only for a real folder of this user, open to nobody else, whose note names a process of this boot and
this pid namespace; what may belong to a container or another machine stays until it is a week old.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops import files

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "mlops-"
NOTE = ".owner"
_NAME = re.compile(r"mlops-[a-z0-9_]{8}")
_LARGEST_NOTE = 4096
_WEEK = 7 * 24 * 3600
_EVERY = 60.0
_swept: dict[Path, float] = {}


@contextmanager
def folder(place: Path | None = None) -> Iterator[Path]:
    """Make a temporary folder, in `place` where it must be on that disk, and remove it at the end."""
    made = make(place)
    try:
        inside = made / "files"  # without the note
        inside.mkdir()
        yield inside
    finally:
        shutil.rmtree(made, ignore_errors=True)


def make(place: Path | None = None) -> Path:
    """Make a temporary folder that the caller removes; killed before, the next process does."""
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
    home = place or Path(tempfile.gettempdir())
    sweep(home)
    made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
    pid = os.getpid()
    note = {"pid": pid, "start": files.process_start(pid), "where": _where()}
    try:
        (made / NOTE).write_text(json.dumps(note))
    except OSError:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return made


def sweep(home: Path, *, at_once: bool = False) -> None:
    """Remove the folders of dead owners; once a minute at most, unless it must be done `at_once`."""
    now = time.monotonic()
    if not at_once and now - _swept.get(home, -_EVERY) < _EVERY:
        return
    _swept[home] = now
    with suppress(OSError), os.scandir(home) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name) and _abandoned(Path(entry.path)):
                # It follows no link, also not one that is put in place of a folder meanwhile.
                shutil.rmtree(entry.path, ignore_errors=True)


def _abandoned(path: Path) -> bool:
    try:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            return False
        note = _note(path)
        if note is None:
            return False
        if note["where"] == _where():
            start: float = note["start"]
            return files.process_start(note["pid"]) != start
        return time.time() - found.st_mtime > _WEEK
    except OSError:
        return False


def _note(path: Path) -> dict[str, Any] | None:
    """Return who owns a folder, or None where no note says it: then it is not ours to remove."""
    inside = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        descriptor = os.open(NOTE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=inside)
    finally:
        os.close(inside)
    with os.fdopen(descriptor, "rb") as file:
        text = file.read(_LARGEST_NOTE)
    try:
        note = json.loads(text)
    except (ValueError, RecursionError):
        return None
    wanted = {"pid": int, "start": float, "where": str}
    if not isinstance(note, dict) or any(
        type(note.get(key)) is not kind for key, kind in wanted.items()
    ):
        return None
    return note


def _where() -> str:
    """Name the boot and the pid namespace that a pid and its start belong to."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115
    except OSError:
        return os.uname().nodename
