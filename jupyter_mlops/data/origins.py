"""Fetch data from outside the project: a URL, a bucket, another folder.

It is copied into the project and versioned like any file. Its `.dvc` file names the origin in the format of
`dvc import-url`, so that `dvc update` works.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from jupyter_mlops.data import remotes, repository
from jupyter_mlops.data.meter import Meter, counting
from jupyter_mlops.errors import BackendFailed, Conflict, MlopsError, NotFound
from jupyter_mlops.urls import has_password, without_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_mlops.data.records import DataVersion
    from jupyter_mlops.project import Project

_TRIES = 2


def is_elsewhere(source: str, project: Project) -> bool:
    """Whether `source` is a URL, or an existing path outside the project.

    Raises:
        MlopsError: the URL contains a password.
    """
    if "://" in source:
        if has_password(source):
            raise MlopsError(
                f"{without_password(source)} contains a password, which would be stored in git",
                "Give DVC the password separately: dvc remote modify --local",
            )
        return True
    path = Path(source).expanduser().absolute()
    inside = path.is_relative_to(project.root) or path.resolve().is_relative_to(
        project.root.resolve()
    )
    return path.exists() and not inside


def target_of(source: str, to: str, project: Project) -> Path:
    """Return the path in the project for a source from outside: `to`, or in the working folder.

    Raises:
        MlopsError: that is outside the project, or the source has no file name.
    """
    name = Path(unquote(urlsplit(source).path) if "://" in source else source).name
    target = Path(to).absolute() if to else Path.cwd()
    if target.is_dir() or to.endswith("/") or not to:
        if not name:
            raise MlopsError(f"{source} names no file", "Name the target: --to data/train.csv")
        target /= name
    target = Path(os.path.normpath(target))
    if not target.parent.resolve().is_relative_to(project.root.resolve()):
        raise MlopsError(
            f"{target} is outside the project {project.root}",
            "Name a target in the project: --to data/train.csv",
        )
    return target


def fetch(source: str, target: Path, project: Project, *, replaceable: bool) -> dict[str, Any]:
    """Copy a source to `target`, completely or not at all; return its entry for the `.dvc` file.

    Args:
        source: a URL that DVC can read, or a path.
        target: a file or folder of the project.
        project: the project.
        replaceable: whether an existing `target` may be replaced.

    Raises:
        Conflict: `target` exists and may not be replaced.
        NotFound: the source does not exist.
        BackendFailed: the source does not answer, or changes while it is read.
    """
    if target.exists() and not replaceable:
        raise Conflict(
            f"{project.relative(target)} exists already, and its content has no version",
            f"Add it first: %mlops data add {project.relative(target)} · or choose another target: --to PATH",
        )
    scratch = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(3)}.fetch")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _dependency(source, target, project) as (dependency, filesystem, path):
        try:
            for _ in range(_TRIES):
                before = _state(dependency)
                with Meter(f"fetching {source}", size=_size(filesystem, path)) as meter:
                    filesystem.get(path, str(scratch), callback=counting(meter))
                if _state(dependency) == before:
                    break
                _remove(scratch)
            else:
                raise BackendFailed(f"{source} changes while it is read", "Try again later")
            _settle(scratch, target)
        finally:
            _remove(scratch)
    return before


def described(source: str, target: Path, found: DataVersion, before: dict[str, Any]) -> Any:
    """Return the keys that name the origin in the `.dvc` file of fetched data, in DVC's format."""
    from dvc.utils import dict_md5

    entry = before or {"md5": found.version, "size": found.size, "hash": "md5"}
    if not before and found.version.endswith(".dir"):
        entry["nfiles"] = found.files
    path = source if "://" in source else str(Path(source).expanduser().absolute())
    entry = {**entry, "path": path}
    stage = {"deps": [entry], "outs": [{"md5": found.version, "hash": "md5", "path": target.name}]}
    # DVC detects by this checksum whether the file was edited.
    checksum = dict_md5(stage, exclude=["size", "nfiles", "isexec"])
    return {"md5": checksum, "frozen": True, "deps": [entry]}


@contextmanager
def _dependency(source: str, target: Path, project: Project) -> Iterator[tuple[Any, Any, str]]:
    """Yield DVC's dependency object of a source, its file system, and the path in it."""
    address = source if "://" in source else str(Path(source).expanduser().absolute())
    scheme = urlsplit(source).scheme or "local"
    with repository.opened(project.root) as repo:
        from dvc.config import ConfigError
        from dvc.exceptions import DvcException
        from dvc_objects.fs.base import RemoteMissingDepsError

        try:
            stage = repo.stage.create(
                single_stage=True, validate=False, deps=[address], outs=[target.name],
                fname=str(target.with_name(f"{target.name}.dvc")), wdir=str(target.parent),
            )  # fmt: skip
            dependency = stage.deps[0]
            yield dependency, dependency.fs, dependency.fs_path
        except MlopsError:
            raise
        except RemoteMissingDepsError:
            raise _not_installed(scheme) from None
        except (ConfigError, DvcException) as error:
            raise MlopsError(f"DVC cannot read {source}: {error}", "Check the address") from None
        except FileNotFoundError as error:
            # fsspec raises this for a server that does not answer, too; then the cause is an OSError.
            if isinstance(error.__cause__, OSError):
                raise remotes.explained(source, error, what="source") from error
            raise NotFound(f"There is nothing at {source}", "Check the address") from None
        except Exception as error:  # each cloud's driver has its own error classes
            if "to be installed" in str(error):
                raise _not_installed(scheme) from None
            raise remotes.explained(source, error, what="source") from error


def _not_installed(scheme: str) -> MlopsError:
    return MlopsError(
        f"The package for {scheme}:// is not installed", f"Install it: pip install dvc-{scheme}"
    )


def _state(dependency: Any) -> dict[str, Any]:
    """Return the source's own version (an ETag, a checksum); empty for a local source."""
    dependency.fs.info(dependency.fs_path)  # raises if it does not exist
    if dependency.fs.protocol in {"local", "file"}:
        return {}
    dependency.save()
    state: dict[str, Any] = dependency.dumpd()
    state.pop("path", None)
    return state


def _size(filesystem: Any, path: str) -> int:
    if filesystem.isdir(path):
        return 0
    return int(filesystem.info(path).get("size") or 0)


def _settle(scratch: Path, target: Path) -> None:
    """Move the fetched data to `target`; an old folder is renamed first, because it cannot be replaced."""
    if not target.is_dir():
        scratch.replace(target)
        return
    old = scratch.with_suffix(".old")
    target.rename(old)
    try:
        scratch.rename(target)
    except OSError:
        old.rename(target)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
