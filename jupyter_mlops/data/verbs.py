"""`data add`, `list`, `status` and `checkout`: the versions that a project keeps by name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from jupyter_mlops import files
from jupyter_mlops.data import locks
from jupyter_mlops.data.cache import _object, cached, in_cache, version
from jupyter_mlops.data.records import DataStatus, DataVersion
from jupyter_mlops.errors import Conflict, MlopsError, NotFound, nearest
from jupyter_mlops.project import Project
from jupyter_mlops.records import Records

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_EMPTY = "No data versions yet. Type: %mlops data add FILE"
_SKIP = {
    ".git",
    ".dvc",
    ".mlops",
    ".venv",
    "venv",
    "node_modules",
    "__pycache__",
    ".ipynb_checkpoints",
}


def add(paths: Sequence[str], *, project: Project | None = None) -> Records[DataVersion]:
    """Keep the content of files or folders, and write a `.dvc` file beside each.

    The file itself stays as it is, ignored by git from now on; the `.dvc` file is what git keeps.
    """
    project = project or Project.find()
    locks.heal(project)
    targets = [_inside(Path(path), project) for path in paths]
    added = []
    for target in targets:
        found = version(target, project=project)
        with project.locked("data"):
            _write_dvc_file(target, found)
            _ignore_in_git(target)
        added.append(_described(target, found.version, found.size, found.files, "ok", project))
        project.announce("data", "added", found.path)
    return Records(added, empty=_EMPTY)


def list(*, project: Project | None = None) -> Records[DataVersion]:
    """List the files with versions, and whether each still is what its version says."""
    project = project or Project.find()
    return Records([_status_of(file, project) for file in _dvc_files(project)], empty=_EMPTY)


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
    known = {_target(file): file for file in _dvc_files(project)}
    wanted = [_known_target(Path(path), known, project) for path in paths or []] or [*known]
    restored = []
    for target in wanted:
        entry = _read_dvc_file(known[target])
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
    known = {_target(file): file for file in _dvc_files(project)}
    wanted = [_known_target(Path(path), known, project) for path in paths or []] or [*known]
    return [
        (project.relative(target), str(_read_dvc_file(known[target])["md5"])) for target in wanted
    ]


def _inside(path: Path, project: Project) -> Path:
    target = path.absolute()
    if not target.exists():
        raise NotFound(f"No file {path}", "Check the path; it is relative to the working folder")
    if not target.resolve().is_relative_to(project.root.resolve()):
        raise MlopsError(
            f"{path} is outside the project {project.root}",
            "Copy or move it into the project first",
        )
    if target.suffix == ".dvc":
        raise MlopsError(
            f"{path} is a version file", f"Add the data itself: {target.with_suffix('')}"
        )
    tracked = subprocess.run(
        ["git", "ls-files", "--error-unmatch", target.name],
        cwd=target.parent, capture_output=True, check=False,
    )  # fmt: skip
    if tracked.returncode == 0 and not target.is_dir():
        raise Conflict(
            f"{path} is kept by git already", f"Take it out of git first: git rm --cached {path}"
        )
    return target


def _dvc_files(project: Project) -> Iterator[Path]:
    def walk(folder: Path) -> Iterator[Path]:
        for entry in sorted(folder.iterdir()):
            if entry.is_dir() and not entry.is_symlink():
                # A folder that is itself versioned holds data, perhaps 20,000 files of it.
                if entry.name not in _SKIP and not entry.with_name(f"{entry.name}.dvc").exists():
                    yield from walk(entry)
            elif entry.suffix == ".dvc" and entry.is_file():
                yield entry

    return walk(project.root)


def _target(file: Path) -> Path:
    return file.with_name(str(_read_dvc_file(file)["path"]))


def _read_dvc_file(file: Path) -> dict[str, Any]:
    try:
        outs = yaml.safe_load(file.read_text())["outs"]
        entry: dict[str, Any] = outs[0]
        entry["md5"], entry["path"]
    except (yaml.YAMLError, KeyError, TypeError, IndexError, UnicodeDecodeError):
        raise MlopsError(
            f"{file} is not a version file DVC could have written",
            "Restore it: git checkout -- that file",
        ) from None
    return entry


def _write_dvc_file(target: Path, found: DataVersion) -> None:
    file = target.with_name(f"{target.name}.dvc")
    content: dict[str, Any] = {}
    if file.exists():
        _read_dvc_file(file)
        content = yaml.safe_load(file.read_text())
    entry: dict[str, Any] = {"md5": found.version, "size": found.size}
    if found.version.endswith(".dir"):
        entry["nfiles"] = found.files
    entry |= {"hash": "md5", "path": target.name}
    kept = {
        k: v for k, v in (content.get("outs") or [{}])[0].items() if k not in {*entry, "nfiles"}
    }
    content["outs"] = [entry | kept]
    files.replace(file, yaml.safe_dump(content, sort_keys=False))


def _ignore_in_git(target: Path) -> None:
    file = target.parent / ".gitignore"
    present = file.read_text() if file.exists() else ""
    line = f"/{target.name}"
    if line not in present.splitlines():
        files.replace(file, f"{present.rstrip()}\n{line}\n".lstrip("\n"))


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
    entry = _read_dvc_file(file)
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
        modified=modified,
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
