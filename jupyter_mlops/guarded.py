"""Write, read and delete files below a folder, although another process exchanges its folders for links.

`paths.below` refuses a path through a link. Between that check and the use, somebody who can write to the folder may put a
link there. So each folder on the way is opened by itself, without following links, and the file is named
relative to the opened folder.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from jupyter_mlops import files
from jupyter_mlops.paths import ThroughALink, below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

_PART = 1 << 20
#: Windows has no folder descriptors. There the path is checked right before it is used.
_BY_FOLDER = {os.open, os.mkdir, os.unlink, os.rename, os.stat} <= os.supports_dir_fd
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | getattr(os, "O_CLOEXEC", 0)


def put(source: Path, root: Path, place: Path) -> None:
    """Copy the file `source` to `place` below `root`, in one step and without its mode.

    Raises:
        ThroughALink: one of the folders between `root` and `place` is a link.
        OSError: it cannot be read or written.
    """
    with source.open("rb") as content:
        _fill(root, place, lambda file: shutil.copyfileobj(content, file, _PART))


def replace(content: bytes, root: Path, place: Path) -> None:
    """Write `content` to `place` below `root` so that a reader sees the old file or the new one.

    Raises:
        ThroughALink: one of the folders between `root` and `place` is a link.
        OSError: it cannot be written.
    """

    def write(file: BinaryIO) -> None:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())

    _fill(root, place, write)


def move(source: Path, root: Path, place: Path) -> None:
    """Move the file `source` to `place` below `root`, on the same disk.

    Raises:
        ThroughALink: one of the folders between `root` and `place` is a link.
        OSError: it cannot be moved.
    """
    with _folder(root, place, make=True) as folder:
        os.replace(source, _named(folder, place), dst_dir_fd=folder)


def remove(root: Path, place: Path) -> None:
    """Delete the file or link `place` below `root`; a missing one is no error.

    Raises:
        ThroughALink: one of the folders between `root` and `place` is a link.
        OSError: it is a folder, or cannot be deleted.
    """
    with suppress(FileNotFoundError), _folder(root, place) as folder:
        os.unlink(_named(folder, place), dir_fd=folder)


def content(root: Path, place: Path, *, most: int) -> bytes:
    """Return the content of the regular file `place` below `root`; neither it nor a folder may be a link.

    Raises:
        ThroughALink: one of the folders between `root` and `place` is a link.
        OSError: it is not a regular file, has more than `most` bytes, or cannot be read.
    """
    with _folder(root, place) as folder:
        within = None if folder is None else (folder, place.name)
        return files.content(place, most=most, link=False, within=within)


def _fill(root: Path, place: Path, write: Callable[[BinaryIO], object]) -> None:
    with _folder(root, place, make=True) as folder:
        # A random name: two processes may write the same file.
        scratch = _named(folder, place, f".{secrets.token_hex(8)}.tmp")
        try:
            with os.fdopen(os.open(scratch, _WRITE, 0o666, dir_fd=folder), "wb") as file:
                write(file)
            os.replace(scratch, _named(folder, place), src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(scratch, dir_fd=folder)


@contextmanager
def _folder(root: Path, place: Path, *, make: bool = False) -> Iterator[int | None]:
    """Open the folder of `place`; None where a folder cannot be opened."""
    inside = place.parent.relative_to(root)
    if not _BY_FOLDER:
        below(root, place.relative_to(root).as_posix(), link=True)
        if make:
            place.parent.mkdir(parents=True, exist_ok=True)
        yield None
        return
    # The way to `root` may contain links: the user chose it.
    opened = os.open(root, _FOLDER)
    try:
        for part in inside.parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=opened)
            inner = _opened(part, opened, place.relative_to(root).as_posix())
            os.close(opened)
            opened = inner
        yield opened
    finally:
        os.close(opened)


def _opened(part: str, folder: int, shown: str) -> int:
    try:
        return os.open(part, _FOLDER | _NO_LINK, dir_fd=folder)
    except OSError as error:
        # Linux calls a link "not a directory" here, others "too many levels of symbolic links".
        if error.errno in {errno.ENOTDIR, errno.ELOOP}:
            with suppress(FileNotFoundError):
                found = os.stat(part, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISLNK(found.st_mode):
                    raise ThroughALink(shown) from None
        raise


def _named(folder: int | None, place: Path, name: str = "") -> str:
    name = name or place.name
    return name if folder is not None else str(place.with_name(name))
