"""Resolve one side of `data diff`: a path's present content, `path@VERSION` or `path@REVISION`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_mlops.data import dvc_file, objects, versions
from jupyter_mlops.data.cache import (
    _store,
    cache_folder,
    cached,
    cached_size,
    in_cache,
    listing,
    version,
)
from jupyter_mlops.environment import git
from jupyter_mlops.errors import MlopsError, NotFound, UsageError
from jupyter_mlops.paths import typed
from jupyter_mlops.project import Project

_PREFIX = re.compile(r"[0-9a-f]{4,32}(\.dir)?")


@dataclass(frozen=True)
class Content:
    """One content to compare: `name` is its path in the project, `file` holds it (or a folder's list)."""

    label: str
    name: str
    version: str
    file: Path
    folder: bool
    size: int
    #: For a folder: the (version, bytes) of each of its files.
    listing: dict[str, tuple[str, int]] | None = None


def present(path: Path, project: Project) -> Content:
    """Return the present content of `path`.

    Raises:
        NotFound: there is no such file.
    """
    name = project.relative(path)
    if path.is_dir():
        inside = objects.listing(path, _store(project.root), name)
        found = version(path, project=project, keep=False)
        return Content(f"{name} (now)", name, found.version, path, True, found.size, inside)
    found = version(path, project=project, keep=False)
    return Content(f"{name} (now)", name, found.version, path, False, found.size)


def kept(path: Path, project: Project) -> Content:
    """Return the content that the `.dvc` file of `path` (or of a folder above it) names.

    Raises:
        NotFound: no `.dvc` file names it.
    """

    def read(file: Path) -> str | None:
        return dvc_file.read(file, project).version if file.is_file() else None

    found = _named(path, project, read)
    name = project.relative(path)
    if found is None:
        raise NotFound(
            f"{name} has no version to compare with",
            f"Name two contents, or add a version first: %mlops data add {name}",
        )
    return of_version(found, name, project)


def resolve(text: str, project: Project) -> Content:
    """Return the content that `text` names.

    Raises:
        NotFound: no such file, version or revision.
    """
    before, _, what = text.rpartition("@")
    if "@" not in text or _path(text, project).exists():
        return present(_path(text, project), project)
    if not before or not what:
        raise UsageError(f"'{text}' is not a file", "Write: FILE, FILE@VERSION or FILE@REVISION")
    path = _path(before, project)
    name = project.relative(path)
    if _PREFIX.fullmatch(what) and (found := _by_prefix(what, path.is_dir(), project)):
        return of_version(found, name, project)
    return _at_revision(path, name, what, project)


def _path(text: str, project: Project) -> Path:
    path = typed(text.removesuffix(".dvc")).absolute()
    if path.exists() or path.with_name(f"{path.name}.dvc").exists():
        return path
    other = project.root / text.removesuffix(".dvc")
    return other if other.exists() or other.with_name(f"{other.name}.dvc").exists() else path


def _by_prefix(prefix: str, folder: bool, project: Project) -> str:
    root = cache_folder(project)
    found = sorted(
        prefix[:2] + item.name
        for item in root.glob(f"{prefix[:2]}/{prefix[2:]}*")
        if versions.is_version(prefix[:2] + item.name)
    )
    if len(found) > 1:
        # The versions of a file and of a folder can share a prefix.
        found = [item for item in found if item.endswith(".dir") == folder] or found
    if len(found) > 1:
        raise UsageError(f"More than one version begins with {prefix}", "Type more of its digits")
    return found[0] if found else ""


def _at_revision(path: Path, name: str, revision: str, project: Project) -> Content:
    # No revision begins with a dash or has unprintable characters.
    invalid = revision.startswith("-") or not revision.isprintable()
    command = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    try:
        commit = "" if invalid else git.text(project.root, *command, check=False).strip()
    except git.NoRepository:
        commit = ""
    if not commit:
        raise NotFound(
            f"{revision!a} is neither a version in the cache nor a git revision",
            "See: %mlops data list, or git log. To get a pushed version: %mlops data pull",
        )

    def read(file: Path) -> str | None:
        done = git.run(project.root, "cat-file", "blob", f"{commit}:./{project.relative(file)}")
        if done.returncode != 0:
            return None
        return dvc_file.version_in(done.stdout, f"{project.relative(file)} of {revision}")

    found = _named(path, project, read)
    if found is None:
        raise NotFound(
            f"Commit {revision} has no version of {name}",
            f"See where it was added: git log -- {name}.dvc",
        )
    return of_version(found, name, project, f"{name}@{revision} ({found[:8]})")


def _named(path: Path, project: Project, read: Any) -> str | None:
    """Return the version that the `.dvc` file of `path`, or of a folder above it, names."""
    for holder in (path, *path.parents):
        if holder == project.root or not holder.is_relative_to(project.root):
            return None
        found = read(holder.with_name(f"{holder.name}.dvc"))
        if found is None:
            continue
        if holder == path or not found.endswith(".dir"):
            return found if holder == path else None
        inside = path.relative_to(holder).as_posix()
        entries = listing(found, project=project)
        entry = entries.get(inside)
        if entry is None and any(k.startswith(f"{inside}/") for k in entries):
            raise MlopsError(f"{inside} is a folder in {holder.name}", f"Compare {holder.name}")
        return entry
    return None


def of_version(found: str, name: str, project: Project, label: str = "") -> Content:
    """Return the cached content of version `found` of `name`.

    Raises:
        NotFound: the cache does not have it.
    """
    file = cached(found, project=project)
    label = label or f"{name}@{found[:8]}"
    if not found.endswith(".dir"):
        return Content(label, name, found, file, False, file.stat().st_size)
    sizes = {
        relpath: (oid, cached_size(oid, project=project) if in_cache(oid, project=project) else 0)
        for relpath, oid in listing(found, project=project).items()
    }
    return Content(label, name, found, file, True, sum(size for _, size in sizes.values()), sizes)
