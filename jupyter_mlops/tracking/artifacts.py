"""The files of runs and models on this disk: where they lie, or as a copy that ends with this process.

MLflow's own `download_artifacts` asks for the run again and leaves a temporary folder for each call.
"""

from __future__ import annotations

import atexit
import errno
import os
import secrets
import shutil
from collections import deque
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from jupyter_mlops import temporary
from jupyter_mlops.paths import below
from jupyter_mlops.tracking import places, team

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_mlops.tracking.store import Store

#: Limits of what a place for files holds; a hostile server has a folder in each folder.
_MOST_ENTRIES, _DEEPEST = 100_000, 60
#: Copies of folders whose content never changes, by where they come from.
_copies: dict[str, Path] = {}


def local(store: Store, location: str, path: str = "") -> Path:
    """Return a file or folder of a place for files, on this disk.

    Args:
        store: the store that names the place.
        location: the place: a folder's path or URI.
        path: what is wanted in it; default: all of it.

    Raises:
        ForeignPlace: the place is not this project's.
        UnsafePath: the path leads out of it.
        ServerAway: the bucket or server does not answer.
        OSError, MlflowException: there is no such file.
    """
    places.check(store.project, location)
    if is_on_this_disk(location):
        root = _folder(location)
        found = below(root, path, source="The store") if path else root
        if not found.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(found))
        return found
    if not path:
        deque(entries(store, location), maxlen=0)  # MLflow would follow a list without an end
    with _errors_in_one_line(store):
        return Path(_repository(store, location).download_artifacts(path, dst_path=str(_fresh())))


def local_model(store: Store, location: str) -> Path:
    """Return the folder of a model; one from another place is copied once, as a model never changes.

    Raises:
        ForeignPlace: the place is not this project's.
        OSError, MlflowException: there is no such folder.
    """
    if is_on_this_disk(location):
        return local(store, location)
    if location not in _copies:
        _copies[location] = local(store, location)
    return _copies[location]


def is_copied(location: str) -> bool:
    """Whether a model is on this disk already."""
    return is_on_this_disk(location) or location in _copies


def is_on_this_disk(location: str) -> bool:
    """Whether a place for files is a folder of this disk."""
    return urlsplit(location).scheme in {"", "file"}


def entries(store: Store, location: str) -> Iterator[Any]:
    """Yield what MLflow tells of each file and folder below a place: `path`, `is_dir`, `file_size`.

    Raises:
        ForeignPlace: the place is not this project's.
        UnsafePath: a path leads out of it.
        ServerAway: the bucket or server does not answer.
        BackendFailed: the list has no end, or cannot be read.
    """
    places.check(store.project, location)
    waiting, count = [""], 0
    while waiting:
        folder = waiting.pop()
        with _errors_in_one_line(store):
            found = _repository(store, location).list_artifacts(folder or None)
        for item in found:
            below(Path(os.devnull), item.path, source="The store")  # only the name is checked
            count += 1
            if count > _MOST_ENTRIES or item.path.count("/") > _DEEPEST:
                raise team.unreadable(store.uri, f"the list of files at {location} does not end")
            if item.is_dir:
                waiting.append(item.path)
            yield item


@contextmanager
def _errors_in_one_line(store: Store) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each kind of store has its own
        if (explained := team.one_line(store.uri, error)) is error:
            raise
        raise explained from error


def _folder(location: str) -> Path:
    parts = urlsplit(location)
    return Path(url2pathname(parts.path) if parts.scheme else location)


def _repository(store: Store, location: str) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(location, tracking_uri=store.uri)


def _fresh() -> Path:
    made = _home(os.getpid()) / secrets.token_hex(8)
    made.mkdir()
    return made


@lru_cache(maxsize=1)
def _home(pid: int) -> Path:
    """Return this process's folder for copies; a killed process's is removed by the next one."""
    made = temporary.make()

    def remove() -> None:
        if os.getpid() == pid:  # a fork ends before its parent does
            shutil.rmtree(made, ignore_errors=True)

    atexit.register(remove)
    return made
