"""`data add`, `list`, `status` and `checkout`: the versions that a project keeps by name."""

from __future__ import annotations

import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops.data import dvc_file, folder_list, locks, origins
from jupyter_mlops.data.cache import _object, cache_folder, cached, in_cache, listing, version
from jupyter_mlops.data.records import DataStatus, DataVersion
from jupyter_mlops.environment import git
from jupyter_mlops.errors import Conflict, MlopsError, NotFound, UsageError, nearest
from jupyter_mlops.paths import UnsafePath, is_link, typed
from jupyter_mlops.project import Project
from jupyter_mlops.records import Records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyter_mlops.data.dvc_file import Pointer

_EMPTY = "No data versions yet. Type: %mlops data add FILE"


def add(
    paths: Sequence[str], *, to: str = "", project: Project | None = None
) -> Records[DataVersion]:
    """Keep the content of files or folders, and write a `.dvc` file beside each.

    The file itself stays as it is, ignored by git from now on; the `.dvc` file is what git keeps.
    What is a URL, or lies outside the project, is fetched into it first; added again, it is fetched
    again.

    Args:
        paths: files or folders, or URLs that DVC can read (`https://`, `s3://`, …).
        to: where in the project a source from elsewhere goes; default: the working folder.
        project: default: the project at or above the working folder.

    Raises:
        NotFound: there is no such file, or nothing at the URL.
        Conflict: git keeps the file, or something else lies where a source is to go.
        BackendFailed: a source does not answer.
    """
    project = project or Project.find()
    project.require_trust("what is added goes into a cache that it names")
    locks.heal(project)
    to = f"{typed(to)}{'/' if to.endswith('/') else ''}" if to else ""
    if to and (len(paths) > 1 and not (to.endswith("/") or Path(to).is_dir())):
        raise UsageError(f"--to {to} is one place for several sources", "End it with a slash")
    plan = [
        _planned(str(typed(path)) if "://" not in path else path, to, project) for path in paths
    ]
    added = []
    for source, target in plan:
        head: dict[str, Any] | None = None
        if source:
            with project.locked("data-fetch"):
                before = origins.fetch(
                    source, target, project, replaceable=_replaceable(target, project)
                )
                found = version(target, project=project)
                head = origins.described(source, target, found, before)
        else:
            found = version(target, project=project)
        with project.locked("data"):
            dvc_file.write(target, found, project, head)
            dvc_file.ignore_in_git(target)
            pointer = dvc_file.read(target.with_name(f"{target.name}.dvc"), project)
        added.append(_described(pointer, "ok", project))
        project.announce("data", "added", found.path)
    return Records(added, empty=_EMPTY)


def _planned(path: str, to: str, project: Project) -> tuple[str, Path]:
    """Return (source, target); the source is empty for what lies in the project."""
    if origins.is_elsewhere(path, project):
        target = origins.target_of(path, to, project)
        _refuse_what_git_keeps(target)
        return path, target
    if to:
        raise UsageError(f"{path} is in the project", "--to is for what comes from elsewhere")
    return "", _inside(Path(path), project)


def _replaceable(target: Path, project: Project) -> bool:
    """Whether the present content of `target` is a version that its `.dvc` file names, and is kept."""
    file = target.with_name(f"{target.name}.dvc")
    if not file.is_file() or not target.exists():
        return False
    present = version(target, project=project, keep=False).version
    return dvc_file.read(file, project).version == present and in_cache(present, project=project)


def list(*, project: Project | None = None) -> Records[DataVersion]:
    """List the files with versions, and whether each still is what its version says.

    A version file that cannot be read is a line too, and says why.
    """
    project = project or Project.find()
    files = [*dvc_file.files_of(project)]
    if files and project.trusted:
        cache_folder(project)  # where DVC cannot be used at all, no line would be true
    return Records([_status_of(file, project) for file in files], empty=_EMPTY)


def status(*, project: Project | None = None) -> Records[DataVersion]:
    """List only the files that differ from their versions."""
    project = project or Project.find()
    return Records(
        [item for item in list(project=_checkable(project)) if item.status != "ok"],
        empty="Every file is what its version says.",
    )


def _checkable(project: Project) -> Project:
    project.require_trust("its files are compared with its cache only once it is")
    return project


def checkout(
    paths: Sequence[Path | str] | None = None,
    *,
    force: bool = False,
    project: Project | None = None,
) -> Records[DataVersion]:
    """Put files back to the content that their `.dvc` files name (all of them without `paths`).

    A file whose present content no version holds is only overwritten with `force`.
    """
    project = project or Project.find()
    project.require_trust("its files are put back from a cache that it names")
    restored = []
    for pointer in _pointers(paths, project):
        target = pointer.target
        if target.exists() and not force:
            present = version(target, project=project, keep=False)
            if present.version == pointer.version:
                continue
            if not _object(project, present.version).exists():
                raise Conflict(
                    f"{project.relative(target)} has changes that no version holds",
                    f"Keep them: %mlops data add {project.relative(target)} · or overwrite: --force",
                )
        _restore(pointer, project)
        restored.append(_status_of(pointer.file, project))
        project.announce("data", "checked out", project.relative(target))
    return Records(restored, empty="Every file already is what its version says.")


def named_versions(paths: Sequence[Path | str] | None, project: Project) -> Any:
    """Return what `.dvc` files name, as a list of (path, version); all of them without `paths`."""
    return [(project.relative(item.target), item.version) for item in _pointers(paths, project)]


def _pointers(paths: Sequence[Path | str] | None, project: Project) -> Sequence[Pointer]:
    """Return what the `.dvc` files of `paths` say; of all without `paths`.

    Raises:
        MlopsError: one of them cannot be read. One that is not asked for hinders nobody.
    """
    if not paths:
        return [dvc_file.read(file, project) for file in dvc_file.files_of(project)]
    known: dict[Path, Pointer] = {}
    refused: dict[Path, MlopsError] = {}
    for file in dvc_file.files_of(project):
        try:
            pointer = dvc_file.read(file, project)
            known[pointer.target] = pointer
        except MlopsError as error:
            refused[file.with_suffix("")] = error
    return [_known_target(typed(path), known, refused, project) for path in paths]


def _inside(path: Path, project: Project) -> Path:
    target = path.absolute()
    if not target.exists():
        raise NotFound(f"No file {path}", "Check the path; it is relative to the working folder")
    if not target.resolve().is_relative_to(project.root.resolve()):
        raise MlopsError(
            f"{path} leads out of the project, to {target.resolve()}",
            f"Fetch a copy: %mlops data add {target.resolve()} --to {path}.copy",
        )
    if target.resolve() == project.root.resolve():
        raise MlopsError(
            f"{path} is the project itself", "Add a folder in it: %mlops data add data"
        )
    if target.suffix == ".dvc":
        raise MlopsError(
            f"{path} is a version file", f"Add the data itself: {target.with_suffix('')}"
        )
    _refuse_what_git_keeps(target)
    return target


def _refuse_what_git_keeps(target: Path) -> None:
    if not target.parent.is_dir():
        return
    try:
        tracked = git.run(
            target.parent, "ls-files", "--error-unmatch", "--", f":(literal){target.name}"
        )
    except git.GitFailed:
        return  # git keeps nothing here, or is not asked
    if tracked.returncode == 0 and not target.is_dir():
        raise Conflict(
            f"{target.name} is kept by git already",
            f"Take it out of git first: git rm --cached {target.name}",
        )


def _known_target(
    path: Path, known: dict[Path, Pointer], refused: dict[Path, MlopsError], project: Project
) -> Pointer:
    plain = path.with_suffix("") if path.suffix == ".dvc" else path
    target = plain.absolute()
    if target not in known:
        # As lists show it: relative to the project.
        target = project.root / plain
    if target in refused:
        raise refused[target]
    if target not in known:
        names = [project.relative(item) for item in known]
        raise NotFound(
            f"{path} has no version", nearest(str(path), names) or "Type: %mlops data list"
        )
    return known[target]


def _status_of(file: Path, project: Project) -> DataVersion:
    try:
        pointer = dvc_file.read(file, project)
        return _described(pointer, _state(pointer, project), project)
    except (MlopsError, OSError) as error:
        # One bad file must not hide the good ones.
        why = error.what if isinstance(error, MlopsError) else str(error)
        return DataVersion(
            path=project.relative(file), version="", size=0, status="unreadable", detail=why
        )


def _state(pointer: Pointer, project: Project) -> DataStatus:
    if not project.trusted:
        return "not checked"  # DVC's settings, which say where the cache is, are not read
    if not in_cache(pointer.version, project=project):
        # The worse of two: what is gone cannot be put back, what is here can be added.
        return "not in cache"
    if not pointer.target.exists():
        return "missing"
    present = version(pointer.target, project=project, keep=False).version
    return "ok" if present == pointer.version else "changed"


def _described(pointer: Pointer, state: DataStatus, project: Project) -> DataVersion:
    target = pointer.target
    modified = datetime.fromtimestamp(target.stat().st_mtime, UTC) if target.exists() else None
    return DataVersion(
        path=project.relative(target), version=pointer.version, size=pointer.size,
        files=pointer.files, status=state, modified=modified, origin=pointer.origin,
    )  # fmt: skip


def _restore(pointer: Pointer, project: Project) -> None:
    try:
        _put_back(pointer, project)
    except OSError as error:
        raise Conflict(
            f"{project.relative(pointer.target)} cannot be put back: {error.strerror or error}",
            "Is something else in its place? Move it away, then try again",
        ) from None


def _put_back(pointer: Pointer, project: Project) -> None:
    target = pointer.target
    if not pointer.version.endswith(".dir"):
        _copy(cached(pointer.version, project=project), target)
        return
    name = project.relative(target)
    if is_link(target):
        # It would be filled, and emptied, where the link leads.
        raise UnsafePath(name, "is a symbolic link", project.relative(pointer.file))
    # Everything is looked at before the first file is written.
    wanted = folder_list.places(listing(pointer.version, project=project), target, name)
    sources = {place: cached(oid, project=project) for place, oid in wanted.items()}
    present = {item for item in target.rglob("*") if item.is_file()}
    for place, source in sources.items():
        _copy(source, place)
    for item in present - set(sources):
        item.unlink()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Of its own, as two may restore the same file at once; nobody can have put a link there.
    scratch = target.with_name(f".{secrets.token_hex(8)}.checkout")
    try:
        # Cached objects are read-only; a working copy is not, so the mode is not copied.
        shutil.copyfile(source, scratch)
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)
