"""Where a folder's git repository is, and whether it is this folder's own.

git follows a `.git` wherever it leads. A folder from somebody else could lead it to another repository of the
user's: its code would then be in our snapshots, and our refs in it. So a repository that lies elsewhere must
name this folder too, as linked work trees and submodules do.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mlops.errors import BackendFailed
from jupyter_mlops.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 100_000  # bytes that are read of a file of git's
_WORKTREE = re.compile(r"^\s*worktree\s*=\s*(.*?)\s*$", re.MULTILINE)


class GitFailed(BackendFailed):
    """A git command failed; the message is its own."""


class NoRepository(GitFailed):
    """No git repository at or above this folder."""


class RepositoryRefused(GitFailed):
    """A repository that is not read, as it may be another's."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A work tree, its own folder in git, and the folder that it shares with other work trees."""

    top: Path
    folder: Path
    common: Path
    #: Whether a part of it belongs to another user.
    foreign: bool

    @property
    def settings(self) -> tuple[str, str]:
        """The files that may hold its configuration."""
        return str(self.common / "config"), str(self.folder / "config.worktree")

    def absolute(self, origin: str) -> str:
        """Return the path of a file that git names from the work tree's top."""
        return os.path.join(self.top, origin)  # noqa: PTH118 - `origin` may be absolute

    def refuse_other_worktree(self, value: str) -> None:
        """Refuse where `core.worktree` leads to another folder."""
        if Path(os.path.realpath(self.folder / value)) != self.top:
            raise RepositoryRefused(
                f"The git repository in {self.top} is the one of another folder, {printable(value)}",
                f"If it is this folder's: git --git-dir={self.folder} config core.worktree {self.top}",
            )


def find(folder: Path) -> Repository:
    """Return the repository that `folder` is in.

    Raises:
        NoRepository: there is none.
        RepositoryRefused: its `.git` leads to a repository that does not know this folder.
    """
    start = Path(os.path.realpath(folder))
    ceilings = {
        Path(item)
        for item in os.environ.get("GIT_CEILING_DIRECTORIES", "").split(os.pathsep)
        if item
    }
    device = _device(start)
    for top in (start, *start.parents):
        if top != start and top in ceilings:
            break
        if not os.environ.get("GIT_DISCOVERY_ACROSS_FILESYSTEM") and _device(top) != device:
            break
        if found := _at(top):
            return found
    raise NoRepository(f"{folder} is in no git repository", "Type: git init")


def stamps(paths: Iterable[str]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return for each file what changes when its content does."""
    return tuple((path, _stamp(path)) for path in paths)


def users_settings() -> list[str]:
    """Return the files that the user's own configuration may be in, also those that are not there."""
    home = Path(os.environ.get("HOME") or Path.home())
    other = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return [str(home / ".gitconfig"), str(other / "git" / "config")]


def _stamp(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)  # noqa: PTH116 - at each recording
    except (OSError, ValueError):
        return ()
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def _device(folder: Path) -> int:
    try:
        return folder.stat().st_dev
    except OSError:
        return -1


def _at(top: Path) -> Repository | None:
    entry = top / ".git"
    if entry.is_dir():
        folder = Path(os.path.realpath(entry))
    elif entry.is_file():
        folder = Path(os.path.realpath(top / _named(entry, "gitdir: ")))
    else:
        return None
    try:
        shared = folder / "commondir"
        common = Path(os.path.realpath(folder / _line(shared))) if shared.is_file() else folder
        if not (
            _is(folder / "HEAD") and (common / "objects").is_dir() and (common / "refs").is_dir()
        ):
            if entry.is_dir():
                return None  # as git does: an empty `.git` is none
            raise RepositoryRefused(f"{entry} leads to {folder}, where there is no git repository")
        if not _knows(top, entry, folder, common):
            raise RepositoryRefused(
                f"{entry} leads to {folder}, which is the repository of another folder",
                "If it is this one's: git worktree repair, or "
                f"git --git-dir={folder} config core.worktree {top}",
            )
        return Repository(top, folder, common, _foreign(top, entry, folder))
    except (OSError, ValueError) as error:
        raise RepositoryRefused(f"{entry} cannot be read: {error}") from None


def _knows(top: Path, entry: Path, folder: Path, common: Path) -> bool:
    """Whether the repository is in this folder, or names it."""
    if folder == common and folder.is_relative_to(top):
        return True
    if folder != common:
        # A linked work tree; the repository itself notes where it is.
        back = folder / "gitdir"
        linked = folder.parent == common / "worktrees" and back.is_file()
        return linked and os.path.realpath(folder / _line(back)) == os.path.realpath(entry)
    named = _WORKTREE.findall(_beginning(folder / "config"))
    return any(os.path.realpath(folder / path.strip('"')) == str(top) for path in named[-1:])


def _foreign(top: Path, entry: Path, folder: Path) -> bool:
    if not hasattr(os, "geteuid"):
        return False
    own = {os.geteuid()}
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdigit():
        own.add(int(os.environ["SUDO_UID"]))
    return any(path.lstat().st_uid not in own for path in (top, entry, folder))


def _named(file: Path, prefix: str) -> str:
    line = _line(file)
    if not line.startswith(prefix):
        raise RepositoryRefused(f"{file} is not a file that git could have written")
    return line.removeprefix(prefix)


def _line(file: Path) -> str:
    return _beginning(file).rstrip("\n")


def _beginning(file: Path) -> str:
    if not file.is_file():
        return ""  # a pipe would be waited for
    with file.open("rb") as stream:
        return os.fsdecode(stream.read(_LONGEST))


def _is(path: Path) -> bool:
    return path.exists() or path.is_symlink()
