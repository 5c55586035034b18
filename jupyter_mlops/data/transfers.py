"""`data push` and `data pull`: copy versions to and from a remote, in DVC's layout.

Neither takes DVC's lock. Objects are compared with their hash before a push and after a pull.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops import guarded
from jupyter_mlops.data import locks, referrers, remotes
from jupyter_mlops.data.cache import cached, cached_size, in_cache, members
from jupyter_mlops.data.garbage import held
from jupyter_mlops.data.meter import Meter, counting
from jupyter_mlops.data.objects import md5, object_path
from jupyter_mlops.data.records import DataTransfer
from jupyter_mlops.data.verbs import checkout, named_versions, status
from jupyter_mlops.errors import BackendFailed, NotFound
from jupyter_mlops.progress import say
from jupyter_mlops.project import Project
from jupyter_mlops.records import Records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_EMPTY = "No data versions yet. Type: %mlops data add FILE"


def push(
    paths: Sequence[str] | None = None,
    *,
    remote: str = "",
    runs: bool = False,
    project: Project | None = None,
) -> Records[DataTransfer]:
    """Copy the versions that `.dvc` files name to the remote, so that `dvc pull` finds them.

    Args:
        paths: files or folders with versions; default: all of them.
        remote: a DVC remote's name, or a URL or folder; default: the project's.
        runs: also the versions that only runs refer to.
        project: default: the project at or above the working folder.

    Raises:
        NotFound: a version is not in this project's cache.
        BackendFailed: an object in the cache is damaged, or the remote refuses it.
    """
    project = project or Project.find()
    locks.heal(project)
    wanted = dict.fromkeys(named_versions(paths, project))
    if runs:
        in_this_cache = held(project=project)
        # A version that is not in this cache was recorded on another machine, which pushes it.
        wanted |= dict.fromkeys(
            item for item in referrers.versions(project) if item[1] in in_this_cache
        )
    pushed = {path for path, _ in wanted}
    for item in status(project=project):
        if item.status == "changed" and item.path in pushed:
            say(f"{item.path} has changed: its last added version is pushed. "
                f"To add the new content: %mlops data add {item.path}")  # fmt: skip
    with remotes.opened(project, remote) as (cache, store, url):
        objects = {version: _cached_objects(version, path, project) for path, version in wanted}
        everything = {oid for oids in objects.values() for oid in oids}
        new = everything - set(store.oids_exist(sorted(everything)))
        for oid in new:
            cached(oid, project=project)
        _transfer(cache, store, new, f"pushing to {url}")
    done = [
        _record(version, path, objects[version], new, "pushed", project) for path, version in wanted
    ]
    project.announce("data", "pushed", url)
    return Records(done, empty=_EMPTY)


def pull(
    paths: Sequence[str] | None = None,
    *,
    remote: str = "",
    force: bool = False,
    project: Project | None = None,
) -> Records[DataTransfer]:
    """Fetch versions from the remote, and restore the files to them.

    A file whose present content is in no version is overwritten only with `force`.

    Raises:
        NotFound: the remote does not have a version.
        BackendFailed: the remote does not answer, or a fetched object is damaged.
    """
    project = project or Project.find()
    locks.heal(project)
    wanted = named_versions(paths, project)
    paths_of = {version: path for path, version in wanted}
    with remotes.opened(project, remote) as (cache, store, url):
        # The lists of folders are fetched first: they name the other objects.
        fetched = _fetch(cache, store, {version: [version] for version in paths_of}, paths_of, url)
        objects = {version: members(version, project=project) for version in paths_of}
        rest = {
            version: [oid for oid in oids if oid != version] for version, oids in objects.items()
        }
        fetched |= _fetch(cache, store, rest, paths_of, url)
    checkout([project.root / path for path, _ in wanted], force=force, project=project)
    done = [
        _record(version, path, objects[version], fetched, "pulled", project)
        for path, version in wanted
    ]
    return Records(done, empty=_EMPTY)


def _fetch(
    cache: Any, store: Any, objects: Mapping[str, Sequence[str]], paths: Mapping[str, str], url: str
) -> set[str]:
    """Fetch the objects that are missing or damaged in the cache; return them."""
    missing = {oid for oids in objects.values() for oid in oids if not _intact(cache, oid)}
    not_on_remote = missing - set(store.oids_exist(sorted(missing))) if missing else set()
    for version, oids in objects.items():
        if not_on_remote & set(oids):
            raise NotFound(
                f"The remote {url} does not have all of version {version[:12]} of {paths[version]}",
                "Push it from the project that added it: %mlops data push",
            )
    _transfer(store, cache, missing, f"pulling from {url}")
    for oid in missing:
        if md5(object_path(cache, oid)) != oid.removesuffix(".dir"):
            guarded.remove(Path(cache.path), object_path(cache, oid))
            raise BackendFailed(
                f"The remote {url} has a damaged copy of {oid[:12]}",
                f"Delete it on the remote (files/md5/{oid[:2]}/{oid[2:]}), then push it again from "
                "the project that added it: %mlops data push",
            )
    return missing


def _intact(cache: Any, oid: str) -> bool:
    """Return whether the cache has this object undamaged; a damaged one is deleted."""
    path = object_path(cache, oid)
    if not path.exists():
        return False
    if md5(path) == oid.removesuffix(".dir"):
        return True
    say(f"the cached copy of {oid[:12]} is damaged; it is fetched again")
    guarded.remove(Path(cache.path), path)
    return False


def _cached_objects(version: str, path: str, project: Project) -> list[str]:
    """Return the objects of `version`.

    Raises:
        NotFound: one of them is not in the cache.
    """
    try:
        oids = members(version, project=project)
    except NotFound:
        oids = []
    if not oids or not all(in_cache(oid, project=project) for oid in oids):
        raise NotFound(
            f"Version {version[:12]} of {path} is not complete in this project's cache",
            f"If the file still has that content: %mlops data add {path}",
        )
    return oids


def _transfer(source: Any, target: Any, oids: set[str], title: str) -> None:
    """Copy objects, the lists of folders last, so that the files of a list are always there."""
    if not oids:
        return
    say(f"{title} …")
    with Meter(title, files=len(oids)) as meter:
        for batch in (
            sorted(oid for oid in oids if not oid.endswith(".dir")),
            sorted(oid for oid in oids if oid.endswith(".dir")),
        ):
            if batch:
                paths = [source.oid_to_path(oid) for oid in batch]
                target.add(paths, source.fs, batch, check_exists=False, callback=counting(meter))


def _record(
    version: str, path: str, oids: Sequence[str], copied: set[str], status: Any, project: Project
) -> DataTransfer:
    return DataTransfer(
        path=path,
        version=version,
        status=status if copied & set(oids) else "up to date",
        objects=len(copied & set(oids)),
        size=sum(cached_size(oid, project=project) for oid in set(oids) & copied),
    )
