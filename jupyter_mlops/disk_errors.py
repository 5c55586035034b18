"""A disk that is full, read-only or not ours: said in one line, wherever in an engine it was met.

MLflow, SQLite, DVC, BentoML and papermill each wrap such an error in their own way, and each verb would
meet it at a dozen places. So it is told apart where a verb is called, from the chain of errors.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mlops.errors import StorageFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

_AGAIN = "What was kept before is unharmed"
_FREE = f"Free some space there and do it again. {_AGAIN}"
_SAID = {
    errno.ENOSPC: ("The disk is full", _FREE),
    errno.EDQUOT: ("Your disk quota is used up", _FREE),
    errno.EFBIG: ("The file would be larger than allowed", f"Raise the limit: ulimit -f. {_AGAIN}"),
    errno.EROFS: ("The disk is read-only", f"Make it writable, or work on another disk. {_AGAIN}"),
    errno.EACCES: ("No permission", f"See whose it is: ls -ld. {_AGAIN}"),
    errno.EPERM: ("No permission", f"See whose it is: ls -ld. {_AGAIN}"),
    errno.EIO: ("The disk fails", "See the system's log: dmesg"),
}
#: What engines write in place of the error's number.
_TEXTS = {
    "No space left on device": errno.ENOSPC,
    "database or disk is full": errno.ENOSPC,
    "No usable temporary directory": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
    "File too large": errno.EFBIG,
    "Read-only file system": errno.EROFS,
}
#: What SQLite says of several causes; the folder itself tells which.
_UNCLEAR = (
    "disk I/O error",
    "unable to open database file",
    "attempt to write a readonly database",
)
_LITTLE = 65_536
_LONGEST_CHAIN = 20


@contextmanager
def told(place: Path | str = "") -> Iterator[None]:
    """Turn an error of the disk in the block into one line.

    Raises:
        StorageFailed: instead of what an engine raised.
    """
    try:
        yield
    except Exception as error:
        found = refusal(error, place)
        if found is None or found is error:
            raise
        raise found from error


def refusal(error: BaseException, place: Path | str = "") -> StorageFailed | None:
    """Return what a disk refused, if that is what went wrong; `place` is where, if no error says it."""
    for each in _chain(error):
        if isinstance(each, StorageFailed):
            return each
        if isinstance(each, OSError) and each.errno in _SAID:
            return _line(each.errno, each.filename2 or each.filename or place)
    for each in _chain(error):
        text = str(each)
        for words, number in _TEXTS.items():
            if words in text:
                return _line(number, place)
        if any(words in text for words in _UNCLEAR):
            return _line(_cause(_folder(place)), place)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Return an error and what it came from; SQLAlchemy keeps that in `orig`."""
    left: list[BaseException | None] = [error]
    seen: list[BaseException] = []
    while left and len(seen) < _LONGEST_CHAIN:
        each = left.pop(0)
        if each is None or each in seen:
            continue
        seen.append(each)
        yield each
        orig = getattr(each, "orig", None)
        left += [
            orig if isinstance(orig, BaseException) else None,
            each.__cause__,
            each.__context__,
        ]


def _line(number: int, place: object) -> StorageFailed:
    what, do = _SAID[number]
    if isinstance(place, bytes):
        place = os.fsdecode(place)
    where = place if isinstance(place, (str, Path)) and str(place) else _folder("")
    return StorageFailed(f"{what}: {where}", do)


def _folder(place: Path | str) -> Path:
    """Return where a project keeps its state, as far as that can be seen from here."""
    start = Path(place or os.environ.get("MLOPS_ROOT") or Path.cwd())
    for folder in (start, *start.absolute().parents):
        if (folder / ".mlops").is_dir():
            return folder / ".mlops"
    return start


def _cause(folder: Path) -> int:
    """Return why a folder can hold no more, asked of the folder."""
    try:
        there = os.statvfs(folder)
    except OSError as error:
        return error.errno if error.errno in _SAID else errno.EIO
    if there.f_flag & os.ST_RDONLY:
        return errno.EROFS
    if there.f_bavail * there.f_frsize < _LITTLE:
        return errno.ENOSPC
    if not os.access(folder, os.W_OK) or not all(
        os.access(path, os.W_OK) for path in folder.glob("*.db*")
    ):
        return errno.EACCES
    return errno.EIO
