"""`data gc`: delete the cached versions that nothing refers to any more.

What is kept: the versions named by `.dvc` and `dvc.lock` files, here and in every commit that a git
reference or reflog reaches, those that runs refer to, and those that the caller names. Not deleting is the
safe side: where one of these cannot be read, nothing is deleted.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mlops import files
from jupyter_mlops.data import referrers
from jupyter_mlops.data.cache import cache_folder, members
from jupyter_mlops.data.objects import UNFINISHED
from jupyter_mlops.data.records import Unused
from jupyter_mlops.data.versions import checked, is_version, named_in
from jupyter_mlops.environment import git
from jupyter_mlops.errors import BackendFailed, MlopsError, NotFound, UsageError
from jupyter_mlops.paths import is_link
from jupyter_mlops.project import Project
from jupyter_mlops.records import Records

if TYPE_CHECKING:
    from collections.abc import Iterable

_HOUR = 3600.0
#: A `dvc.lock` of a large pipeline has some megabytes.
_LARGEST = 64_000_000
_WHY_NOT = "Nothing was deleted"


def gc(
    *,
    keep: Iterable[str] = (),
    yes: bool = False,
    older: float = 1.0,
    project: Project | None = None,
) -> Records[Unused]:
    """List the cached versions that neither a `.dvc` file of any git commit nor a run refers to.

    With `yes` they are deleted. `dvc gc` knows nothing of runs and deletes what they need.

    Args:
        keep: more versions to keep; a folder's includes its files.
        yes: delete; else nothing is touched.
        older: only objects last used more than so many hours ago, as a run in progress names its
            versions only at its end.
        project: default: the project at or above the working folder.

    Raises:
        BackendFailed: what git, a run or a folder's list refers to cannot be read.
    """
    project = project or Project.find()
    if not older >= 0:
        raise UsageError("--older counts hours, from 0 on", "For example: data gc --older 24")
    root = cache_folder(project)
    if yes:
        _refuse_others_cache(root, project)
    of_runs = {version for _, version in referrers.versions(project)}
    named = {checked(version, "keep") for version in keep}
    used = _with_members(of_runs | named | named_anywhere(project), project)
    before = time.time() - older * _HOUR
    unused = []
    for path in _objects(root):
        version = path.parent.name + path.name
        stat = path.lstat()
        if version in used or stat.st_mtime > before:
            continue
        unused.append(Unused(version=version, size=stat.st_size, deleted=yes))
        if yes:
            path.unlink(missing_ok=True)
    if yes:
        for path in root.glob(f"*{UNFINISHED}"):
            if path.lstat().st_mtime < before:
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
    return {path.parent.name + path.name for path in _objects(root)}


def named_anywhere(project: Project) -> set[str]:
    """Return the versions named by DVC's files here and in every commit that git can reach."""
    found: set[str] = set()
    for pattern in ("*.dvc", "dvc.lock"):
        for file in project.root.rglob(pattern):
            if file.is_dir():
                continue
            try:
                text = files.content(file, most=_LARGEST).decode(errors="replace")
            except FileNotFoundError:
                continue  # a link to nothing, or gone just now
            except OSError as error:
                raise BackendFailed(
                    f"{project.relative(file)} cannot be read: {error.strerror}", _WHY_NOT
                ) from None
            found.update(named_in(text))
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
    return named_in(content.decode(errors="replace"))


def _with_members(versions: set[str], project: Project) -> set[str]:
    used = set(versions)
    for version in versions:
        if version.endswith(".dir"):
            try:
                used.update(members(version, project=project))
            except NotFound:
                continue  # it is kept elsewhere, list and files
            except MlopsError as error:
                # Which files it has cannot be known, and one of them may be the only copy.
                raise BackendFailed(error.what, f"{_WHY_NOT}. {error.do}") from None
    return used


def _objects(root: Path) -> list[Path]:
    return [
        path
        for folder in sorted(root.glob("[0-9a-f][0-9a-f]"))
        if not is_link(folder)
        for path in sorted(folder.glob("*"))
        if is_version(folder.name + path.name)
    ]


def _refuse_others_cache(root: Path, project: Project) -> None:
    """Refuse a cache that lies elsewhere: what other projects refer to cannot be known."""
    if not root.resolve().is_relative_to(project.root.resolve()):
        raise MlopsError(
            f"The cache {root} is outside the project, and other projects may use it",
            f"{_WHY_NOT}; see what this project does not need: data gc",
        )
