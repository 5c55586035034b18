"""Which data files the session itself made or changed, as their times tell.

A snapshot is taken when a cell is recorded; a file that an earlier cell appends to is then longer
than it was when that cell ran, and the replay would append to it once more.
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

# What a person edits while the kernel runs is not the session's.
_EDITED = {".py", ".ipynb", ".md", ".toml", ".cfg", ".ini", ".yaml", ".yml", ".dvc", ".lock"}
_COARSE = 0.05
_AT_FDCWD, _STATX_BTIME, _STATX_BYTES, _BTIME_AT = -100, 0x800, 256, 80


def files(project: Project, paths: Iterable[str], since: float) -> tuple[list[str], list[str]]:
    """Return which of `paths` were made, and which only changed, after `since` (a POSIX time)."""
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
    """Return when this process started, as a POSIX time; 0 where the system does not tell."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        # Later rather than earlier (ticks are cut off, and file systems' clocks are coarse), so that no
        # file from before counts as the session's; its own first file comes later than that.
        return time.time() - age + _COARSE
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0


def _birth(file: Path) -> float | None:
    """Return when a file was made; Python 3.11 asks Linux for every time but this one."""
    told: Any = getattr(file.stat(), "st_birthtime", None)
    if told is not None:
        return float(told)
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "statx"):
        return None
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    if libc.statx(_AT_FDCWD, os.fsencode(file), 0, _STATX_BTIME, buffer):
        return None
    (mask,) = struct.unpack_from("=I", buffer, 0)
    seconds, nanoseconds = struct.unpack_from("=qI", buffer, _BTIME_AT)
    return float(seconds) + nanoseconds / 1e9 if mask & _STATX_BTIME else None
