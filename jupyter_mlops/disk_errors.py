"""Turn disk errors (full, read-only, no permission) into one line.

MLflow, SQLite, DVC, BentoML and papermill each wrap such an error in their own way, and a verb can meet it
at a dozen places. So it is recognised where a verb is called, from the chain of errors.
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

_INTACT = "Everything recorded before is intact"
_FREE = f"Free some space there, then try again. {_INTACT}"
_MESSAGES = {
    errno.ENOSPC: ("The disk is full", _FREE),
    errno.EDQUOT: ("Your disk quota is used up", _FREE),
    errno.EFBIG: (
        "The file would be larger than allowed",
        f"Raise the limit: ulimit -f. {_INTACT}",
    ),
    errno.EROFS: ("The disk is read-only", f"Make it writable, or work on another disk. {_INTACT}"),
    errno.EACCES: ("No permission", f"See who owns it: ls -ld. {_INTACT}"),
    errno.EPERM: ("No permission", f"See who owns it: ls -ld. {_INTACT}"),
    errno.EIO: ("The disk reports errors", "See the system's log: dmesg"),
}
#: What engines write instead of the error number.
_ENGINE_TEXTS = {
    "No space left on device": errno.ENOSPC,
    "database or disk is full": errno.ENOSPC,
    "No usable temporary directory": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
    "File too large": errno.EFBIG,
    "Read-only file system": errno.EROFS,
}
#: SQLite's texts that have several causes; `_cause` examines the folder to find which.
_AMBIGUOUS_TEXTS = (
    "disk I/O error",
    "unable to open database file",
    "attempt to write a readonly database",
)
_FULL_BELOW = 65_536
_LONGEST_CHAIN = 20


@contextmanager
def in_one_line(place: Path | str = "") -> Iterator[None]:
    """Raise a disk error of the block as one line.

    Raises:
        StorageFailed: in place of the engine's error.
    """
    try:
        yield
    except Exception as error:
        found = refusal(error, place)
        if found is None or found is error:
            raise
        raise found from error


def refusal(error: BaseException, place: Path | str = "") -> StorageFailed | None:
    """Return the disk error in the chain of `error`, if any; `place` is named if the error names no file."""
    for each in _chain(error):
        if isinstance(each, StorageFailed):
            return each
        if isinstance(each, OSError) and each.errno in _MESSAGES:
            return _line(each.errno, each.filename2 or each.filename or place)
    for each in _chain(error):
        text = str(each)
        for words, number in _ENGINE_TEXTS.items():
            if words in text:
                return _line(number, place)
        if any(words in text for words in _AMBIGUOUS_TEXTS):
            return _line(_cause(_folder(place)), place)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes; SQLAlchemy keeps its cause in `orig`."""
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
    what, do = _MESSAGES[number]
    if isinstance(place, bytes):
        place = os.fsdecode(place)
    where = place if isinstance(place, (str, Path)) and str(place) else _folder("")
    return StorageFailed(f"{what}: {where}", do)


def _folder(place: Path | str) -> Path:
    """Return the `.mlops` folder at or above `place` (default: the working folder), else `place`."""
    start = Path(place or os.environ.get("MLOPS_ROOT") or Path.cwd())
    for folder in (start, *start.absolute().parents):
        if (folder / ".mlops").is_dir():
            return folder / ".mlops"
    return start


def _cause(folder: Path) -> int:
    """Return the error number that explains why SQLite cannot write to a folder."""
    try:
        there = os.statvfs(folder)
    except OSError as error:
        return error.errno if error.errno in _MESSAGES else errno.EIO
    if there.f_flag & os.ST_RDONLY:
        return errno.EROFS
    if there.f_bavail * there.f_frsize < _FULL_BELOW:
        return errno.ENOSPC
    if not os.access(folder, os.W_OK) or not all(
        os.access(path, os.W_OK) for path in folder.glob("*.db*")
    ):
        return errno.EACCES
    return errno.EIO
