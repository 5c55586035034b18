"""Files that several processes write: replaced whole, under one lock per resource."""

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


def content(path: Path, *, most: int, link: bool = True) -> bytes:
    """Return the content of a file that somebody else may have put there.

    A FIFO would be waited for, a device read for ever, a file of gigabytes fill the memory.

    Args:
        path: the file.
        most: bytes that it may have.
        link: whether it may be a symbolic link.

    Raises:
        OSError: it is not a regular file, has more than `most` bytes, or cannot be read.
    """
    # Not opened before it is known to be a file: to open a device may have an effect.
    if not stat.S_ISREG(path.stat(follow_symlinks=link).st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    # Between the two it may have become something that waits.
    flags = (
        os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | (0 if link else getattr(os, "O_NOFOLLOW", 0))
    )
    descriptor = os.open(path, flags)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        found = file.read(most + 1)
    if len(found) > most:
        raise OSError(errno.EFBIG, f"Larger than {most:,} bytes", str(path))
    return found


def json_in(path: Path, *, most: int = 16_000_000) -> Any:
    """Return what a JSON file holds that somebody else may have written.

    Raises:
        OSError: as `content`.
        ValueError: it is not JSON, or nested without end.
    """
    try:
        return json.loads(content(path, most=most))
    except RecursionError:
        raise ValueError("nested too deep") from None


def append_line(path: Path, line: str) -> None:
    """Append one line in one write, so that lines of several processes never mix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _own_file(path, os.O_APPEND)
    content = f"{line}\n".encode()
    try:
        written = os.write(descriptor, content)
        if written < len(content):
            # The disk took a part. The next line must not be joined to it.
            end = os.lseek(descriptor, 0, os.SEEK_CUR)
            if os.fstat(descriptor).st_size == end:
                os.ftruncate(descriptor, end - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(descriptor)


def log(path: Path, *, fresh: bool = False) -> BinaryIO:
    """Open a log to append to it, or a `fresh` one; never through a link or into a pipe.

    Raises:
        OSError: no regular file can be opened here.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.fdopen(_own_file(path, os.O_TRUNC if fresh else os.O_APPEND), "wb" if fresh else "ab")


def _own_file(path: Path, flags: int) -> int:
    """Open a file to write to it; what somebody put in its place is neither followed nor waited for."""
    safe = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return os.open(path, os.O_WRONLY | os.O_CREAT | safe | flags, 0o600)


@contextmanager
def locked(path: Path, *, timeout: float = 120) -> Iterator[None]:
    """Hold the lock file `path`; the kernel releases it whatever becomes of this process.

    Raises:
        Conflict: another process still holds it after `timeout` seconds.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise Conflict(f"{path} is not a file that can be locked", "Delete it")
    try:
        with FileLock(path, timeout=timeout):
            yield
    except Timeout:
        raise Conflict(
            f"{path.name} has been held by another process for {timeout:.0f} s",
            "Wait for it to finish, or stop it, and try again",
        ) from None
