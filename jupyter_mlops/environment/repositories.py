"""Find a folder's git repository, and check that it belongs to this folder.

git follows a `.git` file or link anywhere. A folder from another person could lead git to another repository of
the user; then our snapshots would contain that repository's code, and it would get our refs. So a repository
outside of the folder must name the folder too, as linked work trees and submodules do.
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

_LONGEST = 100_000  # bytes that are read of one of git's files
_WORKTREE = re.compile(r"^[^\S\n]*worktree[^\S\n]*=(.*)$", re.MULTILINE)


class GitFailed(BackendFailed):
    """A git command failed; the message is git's own."""


class NoRepository(GitFailed):
    """No git repository at or above this folder."""


class RepositoryRefused(GitFailed):
    """A repository that we refuse to read, because it may not belong to this folder or user."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A work tree (`top`), its git folder, and the git folder that it shares with other work trees."""

    top: Path
    folder: Path
    common: Path
    #: Whether another user owns a part of it.
    foreign: bool

    @property
    def settings(self) -> tuple[str, str]:
        """The files that may contain its configuration."""
        return str(self.common / "config"), str(self.folder / "config.worktree")

    def absolute(self, origin: str) -> str:
        """Return the absolute path of a file that git names relative to the work tree."""
        return os.path.join(self.top, origin)  # noqa: PTH118 - `origin` may be absolute

    def refuse_other_worktree(self, value: str) -> None:
        """Raise `RepositoryRefused` if `core.worktree` names another folder."""
        if Path(os.path.realpath(self.folder / value)) != self.top:
            raise RepositoryRefused(
                f"The git repository in {self.top} belongs to another folder, {printable(value)}",
                f"If it belongs to this one: git --git-dir={self.folder} config core.worktree {self.top}",
            )


def find(folder: Path) -> Repository:
    """Return the repository that `folder` is in.

    Raises:
        NoRepository: there is none.
        RepositoryRefused: its `.git` leads to a repository that does not name this folder.
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
    raise NoRepository(f"{folder} is not in a git repository", "Type: git init")


def stamps(paths: Iterable[str]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return a stamp of each file, which changes when its content changes."""
    return tuple((path, _stamp(path)) for path in paths)


def users_settings() -> list[str]:
    """Return the files of the user's own configuration, whether they exist or not."""
    home = Path(os.environ.get("HOME") or Path.home())
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return [str(home / ".gitconfig"), str(config / "git" / "config")]


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
            _exists_or_is_link(folder / "HEAD")
            and (common / "objects").is_dir()
            and (common / "refs").is_dir()
        ):
            if entry.is_dir():
                return None  # git ignores an empty `.git` folder too
            raise RepositoryRefused(f"{entry} leads to {folder}, which is not a git repository")
        if not _knows(top, entry, folder, common):
            raise RepositoryRefused(
                f"{entry} leads to {folder}, which is the repository of another folder",
                "If it belongs to this one: git worktree repair, or "
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
        # A linked work tree: the repository's `gitdir` file names this folder.
        back = folder / "gitdir"
        linked = folder.parent == common / "worktrees" and back.is_file()
        return linked and os.path.realpath(folder / _line(back)) == os.path.realpath(entry)
    named = _WORKTREE.findall(_beginning(folder / "config"))
    return any(
        os.path.realpath(folder / path.strip().strip('"')) == str(top) for path in named[-1:]
    )


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
        raise RepositoryRefused(f"{file} is not a valid git file")
    return line.removeprefix(prefix)


def _line(file: Path) -> str:
    return _beginning(file).rstrip("\n")


def _beginning(file: Path) -> str:
    if not file.is_file():
        return ""  # reading a pipe would block
    with file.open("rb") as stream:
        return os.fsdecode(stream.read(_LONGEST))


def _exists_or_is_link(path: Path) -> bool:
    return path.exists() or path.is_symlink()
