"""`data add`, `list`, `status` and `checkout`: the versions that a project keeps by name."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops import git
from jupyter_mlops.data import dvc_file, locks, origins
from jupyter_mlops.data.cache import _object, cached, in_cache, version
from jupyter_mlops.data.records import DataStatus, DataVersion
from jupyter_mlops.errors import Conflict, MlopsError, NotFound, UsageError, nearest
from jupyter_mlops.project import Project
from jupyter_mlops.records import Records

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    locks.heal(project)
    if to and (len(paths) > 1 and not (to.endswith("/") or Path(to).is_dir())):
        raise UsageError(f"--to {to} is one place for several sources", "End it with a slash")
    plan = [_planned(path, to, project) for path in paths]
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
            dvc_file.write(target, found, head)
            dvc_file.ignore_in_git(target)
        added.append(_described(target, found.version, found.size, found.files, "ok", project))
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
    return dvc_file.read(file)["md5"] == present and in_cache(present, project=project)


def list(*, project: Project | None = None) -> Records[DataVersion]:
    """List the files with versions, and whether each still is what its version says."""
    project = project or Project.find()
    return Records([_status_of(file, project) for file in dvc_file.files_of(project)], empty=_EMPTY)


def status(*, project: Project | None = None) -> Records[DataVersion]:
    """List only the files that differ from their versions."""
    project = project or Project.find()
    return Records(
        [item for item in list(project=project) if item.status != "ok"],
        empty="Every file is what its version says.",
    )


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
    known = {dvc_file.target_of(file): file for file in dvc_file.files_of(project)}
    wanted = [_known_target(Path(path), known, project) for path in paths or []] or [*known]
    restored = []
    for target in wanted:
        entry = dvc_file.read(known[target])
        if target.exists() and not force:
            present = version(target, project=project, keep=False)
            if present.version == entry["md5"]:
                continue
            if not _object(project, present.version).exists():
                raise Conflict(
                    f"{project.relative(target)} has changes that no version holds",
                    f"Keep them: %mlops data add {project.relative(target)} · or overwrite: --force",
                )
        _restore(target, str(entry["md5"]), project)
        restored.append(_status_of(known[target], project))
        project.announce("data", "checked out", project.relative(target))
    return Records(restored, empty="Every file already is what its version says.")


def named_versions(paths: Sequence[Path | str] | None, project: Project) -> Any:
    """Return what `.dvc` files name, as a list of (path, version); all of them without `paths`."""
    known = {dvc_file.target_of(file): file for file in dvc_file.files_of(project)}
    wanted = [_known_target(Path(path), known, project) for path in paths or []] or [*known]
    return [
        (project.relative(target), str(dvc_file.read(known[target])["md5"])) for target in wanted
    ]


def _inside(path: Path, project: Project) -> Path:
    target = path.absolute()
    if not target.exists():
        raise NotFound(f"No file {path}", "Check the path; it is relative to the working folder")
    if not target.resolve().is_relative_to(project.root.resolve()):
        raise MlopsError(
            f"{path} leads out of the project, to {target.resolve()}",
            f"Fetch a copy: %mlops data add {target.resolve()} --to {path}.copy",
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


def _known_target(path: Path, known: dict[Path, Path], project: Project) -> Path:
    plain = path.with_suffix("") if path.suffix == ".dvc" else path
    target = plain.absolute()
    if target not in known:
        # As lists show it: relative to the project.
        target = project.root / plain
    if target not in known:
        names = [project.relative(item) for item in known]
        raise NotFound(
            f"{path} has no version", nearest(str(path), names) or "Type: %mlops data list"
        )
    return target


def _status_of(file: Path, project: Project) -> DataVersion:
    entry = dvc_file.read(file)
    target = file.with_name(str(entry["path"]))
    state: DataStatus = "ok"
    if not in_cache(str(entry["md5"]), project=project):
        # The worse of two: what is gone cannot be put back, what is here can be added.
        state = "not in cache"
    elif not target.exists():
        state = "missing"
    elif version(target, project=project, keep=False).version != entry["md5"]:
        state = "changed"
    size, count = int(entry.get("size") or 0), int(entry.get("nfiles") or 1)
    return _described(target, str(entry["md5"]), size, count, state, project)


def _described(
    target: Path, found: str, size: int, count: int, state: DataStatus, project: Project
) -> DataVersion:
    modified = datetime.fromtimestamp(target.stat().st_mtime, UTC) if target.exists() else None
    return DataVersion(
        path=project.relative(target), version=found, size=size, files=count, status=state,
        modified=modified, origin=dvc_file.origin(target),
    )  # fmt: skip


def _restore(target: Path, wanted: str, project: Project) -> None:
    if not wanted.endswith(".dir"):
        _copy(cached(wanted, project=project), target)
        return
    listing = json.loads(cached(wanted, project=project).read_text())
    sources = {entry["relpath"]: cached(entry["md5"], project=project) for entry in listing}
    present = {item.relative_to(target).as_posix() for item in target.rglob("*") if item.is_file()}
    for name, source in sources.items():
        _copy(source, target / name)
    for name in present - set(sources):
        (target / name).unlink()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Of its own, as two may restore the same file at once.
    scratch = target.with_name(f".{target.name}.{os.getpid()}.checkout")
    try:
        # Cached objects are read-only; a working copy is not, so the mode is not copied.
        shutil.copyfile(source, scratch)
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)
