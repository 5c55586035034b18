"""`data gc`: delete the cached versions that nothing refers to.

These versions are kept: those in `.dvc` and `dvc.lock` files of the working tree and of every commit that a git
reference or reflog reaches, those that runs refer to, and those that the caller names. If one of these sources
cannot be read, nothing is deleted.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mlops import files, guarded
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
from jupyter_mlops.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

_HOUR = 3600.0
#: Bytes; the `dvc.lock` of a large pipeline has some megabytes.
_LARGEST = 64_000_000
_NAMES_VERSIONS = (b".dvc", b"dvc.lock")
_NOTHING_DELETED = "Nothing was deleted"


def gc(
    *,
    keep: Iterable[str] = (),
    yes: bool = False,
    older: float = 1.0,
    project: Project | None = None,
) -> Records[Unused]:
    """List the cached versions that no `.dvc` file of any git commit and no run refers to.

    With `yes` they are deleted. `dvc gc` does not know runs, and deletes the versions that they need.

    Args:
        keep: more versions to keep; for a folder's version, also its files.
        yes: delete; by default they are only listed.
        older: hours since an object was last used; younger ones are kept, because a run records its
            versions only at its end.
        project: default: the project at or above the working folder.

    Raises:
        BackendFailed: the versions of git, of runs or of a folder cannot be read.
    """
    project = project or Project.find()
    if not older >= 0:
        raise UsageError(
            "--older must be a number of hours, 0 or more", "For example: %mlops data gc --older 24"
        )
    root = cache_folder(project)
    if yes:
        _refuse_others_cache(root, project)
    of_runs = {version for _, version in referrers.versions(project)}
    by_caller = {checked(version, "keep") for version in keep}
    used = _with_members(of_runs | by_caller | named_anywhere(project), project)
    oldest_kept = time.time() - older * _HOUR
    unused = []
    for path in _objects(root):
        version = path.parent.name + path.name
        stat = path.lstat()
        if version in used or stat.st_mtime > oldest_kept:
            continue
        unused.append(Unused(version=version, size=stat.st_size, deleted=yes))
        if yes:
            guarded.remove(root, path)
    if yes:
        for path in root.glob(f"*{UNFINISHED}"):
            if path.lstat().st_mtime < oldest_kept:
                path.unlink(missing_ok=True)
        project.announce("data", "collected")
    return UnusedList(
        unused, empty="Nothing to delete: each cached version is in use, or was used recently."
    )


class UnusedList(Records[Unused]):
    """The unused versions, with the sum of their sizes."""

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
            return f"Deleted {counted(len(self.items), 'object')}, {size}."
        return f"{counted(len(self.items), 'object')} to delete, {size}. To delete: %mlops data gc --yes"


def held(*, project: Project) -> set[str]:
    """Return the versions whose object is in the cache."""
    root = cache_folder(project)
    return {path.parent.name + path.name for path in _objects(root)}


def named_anywhere(project: Project) -> set[str]:
    """Return the versions named by DVC's files in the working tree and in every reachable commit."""
    found: set[str] = set()
    for pattern in ("*.dvc", "dvc.lock"):
        for file in project.root.rglob(pattern):
            if file.is_dir():
                continue
            try:
                text = files.content(file, most=_LARGEST).decode(errors="replace")
            except FileNotFoundError:
                continue  # a broken link, or deleted in the meantime
            except OSError as error:
                raise BackendFailed(
                    f"{project.relative(file)} cannot be read: {error.strerror}", _NOTHING_DELETED
                ) from None
            found.update(named_in(text))
    try:
        return found | _named_in_git(project)
    except git.GitMissing:
        raise MlopsError(
            "git is not installed", "Install it: old commits name versions that must be kept"
        ) from None


def _named_in_git(project: Project) -> set[str]:
    def output(*words: str, give: bytes = b"") -> bytes:
        done = git.run(project.root, *words, give=give, seconds=None)
        if done.returncode != 0:
            raise BackendFailed(
                f"git cannot list the files of all commits: {git.reason(done)}",
                "Nothing was deleted; repair the git repository first (git fsck)",
            )
        return done.stdout

    # --all reaches branches, tags, stashes and the snapshots of runs; --reflog reaches amended commits.
    try:
        commits = output("rev-list", "--all", "--reflog")
    except git.NoRepository:
        return set()
    # Every path of every commit, separated by NUL: `rev-list --objects` names a blob by one of its paths only.
    changes = output(
        "diff-tree", "--stdin", "--root", "-m", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--no-commit-id",
        give=commits,
    )  # fmt: skip
    staged = output("ls-files", "--stage", "-z", "--full-name", ":/")
    blobs = _version_files(changes.split(b"\0")) | {
        entry.split()[1]
        for entry, _, path in (line.partition(b"\t") for line in staged.split(b"\0"))
        if path.endswith(_NAMES_VERSIONS)
    }
    if not blobs:
        return set()
    content = output("cat-file", "--batch", give=b"\n".join(sorted(blobs)) + b"\n")
    return named_in(content.decode(errors="replace"))


def _version_files(changes: list[bytes]) -> set[bytes]:
    """Return the blobs of DVC's files in the raw output of `git diff-tree -z`: a change, its path, and so on."""
    found = set()
    for change, path in zip(changes[::2], changes[1::2], strict=False):
        if path.endswith(_NAMES_VERSIONS):
            _, mode, _, blob, _ = change.split()
            if mode.startswith(b"100"):  # neither deleted, nor a link or a submodule
                found.add(blob)
    return found


def _with_members(versions: set[str], project: Project) -> set[str]:
    used = set(versions)
    for version in versions:
        if version.endswith(".dir"):
            try:
                used.update(members(version, project=project))
            except NotFound:
                continue  # its list and files are not in this cache
            except MlopsError as error:
                # Its files are unknown, and any unused object may be the only copy of one.
                raise BackendFailed(error.what, f"{_NOTHING_DELETED}. {error.do}") from None
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
    """Refuse a cache outside the project: the versions that other projects use are unknown."""
    if not root.resolve().is_relative_to(project.root.resolve()):
        raise MlopsError(
            f"The cache {root} is outside the project, and other projects may use it",
            f"{_NOTHING_DELETED}; to list what this project does not use: %mlops data gc",
        )
