"""Finds the data files that the session created or changed, by their file times.

A snapshot is taken when a cell is recorded. If an earlier cell appended to a file, the snapshot
contains the longer file, and the replay would append to it again.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jupyter_mlops.project import Project

# Files that a person edits while the kernel runs; they do not count.
_EDITED = {".py", ".ipynb", ".md", ".toml", ".cfg", ".ini", ".yaml", ".yml", ".dvc", ".lock"}
_COARSE = 0.05
_AT_FDCWD, _STATX_BTIME, _STATX_BYTES, _BTIME_AT = -100, 0x800, 256, 80


def files(project: Project, paths: Iterable[str], since: float) -> tuple[list[str], list[str]]:
    """Return which of `paths` were created, and which only changed, after `since` (a POSIX time)."""
    made: list[str] = []
    changed: list[str] = []
    for path in paths:
        file = project.root / path
        if file.suffix in _EDITED or any(part.startswith(".") for part in Path(path).parts):
            continue
        with contextlib.suppress(OSError):
            if file.stat().st_mtime < since:
                continue
            birth = _birth(file)
            (made if birth is not None and birth >= since else changed).append(path)
    return made, changed


@lru_cache(maxsize=1)
def process_began() -> float:
    """Return when this process started, as a POSIX time; 0 if it is unknown."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        # Add a margin (ticks are rounded down, file system clocks are coarse), so that no older file
        # counts as the session's. The session creates its first file after this margin.
        return time.time() - age + _COARSE
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0


def _birth(file: Path) -> float | None:
    """Return when a file was created; Python 3.11 does not read this time on Linux."""
    created: Any = getattr(file.stat(), "st_birthtime", None)
    if created is not None:
        return float(created)
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "statx"):
        return None
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    if libc.statx(_AT_FDCWD, os.fsencode(file), 0, _STATX_BTIME, buffer):
        return None
    (mask,) = struct.unpack_from("=I", buffer, 0)
    seconds, nanoseconds = struct.unpack_from("=qI", buffer, _BTIME_AT)
    return float(seconds) + nanoseconds / 1e9 if mask & _STATX_BTIME else None
