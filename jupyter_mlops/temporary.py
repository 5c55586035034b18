"""Temporary folders, removed even when the process that made them is killed.

Each is `mlops-…` in the system's temporary folder, with mode 0700 and an `.owner` file that names the process.
Before a process makes one, it removes the folders of dead owners. Other users can write into the temporary
folder, so a folder is removed only if it is a real one (no link), belongs to this user, is closed to others, and
its owner ran in this boot and pid namespace. A folder of a container or another machine is removed after a week.
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
_SWEEP_PERIOD = 60.0
_last_sweep: dict[Path, float] = {}


@contextmanager
def folder(place: Path | None = None) -> Iterator[Path]:
    """Make a temporary folder and remove it at the end; `place` is its parent, if the disk matters."""
    made = make(place)
    try:
        inside = made / "files"  # so that the caller does not see the owner file
        inside.mkdir()
        yield inside
    finally:
        shutil.rmtree(made, ignore_errors=True)


def make(place: Path | None = None) -> Path:
    """Make a temporary folder. The caller removes it; if it is killed, the next process does."""
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
    """Remove the folders of dead owners, at most once a minute; `at_once` ignores that limit."""
    now = time.monotonic()
    if not at_once and now - _last_sweep.get(home, -_SWEEP_PERIOD) < _SWEEP_PERIOD:
        return
    _last_sweep[home] = now
    with suppress(OSError), os.scandir(home) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name) and _abandoned(Path(entry.path)):
                # rmtree follows no link, not even one that replaces the folder now.
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
    """Return a folder's owner, or None without a valid owner file: then we do not remove the folder."""
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
