"""`data gc`: delete the cached versions that nothing refers to any more.

What is kept: the versions named by `.dvc` and `dvc.lock` files, here and in every commit that a git
reference or reflog reaches, and those that the caller names (the runs'). Not deleting is the safe side: where
git cannot be read, nothing is deleted.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mlops import git
from jupyter_mlops.data.cache import cache_folder, members
from jupyter_mlops.data.keeping import UNFINISHED
from jupyter_mlops.data.records import Unused
from jupyter_mlops.errors import BackendFailed, MlopsError, UsageError
from jupyter_mlops.project import Project
from jupyter_mlops.records import Records

if TYPE_CHECKING:
    from collections.abc import Iterable

_OBJECT = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}(?:\.dir)?")
_NAMED = re.compile(r"\bmd5: *['\"]?([0-9a-f]{32}(?:\.dir)?)")
_HOUR = 3600.0


def gc(
    *,
    keep: Iterable[str] = (),
    yes: bool = False,
    older: float = 1.0,
    project: Project | None = None,
) -> Records[Unused]:
    """List what nothing refers to, and with `yes` delete it.

    Args:
        keep: versions that something else refers to; a folder's includes its files.
        yes: delete; else nothing is touched.
        older: only objects last used more than so many hours ago, as a run in progress names its
            versions only at its end.
        project: default: the project at or above the working folder.
    """
    project = project or Project.find()
    if older < 0:
        raise UsageError("--older counts hours, from 0 on", "For example: data gc --older 24")
    root = cache_folder(project)
    used = _with_members({*keep, *named_anywhere(project)}, project)
    before = time.time() - older * _HOUR
    unused = []
    for path in _objects(root):
        version = path.relative_to(root).as_posix().replace("/", "")
        stat = path.stat()
        if version in used or stat.st_mtime > before:
            continue
        unused.append(Unused(version=version, size=stat.st_size, deleted=yes))
        if yes:
            path.unlink(missing_ok=True)
    if yes:
        for path in root.glob(f"*{UNFINISHED}"):
            if path.stat().st_mtime < before:
                path.unlink(missing_ok=True)
        project.announce("data", "collected")
    return UnusedList(unused, empty="Everything in the cache is referred to, or was used just now.")


class UnusedList(Records[Unused]):
    """What `data gc` found, and how much space it is."""

    def __str__(self) -> str:
        return f"{super().__str__()}\n{self._sum()}" if self.items else self.empty

    def _repr_html_(self) -> str:
        return (
            f"{super()._repr_html_()}<p>{self._sum()}</p>" if self.items else super()._repr_html_()
        )

    def _sum(self) -> str:
        from jupyter_mlops import tables

        size = tables.size(sum(item.size for item in self.items))
        if self.items[0].deleted:
            return f"Deleted {len(self.items):,} objects, {size}."
        return f"Would delete {len(self.items):,} objects, {size}. To do so: data gc --yes"


def held(*, project: Project) -> set[str]:
    """Return the versions that have an object in the cache."""
    root = cache_folder(project)
    return {path.relative_to(root).as_posix().replace("/", "") for path in _objects(root)}


def named_anywhere(project: Project) -> set[str]:
    """Return the versions named by DVC's files here and in every commit that git can reach."""
    found: set[str] = set()
    for pattern in ("*.dvc", "dvc.lock"):
        for file in project.root.rglob(pattern):
            if file.is_file():
                found.update(_NAMED.findall(file.read_text(errors="replace")))
    try:
        return found | _named_in_git(project)
    except git.GitMissing:
        raise MlopsError(
            "git is not installed", "Install it, as old commits name versions"
        ) from None


def _named_in_git(project: Project) -> set[str]:
    def ask(*words: str, give: bytes = b"") -> bytes:
        done = git.run(project.root, *words, give=give, seconds=None)
        if done.returncode != 0:
            raise BackendFailed(
                f"git cannot list what commits refer to: {git.reason(done)}",
                "Nothing was deleted; mend the git repository first (git fsck)",
            )
        return done.stdout

    # --all has branches, tags, stashes and the snapshots of runs; the reflog what was amended.
    try:
        listed = ask("rev-list", "--objects", "--all", "--reflog", "--indexed-objects").decode(
            errors="replace"
        )
    except git.NoRepository:
        return set()
    blobs = {
        line.partition(" ")[0]
        for line in listed.splitlines()
        if line.endswith((".dvc", "dvc.lock"))
    }
    if not blobs:
        return set()
    content = ask("cat-file", "--batch", give="\n".join(sorted(blobs)).encode() + b"\n")
    return set(_NAMED.findall(content.decode(errors="replace")))


def _with_members(versions: set[str], project: Project) -> set[str]:
    used = set(versions)
    for version in versions:
        if version.endswith(".dir"):
            try:
                used.update(members(version, project=project))
            except MlopsError:
                # Its list is gone or damaged, so which files it has cannot be known.
                continue
    return used


def _objects(root: Path) -> list[Path]:
    return [
        path
        for path in sorted(root.glob("[0-9a-f][0-9a-f]/*"))
        if _OBJECT.fullmatch(path.relative_to(root).as_posix())
    ]
