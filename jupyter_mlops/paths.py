"""Turn a stored path into a path below a folder, or refuse it.

`.dvc` files, DVC's folder lists, capsules, notes, archives and requests name files by relative paths, and
another person may have written them. Code that reads, writes or deletes such a file calls `below` first.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from jupyter_mlops.errors import MlopsError, NotFound
from jupyter_mlops.text import printable

#: Limits of Linux's file systems, in bytes; beyond them every system call fails with its own error.
_LONGEST_NAME, _LONGEST_PATH = 255, 4095
#: `C:` and `\\host` are absolute on Windows; no data file has such a name here.
_ABSOLUTE = re.compile(r"[/\\]|.:", re.DOTALL)
#: Only dots and blanks: Windows reads `.. ` and `...` as the parent folder.
_ONLY_DOTS = re.compile(r"[.\s]+")
#: Characters that file systems ignore when they compare names: on a Mac, `.g\u200cit` is `.git`.
_UNSEEN = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
#: A repository's own settings can name commands that git runs.
_OF_GIT = {".git", "git~1"}


class UnsafePath(MlopsError):
    """A stored path that does not name a file below its folder."""

    def __init__(self, stored: object, why: str, source: str = "") -> None:
        super().__init__(
            f"{source or 'A stored path'} names {printable(stored)}, which {why}",
            "The path was not used. Do you trust the author of this file?",
        )


class ThroughALink(UnsafePath):
    """A stored path with a symbolic link in it, which may lead elsewhere."""

    def __init__(self, stored: object, source: str = "") -> None:
        super().__init__(stored, "leads through a symbolic link", source)


def below(root: Path, stored: object, *, source: str = "", link: bool = False) -> Path:
    """Return the path that `stored` names below `root`; the file itself need not exist.

    Args:
        root: the folder; its own path may contain links, because the user chose it.
        stored: the path as it was stored, relative, with `/` between its parts.
        source: the file that names the path, for the message: `data/train.csv.dvc`.
        link: whether the path itself may be a symbolic link. Its parents never may.

    Raises:
        UnsafePath: it is absolute, contains `..`, a NUL or another character that no file name can have,
            is too long, names one of git's own files, or leads through a symbolic link.
    """
    if not isinstance(stored, str) or not stored:
        raise UnsafePath(stored, "is not a path", source)
    if "\0" in stored:
        raise UnsafePath(stored, "contains a NUL", source)
    if os.sep == "\\" and (":" in stored or "\\" in stored):
        raise UnsafePath(stored, "is not written with '/'", source)
    if _ABSOLUTE.match(stored):
        raise UnsafePath(stored, "is absolute", source)
    parts = [part for part in stored.split("/") if part not in {"", "."}]
    if not parts:
        raise UnsafePath(stored, "is the folder itself", source)
    if any(_ONLY_DOTS.fullmatch(part) for part in parts):
        raise UnsafePath(stored, "leads out of its folder", source)
    if any(_is_gits(part) for part in parts):
        raise UnsafePath(stored, "is one of git's own files", source)
    try:
        lengths = [len(os.fsencode(part)) for part in parts]
    except UnicodeEncodeError:
        raise UnsafePath(stored, "is not a possible file name", source) from None
    if max(lengths) > _LONGEST_NAME or sum(lengths) + len(lengths) > _LONGEST_PATH:
        raise UnsafePath(stored, "is too long", source)
    path = root
    for position, part in enumerate(parts, start=1):
        path = path / part
        if position == len(parts) and link:
            continue
        if is_link(path):
            raise ThroughALink(stored, source)
    return path


def typed(text: str | Path) -> Path:
    """Return a path that a user typed; it may lead anywhere, but it is a possible file name.

    Raises:
        NotFound: it is not; each system call would raise another exception for it.
    """
    name = str(text)
    try:
        parts = os.fsencode(name).split(os.fsencode(os.sep))
    except UnicodeEncodeError:
        parts = [b"\0"]
    longest = max(map(len, parts))
    if (
        not name
        or "\0" in name
        or parts == [b"\0"]
        or longest > _LONGEST_NAME
        or len(name) > _LONGEST_PATH
    ):
        raise NotFound(f"No file {printable(name)}", "This is not a possible file name")
    return Path(text)


def _is_gits(part: str) -> bool:
    # Windows ignores dots and blanks at the end, and a colon begins a stream of the same file.
    return _UNSEEN.sub("", part).partition(":")[0].rstrip(". ").casefold() in _OF_GIT


def is_link(path: Path) -> bool:
    """Return whether `path` is a symbolic link, also a broken one."""
    try:
        return stat.S_ISLNK(path.lstat().st_mode)
    except (OSError, ValueError):
        return False
