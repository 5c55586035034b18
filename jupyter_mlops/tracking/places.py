"""Where the files of runs may lie: a row of a store names the place, and somebody else may have written the row.

MLflow asks whatever host the row names, and sends the tracking server's token along. A place on this disk
outside of the project would show its files as the run's, or receive what is recorded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from jupyter_mlops.errors import BackendFailed
from jupyter_mlops.text import cut
from jupyter_mlops.urls import local_path, without_password

if TYPE_CHECKING:
    from jupyter_mlops.project import Project

#: Requests there are signed, and hold no secret that could be used again; only for a team's own store.
_SIGNED = {"s3", "gs", "r2", "b2", "wasb", "wasbs", "abfs", "abfss", "hdfs", "viewfs", "dbfs"}
#: Asked of the tracking server itself.
_OF_THE_SERVER = {"runs", "models"}


class ForeignPlace(BackendFailed):
    """A row names a place for files that this project does not use; nobody was asked there."""


def check(project: Project, location: str) -> None:
    """Refuse a place for files that is neither the project's nor its tracking server's.

    Raises:
        ForeignPlace: it is not.
    """
    if not _is_known(project, str(location)):
        raise ForeignPlace(
            f"The store names {cut(without_password(str(location)), 120)} as a place for files, which is not "
            "this project's; nobody was asked there",
            "If it is yours, write into mlops.toml, under [tracking]: artifacts = that place",
        )


def _is_known(project: Project, location: str) -> bool:
    parts = urlsplit(location)
    for own in (project.settings.tracking.artifacts, project.settings.data.remote):
        if "://" in own and f"{location}/".startswith(f"{own.rstrip('/')}/"):
            return "/../" not in f"{location}/"
    tracking = urlsplit(project.settings.tracking.uri)
    scheme = parts.scheme.lower()
    if scheme in {"", "file"}:
        return _is_here(project, location)
    if scheme in _OF_THE_SERVER:
        return True
    if scheme in {"http", "https", "mlflow-artifacts"}:
        server = tracking.netloc if tracking.scheme in {"http", "https"} else None
        return parts.netloc == server or (scheme == "mlflow-artifacts" and not parts.netloc)
    return bool(tracking.scheme) and scheme in _SIGNED


def _is_here(project: Project, location: str) -> bool:
    parts = urlsplit(location)
    if parts.netloc not in {"", "localhost"}:
        return False
    path = (local_path(location) if parts.scheme else Path(location)).resolve()
    named = (project.settings.tracking.artifacts, project.settings.data.remote)
    folders = [project.state] + [
        local_path(own) if own.startswith("file:") else Path(own)
        for own in named
        if own and (own.startswith("file:") or "://" not in own)
    ]
    tracking = project.settings.tracking.uri
    if tracking.startswith("sqlite:///"):
        folders.append(Path(tracking.removeprefix("sqlite:///")).parent)
    return any(path.is_relative_to((project.root / folder).resolve()) for folder in folders)
