"""Restores files with a git filter (git-lfs, git-crypt) in a replay, without running the filter.

A filter is a program that the repository names. The snapshot has the raw content of changed files. Of the
others it has git's content, for git-lfs a pointer. If the project's file still matches git's content, it
is copied.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from jupyter_mlops import guarded, paths
from jupyter_mlops.environment import git, git_filters
from jupyter_mlops.text import listed

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project

_SHOWN = 3


def place(project: Project, top: Path) -> list[str]:
    """Put the content of filtered files into the work tree `top`; return the notes about them.

    Raises:
        git.GitFailed: one of the two repositories cannot be read.
    """
    if not git.filters(project.root):
        return []
    drivers = git_filters.with_filter(top, git.text(top, "ls-files", "-z").split("\0"))
    drivers = {path: name for path, name in drivers.items() if "\n" not in path}
    if not drivers:
        return []
    origin = git.top(project.root)
    same = {*git_filters.unchanged(origin, drivers)}
    held = _held(origin)
    copied: dict[str, int] = defaultdict(int)
    left: dict[str, list[str]] = defaultdict(list)
    for path, blob in _blobs(top, drivers).items():
        source = origin / path
        if path in same and held.get(path) == blob and not paths.is_link(source):
            guarded.put(source, top, paths.below(top, path))
            copied[drivers[path]] += 1
        else:
            left[drivers[path]].append(path)
    return [_told(name, copied[name], left[name]) for name in sorted({*copied, *left})]


def _held(top: Path) -> dict[str, str]:
    """Return the blob of each file in the index."""
    entries = git.text(top, "ls-files", "-s", "-z").split("\0")[:-1]
    return {path: head.split(" ")[1] for head, _, path in (e.partition("\t") for e in entries)}


def _blobs(top: Path, asked: dict[str, str]) -> dict[str, str]:
    """Return the blob of each file's content on disk, without filters."""
    files = [path for path in asked if (top / path).is_file() and not paths.is_link(top / path)]
    if not files:
        return {}
    output = git.text(
        top, "hash-object", "--no-filters", "--stdin-paths", give="\n".join(files) + "\n"
    )
    return dict(zip(files, output.split(), strict=True))


def _told(name: str, copied: int, left: list[str]) -> str:
    parts = []
    if copied:
        parts.append(f"{copied} of its files copied from the project")
    if left:
        parts.append(f"left unfiltered: {listed(left, _SHOWN)}")
    return f"filter {name} was not run; {'; '.join(parts)}"
