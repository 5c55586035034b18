"""Files that several processes write: atomic replacement, and one lock per resource."""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from jupyter_mlops.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator


def replace(path: Path, content: bytes | str) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part."""
    if isinstance(content, str):
        content = content.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with scratch.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def content(
    path: Path, *, most: int, link: bool = True, within: tuple[int, str] | None = None
) -> bytes:
    """Return the content of a file that another person may have made.

    Opening a FIFO would block, reading a device would never end, and a huge file would fill the memory.

    Args:
        path: the file.
        most: maximum number of bytes.
        link: whether it may be a symbolic link.
        within: an open folder's descriptor and the file's name in it; then `path` is only shown.

    Raises:
        OSError: it is not a regular file, has more than `most` bytes, or cannot be read.
    """
    # Checked before opening, because opening a device can have side effects.
    folder, name = within or (None, os.fspath(path))
    if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=link).st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    # Checked again after opening: the file may be replaced by a FIFO in between.
    flags = (
        os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | (0 if link else getattr(os, "O_NOFOLLOW", 0))
    )
    descriptor = os.open(name, flags, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        found = file.read(most + 1)
    if len(found) > most:
        raise OSError(errno.EFBIG, f"Larger than {most:,} bytes", str(path))
    return found


def json_in(path: Path, *, most: int = 16_000_000) -> Any:
    """Return the content of a JSON file that another person may have written.

    Raises:
        OSError: as in `content`.
        ValueError: it is not JSON, or nested too deeply.
    """
    try:
        return json.loads(content(path, most=most))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def append_line(path: Path, line: str) -> None:
    """Append one line in one write, so that lines of several processes never mix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _own_file(path, os.O_APPEND)
    content = f"{line}\n".encode()
    try:
        written = os.write(descriptor, content)
        if written < len(content):
            # Only a part was written. Remove it, so that the next line is not joined to it.
            end = os.lseek(descriptor, 0, os.SEEK_CUR)
            if os.fstat(descriptor).st_size == end:
                os.ftruncate(descriptor, end - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(descriptor)


def log(path: Path, *, fresh: bool = False) -> BinaryIO:
    """Open a log to append to, or emptied if `fresh`; links and pipes are refused.

    Raises:
        OSError: it is not a regular file, or cannot be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.fdopen(_own_file(path, os.O_TRUNC if fresh else os.O_APPEND), "wb" if fresh else "ab")


def _own_file(path: Path, flags: int) -> int:
    """Open a regular file for writing; links, FIFOs and devices are refused."""
    safe = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return os.open(path, os.O_WRONLY | os.O_CREAT | safe | flags, 0o600)


@contextmanager
def locked(path: Path, *, timeout: float = 120) -> Iterator[None]:
    """Hold the lock file `path`; the operating system releases it when this process dies.

    Raises:
        Conflict: another process still holds it after `timeout` seconds.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise Conflict(f"The lock {path} is not a regular file", "Delete it")
    try:
        with FileLock(path, timeout=timeout):
            yield
    except Timeout:
        raise Conflict(
            f"Another process has held {path.name} for {timeout:.0f} s",
            "Wait until it ends, or stop it, then try again",
        ) from None
