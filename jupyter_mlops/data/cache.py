"""Content versions in DVC's cache, without DVC's lock and without touching the user's file.

`dvc add` takes the repository's lock (parallel calls fail) and replaces the user's file by a copy from the
cache. Here the object is copied into the same cache under the same hash. Several processes can do that at
once, and `dvc pull` and `dvc checkout` find the object.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from jupyter_mlops.data import folder_list, objects, repository, versions
from jupyter_mlops.data.objects import md5
from jupyter_mlops.data.records import DataVersion
from jupyter_mlops.errors import BackendFailed, Conflict, MlopsError, NotFound
from jupyter_mlops.paths import typed
from jupyter_mlops.project import Project
from jupyter_mlops.text import error_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

#: Path and stat of a file when it was hashed → its version; an unchanged file costs one stat.
_known: dict[tuple[str, int, int, int], DataVersion] = {}


def version(path: Path | str, *, project: Project | None = None, keep: bool = True) -> DataVersion:
    """Return the content version of a file or folder, and copy its content into DVC's cache.

    Args:
        path: a file or a folder, absolute or relative to the working folder.
        project: the project of the cache; default: the one at or above the working folder.
        keep: False only computes the hash.

    Raises:
        NotFound: there is no such file.
        Conflict: the file changed each time it was read.
    """
    project = project or Project.find()
    target = typed(path).absolute()
    if not target.exists():
        raise NotFound(f"No file {path}", "Check the path; it is relative to the working folder")
    for _ in range(3):
        before = _stat_key(target)
        known = _known.get(before) if before else None
        if known and (not keep or _object(project, known.version).exists()):
            if keep:
                objects.touch(_object(project, known.version))
            return known.model_copy(update={"path": project.relative(target)})
        found = _hash(target, project, keep=keep)
        if _stat_key(target) == before:
            if before and keep:
                _known[before] = found
            return found
    raise Conflict(
        f"{path} changed each time it was read", "Wait until nothing writes to it, then try again"
    )


def cached(version: str, *, project: Project | None = None) -> Path:
    """Return the cached object of `version`, checked against its hash.

    DVC itself would return a damaged object without an error.

    Raises:
        NotAVersion: it is not a version.
        NotFound: the cache does not have it.
        BackendFailed: its object is damaged.
    """
    versions.checked(version)
    project = project or Project.find()
    path = _object(project, version)
    if not path.is_file():
        raise NotFound(
            f"Version {version[:12]} is not in this project's cache",
            "If it was pushed to a remote: %mlops data pull",
        )
    if md5(path) != version.removesuffix(".dir"):
        raise BackendFailed(
            f"The cached copy of {version[:12]} is damaged",
            f"Delete {path}, then restore it: %mlops data pull, or %mlops data add the original file",
        )
    return path


def in_cache(version: str, *, project: Project) -> bool:
    """Return whether the cache has this object; its content is not checked."""
    return _object(project, version).is_file()


def cached_size(version: str, *, project: Project) -> int:
    """Return the size of one cached object in bytes."""
    return _object(project, version).stat().st_size


def members(version: str, *, project: Project) -> list[str]:
    """Return the objects of `version`: for a folder its files and its list, else itself."""
    if not version.endswith(".dir"):
        return [version]
    return [*dict.fromkeys(listing(version, project=project).values()), version]


def listing(version: str, *, project: Project) -> dict[str, str]:
    """Return the version of each file of a folder's version, by its path in the folder.

    Raises:
        NotFound: the cache does not have its list.
        BackendFailed: the list is damaged or not valid.
    """
    return folder_list.parse(cached(version, project=project).read_bytes(), version)


def frame(version: str, name: str, *, project: Project | None = None) -> pd.DataFrame:
    """Read a cached table (`name` gives its format: .parquet, .csv, .tsv, .feather, .json).

    Raises:
        NotFound: the cache does not have it.
        MlopsError: it cannot be read as a table.
    """
    return read_table(cached(version, project=project), Path(name).suffix, name=name)


@contextmanager
def table_errors(name: str, suffix: str) -> Iterator[None]:
    """Convert any error of a table's reader; each reader raises other types for a damaged file."""
    try:
        yield
    except MlopsError:
        raise
    except ImportError as error:
        raise MlopsError(f"{name} cannot be read: {error}", "Save it as .parquet or .csv") from None
    except Exception as error:
        raise MlopsError(
            f"{name} cannot be read as {suffix}: {error_line(error)}",
            "Check that the file is complete, and its extension",
        ) from None


def read_table(path: Path, suffix: str = "", *, name: str = "") -> pd.DataFrame:
    """Read one table from a file by its suffix; messages call it `name`, or its path.

    Raises:
        MlopsError: it cannot be read as a table.
    """
    import pandas as pd

    # By default, pandas converts strings of digits, and columns with names like `date`.
    exact: dict[str, Any] = {"convert_dates": False, "dtype": False, "precise_float": True}
    readers: dict[str, Any] = {
        ".parquet": pd.read_parquet,
        ".pq": pd.read_parquet,
        ".csv": pd.read_csv,
        ".tsv": lambda file: pd.read_csv(file, sep="\t"),
        ".feather": _feather,
        ".json": lambda file: pd.read_json(file, **exact),
        ".jsonl": lambda file: pd.read_json(file, lines=True, **exact),
    }
    suffix = (suffix or path.suffix).lower()
    if suffix not in readers:
        kind = suffix or "a file without suffix"
        raise MlopsError(
            f"{name or path.name}: {kind} cannot be read as a table",
            f"Use one of {', '.join(readers)}",
        )
    with table_errors(name or str(path), suffix), path.open("rb") as file:
        read: pd.DataFrame = readers[suffix](file)
    return read


def _feather(file: IO[bytes]) -> pd.DataFrame:
    """Read Arrow's own format, whose reader believes the file: a wrong offset would end this process."""
    from pyarrow import feather

    table = feather.read_table(file, memory_map=False)
    table.validate(full=True)
    read: pd.DataFrame = table.to_pandas()
    return read


def cache_folder(project: Project) -> Path:
    """Return the folder of DVC's local cache objects."""
    return Path(_store(project.root).path)


def _object(project: Project, version: str) -> Path:
    return objects.object_path(_store(project.root), version)


def _store(root: Path) -> Any:
    repository.require_trust(root)
    return _cache_of(root)


@lru_cache(maxsize=8)
def _cache_of(root: Path) -> Any:
    with repository.opened(root) as repo:
        try:
            store = repo.cache.local
            typed(store.path)
        except Exception as error:  # the settings name a folder that cannot be one
            raise MlopsError(
                f"DVC has no usable cache folder: {error_line(error)}",
                "Correct [cache] in .dvc/config",
            ) from None
        return store


def _hash(target: Path, project: Project, *, keep: bool) -> DataVersion:
    title = project.relative(target)
    found, size, files = objects.version_of(target, _store(project.root), title, keep=keep)
    return DataVersion(path=title, version=found, size=size, files=files)


def _stat_key(target: Path) -> tuple[str, int, int, int] | None:
    """Return a key that changes with a file's content; None for folders, whose own stat does not."""
    if target.is_dir():
        return None
    stat = target.stat()
    return (str(target), stat.st_mtime_ns, stat.st_size, stat.st_ino)
