"""`data push` and `data pull`: versions to and from a remote, laid out as DVC lays them out.

Neither takes DVC's lock. Objects are read and compared with their hash before they leave, and again
after they arrive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
        BackendFailed: an object in the cache is damaged, or the remote does not take it.
    """
    project = project or Project.find()
    locks.heal(project)
    wanted = dict.fromkeys(named_versions(paths, project))
    if runs:
        here = held(project=project)
        # A version that is in no cache here was recorded elsewhere, and is pushed from there.
        wanted |= dict.fromkeys(item for item in referrers.versions(project) if item[1] in here)
    pushed = {path for path, _ in wanted}
    for item in status(project=project):
        if item.status == "changed" and item.path in pushed:
            say(f"{item.path} has changed since its version; data add keeps the new content")
    with remotes.opened(project, remote) as (cache, store, url):
        objects = {version: _whole(version, path, project) for path, version in wanted}
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
    """Bring versions from the remote, and put the files back to them.

    A file whose present content no version holds is only overwritten with `force`.

    Raises:
        NotFound: the remote does not have a version.
        BackendFailed: the remote does not answer, or what came is damaged.
    """
    project = project or Project.find()
    locks.heal(project)
    wanted = named_versions(paths, project)
    paths_of = {version: path for path, version in wanted}
    with remotes.opened(project, remote) as (cache, store, url):
        # A folder's list of files comes first: it says what else is wanted.
        came = _fetch(cache, store, {version: [version] for version in paths_of}, paths_of, url)
        objects = {version: members(version, project=project) for version in paths_of}
        rest = {
            version: [oid for oid in oids if oid != version] for version, oids in objects.items()
        }
        came |= _fetch(cache, store, rest, paths_of, url)
    checkout([project.root / path for path, _ in wanted], force=force, project=project)
    done = [
        _record(version, path, objects[version], came, "pulled", project)
        for path, version in wanted
    ]
    return Records(done, empty=_EMPTY)


def _fetch(
    cache: Any, store: Any, objects: Mapping[str, Sequence[str]], paths: Mapping[str, str], url: str
) -> set[str]:
    """Bring the objects that the cache lacks, or has damaged; return them."""
    lacking = {oid for oids in objects.values() for oid in oids if not _intact(cache, oid)}
    gone = lacking - set(store.oids_exist(sorted(lacking))) if lacking else set()
    for version, oids in objects.items():
        if gone & set(oids):
            raise NotFound(
                f"The remote {url} does not have version {version[:12]} of {paths[version]} whole",
                "Push it from where it was added: mlops data push",
            )
    _transfer(store, cache, lacking, f"pulling from {url}")
    for oid in lacking:
        if md5(object_path(cache, oid)) != oid.removesuffix(".dir"):
            object_path(cache, oid).unlink()
            raise BackendFailed(
                f"The remote {url} has a damaged copy of {oid[:12]}",
                "Push it again from where it was added, after deleting it on the remote: "
                f"files/md5/{oid[:2]}/{oid[2:]}",
            )
    return lacking


def _intact(cache: Any, oid: str) -> bool:
    """Return whether the cache has this object; a damaged one is removed, and so fetched again."""
    path = object_path(cache, oid)
    if not path.exists():
        return False
    if md5(path) == oid.removesuffix(".dir"):
        return True
    say(f"the cached copy of {oid[:12]} is damaged; it is fetched again")
    path.unlink()
    return False


def _whole(version: str, path: str, project: Project) -> list[str]:
    """Return the objects of `version`, all of which are in the cache."""
    try:
        oids = members(version, project=project)
    except NotFound:
        oids = []
    if not oids or not all(in_cache(oid, project=project) for oid in oids):
        raise NotFound(
            f"Version {version[:12]} of {path} is not whole in this project's cache",
            f"If the file still is that version: %mlops data add {path}",
        )
    return oids


def _transfer(source: Any, target: Any, oids: set[str], title: str) -> None:
    """Copy objects; the lists of folders come last, so that a list is never without its files."""
    if not oids:
        return
    say(f"{title} …")
    with Meter(title, files=len(oids)) as meter:
        for wanted in (
            sorted(oid for oid in oids if not oid.endswith(".dir")),
            sorted(oid for oid in oids if oid.endswith(".dir")),
        ):
            if wanted:
                paths = [source.oid_to_path(oid) for oid in wanted]
                target.add(paths, source.fs, wanted, check_exists=False, callback=counting(meter))


def _record(
    version: str, path: str, oids: Sequence[str], moved: set[str], done: Any, project: Project
) -> DataTransfer:
    return DataTransfer(
        path=path,
        version=version,
        status=done if moved & set(oids) else "up to date",
        objects=len(moved & set(oids)),
        size=sum(cached_size(oid, project=project) for oid in set(oids) & moved),
    )
