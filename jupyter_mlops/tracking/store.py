"""The MLflow store of a project: the team's, or an embedded sqlite store created once under a lock.

If several processes open a new sqlite store together, all run MLflow's migrations and can leave it unusable. So
the embedded store is created under another name and then renamed.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jupyter_mlops.errors import BackendFailed
from jupyter_mlops.paths import UnsafePath, below
from jupyter_mlops.progress import say
from jupyter_mlops.secrets.redaction import redact, redact_items
from jupyter_mlops.text import error_line
from jupyter_mlops.tracking import moved, places, team, turns
from jupyter_mlops.tracking.mlflow_import import MIGRATING, import_mlflow

if TYPE_CHECKING:
    from collections.abc import Iterable

    import mlflow
    import mlflow.entities

    from jupyter_mlops.project import Project

_PARAMS_IN_A_BATCH = 100
_METRICS_IN_A_BATCH = 1000
_LONGEST_PARAM = 6000
_LONGEST_TAG = 8000


@dataclass(frozen=True)
class Store:
    """An open MLflow store: MLflow's client, its URI, and the artifact location (empty: the server's)."""

    project: Project
    client: mlflow.MlflowClient
    uri: str
    artifacts: str

    def experiment_id(self, name: str = "") -> str:
        """Return the id of experiment `name` (default: the project's); create it if it is new."""
        from mlflow.exceptions import MlflowException

        name = name or self.project.settings.project.experiment
        found = self.client.get_experiment_by_name(name)
        if found:
            places.check(self.project, found.artifact_location)
            if found.lifecycle_stage == "deleted":
                self.client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)
        location = f"{self.artifacts}/{quote(_folder_of(name))}" if self.artifacts else None
        try:
            return str(self.client.create_experiment(name, artifact_location=location))
        except MlflowException:
            found = self.client.get_experiment_by_name(name)  # another process was first
            if not found:
                raise
            return str(found.experiment_id)

    def log(
        self,
        run_id: str,
        *,
        params: dict[str, Any] | None = None,
        metrics: dict[str, float] | None = None,
        tags: dict[str, Any] | None = None,
        at: int = 0,
    ) -> tuple[list[mlflow.entities.Param], list[mlflow.entities.Metric]]:
        """Write params, metrics and tags in as few calls as MLflow's limits allow.

        Secrets are replaced by `***`. Return the params and metrics as MLflow stores them. Writing
        metrics again with the same `at` (milliseconds) does not duplicate them.
        """
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.utils.time import get_current_time_millis

        now = at or get_current_time_millis()
        all_params = [
            Param(_key(k), v[:_LONGEST_PARAM]) for k, v in redact_items(params or {}).items()
        ]
        all_metrics = [
            Metric(_key(redact(k)), float(v), now, 0) for k, v in (metrics or {}).items()
        ]
        all_tags = [RunTag(_key(k), v[:_LONGEST_TAG]) for k, v in redact_items(tags or {}).items()]
        written = ([*all_params], [*all_metrics])
        while all_params or all_metrics or all_tags:
            self.client.log_batch(
                run_id,
                metrics=all_metrics[:_METRICS_IN_A_BATCH],
                params=all_params[:_PARAMS_IN_A_BATCH],
                tags=all_tags[:_PARAMS_IN_A_BATCH],
            )
            del all_metrics[:_METRICS_IN_A_BATCH]
            del all_params[:_PARAMS_IN_A_BATCH]
            del all_tags[:_PARAMS_IN_A_BATCH]
        return written

    def log_data(self, run_id: str, uses: Iterable[tuple[str, str, str]]) -> None:
        """Record data versions as (path, version, role); searchable as `dataset.digest = '…'`."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = [
            DatasetInput(
                Dataset(
                    name=path, digest=version, source_type="dvc", source=f'{{"path": "{path}"}}'
                ),
                tags=[InputTag("mlflow.data.context", role)],
            )
            for path, version, role in ((redact(path), *rest) for path, *rest in uses)
        ]
        if inputs:
            self.client.log_inputs(run_id, datasets=inputs)


def open_store(project: Project) -> Store:
    """Open the project's MLflow store; the embedded one is created if it does not exist.

    Raises:
        ServerAway: the tracking server or database cannot be reached.
        BackendFailed: it refuses us.
        NotTrusted: the project is not trusted.
    """
    uri = project.tracking_uri
    project.require_trust("its tracking store was not opened")
    if project.settings.tracking.uri:
        return Store(project, team.client(uri), uri, project.artifacts)
    ensure_store(project)
    moved.follow(project)
    return Store(project, client_of(uri), uri, project.artifacts)


@lru_cache(maxsize=8)
def client_of(uri: str) -> mlflow.MlflowClient:
    """Return MLflow's client for an embedded or spool store (sqlite).

    Raises:
        BackendFailed: the file cannot be read.
    """
    mlflow = import_mlflow()
    try:
        client = mlflow.MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
        engine = client._tracking_client.store.engine  # noqa: SLF001 - MLflow has no public access
        turns.taken_by(engine, Path(f"{engine.url.database}-turn"))
    except Exception as error:  # of SQLAlchemy or of MLflow
        raise BackendFailed(f"The store {uri} cannot be opened: {error_line(error)}") from error
    return client


def ensure_store(project: Project, *, quietly: bool = False) -> bool:
    """Create the embedded sqlite store if the project needs one; return whether it was created."""
    if project.settings.tracking.uri:
        return False
    (project.state / "artifacts").mkdir(parents=True, exist_ok=True)
    file = project.state / "mlflow.db"
    return make_database(project, file, project.artifacts, quietly=quietly)


def make_database(project: Project, final: Path, artifacts: str, *, quietly: bool = False) -> bool:
    """Create a sqlite store unless it exists; return whether it was created."""
    if final.exists():
        return False
    with project.locked("store"):
        if final.exists():
            return False
        if not quietly:
            say("creating the MLflow store (once per project) …")
        import_mlflow()
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        final.parent.mkdir(parents=True, exist_ok=True)
        unfinished = final.with_name(f"{final.name}.new")
        _remove_database(unfinished)
        with MIGRATING:
            store = SqlAlchemyStore(f"sqlite:///{unfinished}", artifacts)
        store.engine.dispose()
        with closing(sqlite3.connect(unfinished)) as connection:
            # Write-ahead logging halves the worst wait of eight writers; the file keeps this setting.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("ANALYZE")
            connection.commit()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        unfinished.replace(final)
        _remove_database(unfinished)
    return True


def _folder_of(experiment: str) -> str:
    """Return the folder of an experiment's artifacts: its name if that is a safe path, else a hash."""
    try:
        below(Path(os.devnull), experiment)  # only the name is checked
    except UnsafePath:
        return hashlib.sha256(experiment.encode(errors="replace")).hexdigest()[:32]
    return experiment


def _remove_database(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _key(name: str) -> str:
    """Return `name` without the characters that MLflow refuses in keys."""
    return "".join(c if c.isalnum() or c in "_-./ :" else "_" for c in name)[:250]
