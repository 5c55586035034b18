"""`data add`, `list`, `status` and `checkout`: the versions of a project's `.dvc` files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops import guarded
from jupyter_mlops.data import dvc_file, folder_list, locks, origins
from jupyter_mlops.data.cache import _object, cache_folder, cached, in_cache, listing, version
from jupyter_mlops.data.records import DataStatus, DataVersion
from jupyter_mlops.environment import git
from jupyter_mlops.errors import Conflict, MlopsError, NotFound, UsageError, nearest
from jupyter_mlops.paths import UnsafePath, is_link, typed
from jupyter_mlops.progress import say
from jupyter_mlops.project import Project
from jupyter_mlops.records import Records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyter_mlops.data.dvc_file import Pointer

_EMPTY = "No data versions yet. Type: %mlops data add FILE"


def add(
    paths: Sequence[str], *, to: str = "", project: Project | None = None
) -> Records[DataVersion]:
    """Copy files or folders into the cache, and write a `.dvc` file beside each.

    The file itself does not change. It is added to `.gitignore`; commit the `.dvc` file instead. A URL, or
    a path outside the project, is fetched into the project first, and again each time it is added.

    Args:
        paths: files or folders, or URLs that DVC can read (`https://`, `s3://`, …).
        to: target in the project, for a source from outside; default: the working folder.
        project: default: the project at or above the working folder.

    Raises:
        NotFound: there is no such file, or nothing at the URL.
        Conflict: git tracks the file, or the target of a source exists already.
        BackendFailed: a source does not answer.
    """
    project = project or Project.find()
    project.require_trust("nothing was added to the cache that its settings name")
    locks.heal(project)
    to = f"{typed(to)}{'/' if to.endswith('/') else ''}" if to else ""
    if to and (len(paths) > 1 and not (to.endswith("/") or Path(to).is_dir())):
        raise UsageError(
            f"--to {to} names one file for several sources", f"Name a folder: --to {to}/"
        )
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
            _say_which_links_lead_out(target, project)
            found = version(target, project=project)
        with project.locked("data"):
            dvc_file.write(target, found, project, head)
            dvc_file.ignore_in_git(target, project)
            pointer = dvc_file.read(target.with_name(f"{target.name}.dvc"), project)
        added.append(_described(pointer, "ok", project))
        project.announce("data", "added", found.path)
    return Records(added, empty=_EMPTY)


def _planned(path: str, to: str, project: Project) -> tuple[str, Path]:
    """Return (source, target); the source is empty for a path in the project."""
    if origins.is_elsewhere(path, project):
        target = origins.target_of(path, to, project)
        _refuse_tracked_by_git(target)
        return path, target
    if to:
        raise UsageError(
            f"{path} is in the project", "Leave out --to: it is for sources outside the project"
        )
    return "", _inside(Path(path), project)


def _say_which_links_lead_out(folder: Path, project: Project) -> None:
    """Name the links in a folder that lead out of the project: their content is versioned, and pushed."""
    if not folder.is_dir():
        return
    root = project.root.resolve()
    found = [
        path
        for path in folder.rglob("*")
        if path.is_symlink() and path.is_file() and not path.resolve().is_relative_to(root)
    ]
    if found:
        first = f"{project.relative(found[0])} → {found[0].resolve()}"
        what = "a link leads" if len(found) == 1 else f"{len(found):,} links lead"
        say(
            f"{what} out of the project ({first}): the content is versioned, and data push sends it"
        )


def _replaceable(target: Path, project: Project) -> bool:
    """Whether `target` has the content that its `.dvc` file names, and the cache has that too."""
    file = target.with_name(f"{target.name}.dvc")
    if not file.is_file() or not target.exists():
        return False
    present = version(target, project=project, keep=False).version
    return dvc_file.read(file, project).version == present and in_cache(present, project=project)


def list(*, project: Project | None = None) -> Records[DataVersion]:
    """List the files with versions, and whether each has changed since.

    A `.dvc` file that cannot be read is listed too, with the reason.
    """
    project = project or Project.find()
    files = [*dvc_file.files_of(project)]
    if files and project.trusted:
        cache_folder(project)  # raises if DVC does not work at all
    return Records([_status_of(file, project) for file in files], empty=_EMPTY)


def status(*, project: Project | None = None) -> Records[DataVersion]:
    """List only the files that differ from their versions."""
    project = project or Project.find()
    return Records(
        [item for item in list(project=_checkable(project)) if item.status != "ok"],
        empty="No file has changed since its version was added.",
    )


def _checkable(project: Project) -> Project:
    project.require_trust("its files cannot be compared with the cache that its settings name")
    return project


def checkout(
    paths: Sequence[Path | str] | None = None,
    *,
    force: bool = False,
    project: Project | None = None,
) -> Records[DataVersion]:
    """Restore files to the content that their `.dvc` files name (all files without `paths`).

    A file whose present content is in no version is overwritten only with `force`.
    """
    project = project or Project.find()
    project.require_trust("no file was restored from the cache that its settings name")
    restored = []
    for pointer in _pointers(paths, project):
        target = pointer.target
        if target.exists() and not force:
            present = version(target, project=project, keep=False)
            if present.version == pointer.version:
                continue
            if not _object(project, present.version).exists():
                raise Conflict(
                    f"{project.relative(target)} has changes that are in no version",
                    f"Keep them: %mlops data add {project.relative(target)} · or overwrite them: --force",
                )
        _restore(pointer, project)
        restored.append(_status_of(pointer.file, project))
        project.announce("data", "checked out", project.relative(target))
    return Records(restored, empty="Nothing to restore: no file differs from its version.")


def named_versions(paths: Sequence[Path | str] | None, project: Project) -> Any:
    """Return the (path, version) of the `.dvc` files of `paths`; of all files without `paths`."""
    return [(project.relative(item.target), item.version) for item in _pointers(paths, project)]


def _pointers(paths: Sequence[Path | str] | None, project: Project) -> Sequence[Pointer]:
    """Return the contents of the `.dvc` files of `paths`; of all files without `paths`.

    Raises:
        MlopsError: one of these cannot be read; unreadable files that are not in `paths` are ignored.
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
            f"Add a copy: %mlops data add {target.resolve()} --to {path}.copy",
        )
    if target.resolve() == project.root.resolve():
        raise MlopsError(
            f"{path} is the project itself", "Add a folder in it: %mlops data add data"
        )
    if target.suffix == ".dvc":
        raise MlopsError(f"{path} is a .dvc file", f"Add the data itself: {target.with_suffix('')}")
    _refuse_tracked_by_git(target)
    return target


def _refuse_tracked_by_git(target: Path) -> None:
    if not target.parent.is_dir():
        return
    try:
        tracked = git.run(
            target.parent, "ls-files", "--error-unmatch", "--", f":(literal){target.name}"
        )
    except git.GitFailed:
        return  # no git repository, or git is not available
    if tracked.returncode == 0 and not target.is_dir():
        raise Conflict(
            f"git tracks {target.name} already",
            f"Remove it from git first; the file stays: git rm --cached {target.name}",
        )


def _known_target(
    path: Path, known: dict[Path, Pointer], refused: dict[Path, MlopsError], project: Project
) -> Pointer:
    plain = path.with_suffix("") if path.suffix == ".dvc" else path
    target = plain.absolute()
    if target not in known:
        # Lists show paths relative to the project, so accept those too.
        target = project.root / plain
    if target in refused:
        raise refused[target]
    if target not in known:
        names = [project.relative(item) for item in known]
        file = str(path).rpartition("@")[0]
        if file in names:
            raise UsageError(
                f"{path}: only the version of the present .dvc file can be named here",
                f"To restore that version: %mlops data checkout {file} · to compare another: %mlops data diff {path}",
            )
        if target.exists():
            raise NotFound(f"{path} has no version", f"To add one: %mlops data add {path}")
        hint = nearest(str(path), names) or "Type: %mlops data list"
        raise NotFound(f"No file {path}, and no version of it", hint)
    return known[target]


def _status_of(file: Path, project: Project) -> DataVersion:
    try:
        pointer = dvc_file.read(file, project)
        return _described(pointer, _state(pointer, project), project)
    except (MlopsError, OSError) as error:
        # One bad file must not hide the others.
        why = error.what if isinstance(error, MlopsError) else str(error)
        return DataVersion(
            path=project.relative(file), version="", size=0, status="unreadable", detail=why
        )


def _state(pointer: Pointer, project: Project) -> DataStatus:
    if not project.trusted:
        return "not checked"  # the cache's place is in DVC's settings, which are not read
    if not in_cache(pointer.version, project=project):
        # Checked before "missing", because it is worse: the version cannot be restored.
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
            f"{project.relative(pointer.target)} cannot be restored: {error.strerror or error}",
            "If something else is in its place, move it away and try again",
        ) from None


def _put_back(pointer: Pointer, project: Project) -> None:
    target = pointer.target
    if not pointer.version.endswith(".dir"):
        guarded.put(cached(pointer.version, project=project), project.root, target)
        return
    name = project.relative(target)
    if is_link(target):
        # Files would be written and deleted where the link leads.
        raise UnsafePath(name, "is a symbolic link", project.relative(pointer.file))
    # All paths and objects are checked before the first file is written.
    wanted = folder_list.places(listing(pointer.version, project=project), target, name)
    sources = {place: cached(oid, project=project) for place, oid in wanted.items()}
    present = {item for item in target.rglob("*") if item.is_file()}
    for place, source in sources.items():
        guarded.put(source, project.root, place)
    for item in present - set(sources):
        guarded.remove(project.root, item)
