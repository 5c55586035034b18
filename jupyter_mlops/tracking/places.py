"""Which artifact locations are allowed: a row of the store names one, and another person may have written it.

MLflow contacts any host that the row names, and sends the tracking server's token to it. With a folder outside
of the project, other files would be shown as the run's, and artifacts would be written there.
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

#: Requests to these are signed, so they reveal no secret; allowed only with a team's store.
_SIGNED = {"s3", "gs", "r2", "b2", "wasb", "wasbs", "abfs", "abfss", "hdfs", "viewfs", "dbfs"}


class ForeignPlace(BackendFailed):
    """A row of the store names an artifact location that this project does not use."""


def check(project: Project, location: str) -> None:
    """Refuse an artifact location that belongs neither to the project nor to its tracking server.

    Raises:
        ForeignPlace: it belongs to neither.
    """
    if not _is_known(project, str(location)):
        raise ForeignPlace(
            f"The store names the artifact location {cut(without_password(str(location)), 120)}, which is "
            "not this project's. It was not contacted",
            "If it is yours, write into mlops.toml, under [tracking]: artifacts = that location",
        )


def _is_known(project: Project, location: str) -> bool:
    try:
        parts = urlsplit(location)
    except ValueError:  # `http://[`
        return False
    for setting in (project.settings.tracking.artifacts, project.settings.data.remote):
        if "://" in setting and f"{location}/".startswith(f"{setting.rstrip('/')}/"):
            return "/../" not in f"{location}/"
    tracking = urlsplit(project.settings.tracking.uri)
    scheme = parts.scheme.lower()
    if scheme in {"", "file"}:
        return _is_in_own_folder(project, location)
    # Not `runs:` and `models:`: MLflow would go on to whatever place their rows name.
    if scheme in {"http", "https", "mlflow-artifacts"}:
        server = tracking.netloc if tracking.scheme in {"http", "https"} else None
        if scheme == "mlflow-artifacts":
            return parts.netloc in {server, ""}
        # The token is not sent in clear text if the settings say https.
        return parts.netloc == server and scheme in {"https", tracking.scheme.lower()}
    return bool(tracking.scheme) and scheme in _SIGNED


def _is_in_own_folder(project: Project, location: str) -> bool:
    parts = urlsplit(location)
    if parts.netloc not in {"", "localhost"}:
        return False
    path = (local_path(location) if parts.scheme else Path(location)).resolve()
    settings = (project.settings.tracking.artifacts, project.settings.data.remote)
    folders = [project.state] + [
        local_path(setting) if setting.startswith("file:") else Path(setting)
        for setting in settings
        if setting and (setting.startswith("file:") or "://" not in setting)
    ]
    tracking = project.settings.tracking.uri
    if tracking.startswith("sqlite:///"):
        folders.append(Path(tracking.removeprefix("sqlite:///")).parent)
    return any(path.is_relative_to((project.root / folder).resolve()) for folder in folders)
