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
from typing import TYPE_CHECKING

from jupyter_mlops.processes.identity import ProcessId, where

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
    try:
        (made / NOTE).write_text(json.dumps(ProcessId.own().note()))
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
        owner = _owner(path)
        if owner is None or owner.start is None or not owner.where:
            return False
        if owner.where == where():
            return not owner.alive
        return time.time() - found.st_mtime > _WEEK
    except OSError:
        return False


def _owner(path: Path) -> ProcessId | None:
    """Return who owns a folder, or None where no note says it: then it is not ours to remove."""
    inside = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        descriptor = os.open(NOTE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=inside)
    finally:
        os.close(inside)
    with os.fdopen(descriptor, "rb") as file:
        text = file.read(_LARGEST_NOTE)
    try:
        return ProcessId.noted(json.loads(text))
    except (ValueError, RecursionError):
        return None
