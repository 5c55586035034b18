"""Finds one run by its id or name; returns its record and its artifacts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import BackendFailed, NotFound, ServerAway, UsageError, nearest
from jupyter_mlops.progress import say
from jupyter_mlops.project import Project
from jupyter_mlops.runs import logged_model, spool_sync
from jupyter_mlops.runs.kinds import kind_of
from jupyter_mlops.runs.records import DataUse, Run, RunDetail
from jupyter_mlops.text import cut, error_line, listed, printable
from jupyter_mlops.tracking import artifacts, live, places, search, spool
from jupyter_mlops.tracking.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import mlflow.entities

STATUS: Any = {
    "RUNNING": "running",
    "SCHEDULED": "scheduled",
    "FINISHED": "finished",
    "FAILED": "failed",
    "KILLED": "killed",
}
_CELL = "mlops/cell.py"
_SHORTEST_PREFIX = 4
_LONGEST_SHOWN = 80
_BEGINNING = re.compile(rf"[0-9a-f]{{{_SHORTEST_PREFIX},31}}")
_NEWEST_FIRST = ["attributes.start_time DESC"]
#: Number of newest runs with one name among which a finished run is preferred.
_OF_ONE_NAME = 5
_PATIENCE = 5.0
_MOST_DIGITS = 15
# MLflow stores infinity as the largest float, because some databases have no infinity.
_LARGEST = 1.7976931348623157e308


@dataclass(frozen=True)
class StoredRun:
    """A run's record, and the store that holds its files."""

    detail: RunDetail
    store: Store
    location: str

    def file(self, path: str) -> Path:
        """Return a local path of one of its artifacts.

        Raises:
            NotFound: there is no such artifact.
        """
        return _file(self.store, self.detail.run_id, self.location, path)


def look_up(run: str, *, project: Project | None = None) -> StoredRun:
    """Return one run, by its id, its name (the latest of exactly that name), or the start of its id.

    Raises:
        NotFound: there is no such run.
    """
    from mlflow.exceptions import MlflowException

    project = project or Project.find()
    spool_sync.send_waiting(project, patience=_PATIENCE)
    store = store_with(run, project)
    live.close_dead(store)
    found = find(store, run)
    base = record(found, experiment_names(store))
    location = str(found.info.artifact_uri)
    model, names = None, []
    try:
        names = _artifacts(store, location)
        model = logged_model.describe(store, found)
    except places.ForeignPlace as error:
        say(f"{error.what}. {error.do}")
    except (MlflowException, OSError) as error:  # deleted, or the disk is not mounted
        say(f"The files of '{base.name}' are not at {location}: {error}")
    source = ""
    if _CELL in names:
        source = _file(store, base.run_id, location, _CELL).read_text(errors="replace")
    detail = RunDetail(
        **base.model_dump(),
        model=model,
        source=source,
        artifacts=names,
        packages=whole(found.data.tags.get("mlops.packages", "")),
    )
    return StoredRun(detail, store, location)


def show(run: str, *, project: Project | None = None) -> RunDetail:
    """Return all that was recorded of one run.

    Args:
        run: its id, the start of it, or its name (the latest run of exactly that name).
        project: default: the project at or above the working folder.

    Raises:
        NotFound: there is no such run.
    """
    return look_up(run, project=project).detail


#: The same function, for code that does not display the result.
get = show


def artifact(run: str, path: str, *, project: Project | None = None) -> Path:
    """Return a local path of one artifact of a run."""
    project = project or Project.find()
    store = store_with(run, project)
    info = find(store, run).info
    return _file(store, info.run_id, str(info.artifact_uri), path)


def _file(store: Store, run_id: str, location: str, path: str) -> Path:
    from mlflow.exceptions import MlflowException

    try:
        return artifacts.local(store, location, path)
    except (MlflowException, OSError):
        raise NotFound(
            f"Run {run_id[:8]} has no artifact {path}", f"Type: %mlops run show {run_id[:8]}"
        ) from None


def store_with(run: str, project: Project) -> Store:
    """Return the store that holds a run: the project's store or the spool."""
    if spool.holding(project, run, names=False):
        return spool.open_spool(project)
    try:
        return open_store(project)
    except ServerAway:
        if not spool.holding(project, run, names=True):
            raise
    return spool.open_spool(project)


def find(store: Store, run: str) -> mlflow.entities.Run:
    """Return MLflow's run by its id, its name, or the start of its id."""
    from mlflow.exceptions import MlflowException

    text = run.strip()
    experiments = [*experiment_names(store)]
    if search.is_id(text):
        try:
            return store.client.get_run(text)
        except MlflowException:
            if sent := _sent(store, experiments, f"= '{text}'"):
                return sent[0]
    if named := _named(store, experiments, run):
        # An unfinished run has no result yet, so a finished run with that name is preferred.
        return next((item for item in named if item.info.status == "FINISHED"), named[0])
    if _BEGINNING.fullmatch(text):
        page = store.client.search_runs(
            experiments, f"attributes.run_id LIKE '{text}%'", max_results=2, order_by=_NEWEST_FIRST
        )
        page = page or _sent(store, experiments, f"LIKE '{text}%'")
        if len(page) == 1:
            return page[0]
        if page:
            raise UsageError(f"More than one run begins with {text}", "Give more of its id")
    recent = store.client.search_runs(experiments, "", max_results=200, order_by=_NEWEST_FIRST)
    names = {item.info.run_name for item in recent}
    shown = text if search.is_id(text) else f"'{run}'" if run.isprintable() else ascii(run)
    raise NotFound(
        f"No run {cut(shown, _LONGEST_SHOWN)}", nearest(run, names) or "Type: %mlops run list"
    )


def _named(store: Store, experiments: list[str], name: str) -> list[mlflow.entities.Run]:
    """Return the newest runs with exactly this name; the store's filter may match other names too."""
    if not name or not experiments:
        return []
    found = search.pages(
        store.client.search_runs, experiments, search.clause("attributes.run_name", name),
        order_by=_NEWEST_FIRST,
    )  # fmt: skip
    return [*islice((run for run in found if run.info.run_name == name), _OF_ONE_NAME)]


def _sent(store: Store, experiments: list[str], clause: str) -> Any:
    """Return the runs in the team's store that had this id in the spool."""
    if not store.project.settings.tracking.uri:
        return []
    return store.client.search_runs(experiments, f"tags.`{spool.SPOOL_ID}` {clause}", max_results=2)


def experiment_names(store: Store, wanted: str = "") -> dict[str, str]:
    """Return the experiments to search, id → name."""
    found = search.pages(store.client.search_experiments)
    names = {item.experiment_id: item.name for item in found}
    if not wanted:
        return names
    kept = {key: name for key, name in names.items() if name == wanted}
    if not kept:
        raise no_experiment(wanted, names.values())
    return kept


def no_experiment(wanted: str, names: Iterable[str]) -> NotFound:
    """Return the error for an experiment that is not one of `names`."""
    known = [*names]
    hint = nearest(wanted, known) or f"There are: {listed(known, 8)}"
    return NotFound(f"No experiment '{wanted}'", hint)


def record(run: mlflow.entities.Run, experiments: dict[str, str]) -> Run:
    """Return MLflow's run as a record; `experiments` are names by id.

    Raises:
        BackendFailed: it has values that MLflow does not write, such as a time after the year 9999.
    """
    try:
        if not search.is_id(run.info.run_id):
            raise ValueError("its id is not a run's")  # ids are names of folders too
        return _record(run, experiments)
    except (KeyError, ValueError, TypeError, OverflowError, OSError) as error:
        raise BackendFailed(
            f"The store's run {printable(run.info.run_id)} cannot be read: {error_line(error)}",
            "If it is yours, correct it; else delete it: mlflow gc --run-ids ID",
        ) from None


def _record(run: mlflow.entities.Run, experiments: dict[str, str]) -> Run:
    tags = run.data.tags
    uses = run.inputs.dataset_inputs if run.inputs else []
    return Run(
        run_id=run.info.run_id,
        name=run.info.run_name or "",
        status=STATUS[run.info.status],
        kind=kind_of(tags),
        experiment=experiments.get(run.info.experiment_id, run.info.experiment_id),
        params=dict(sorted(run.data.params.items())),
        metrics={name: number(value) for name, value in sorted(run.data.metrics.items())},
        data=[_use(item) for item in uses],
        start_time=_time(run.info.start_time),
        end_time=_time(run.info.end_time) if run.info.end_time else None,
        notebook=tags.get("mlops.notebook", ""),
        commit=tags.get("mlflow.source.git.commit", ""),
        parent=tags.get("mlops.parent", ""),
        error=tags.get("mlops.error", ""),
        tags={key: value for key, value in tags.items() if not key.startswith("mlflow.log-model")},
    )


def number(value: float | None) -> float:
    """Return a metric's value as it was logged; None (NULL in the database) is NaN."""
    if value is None:
        return math.nan
    return math.copysign(math.inf, value) if abs(value) >= _LARGEST else value


def whole(text: str) -> int:
    """Return a tag's whole number; 0 if it has none, as anybody may have written it."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else 0


def _use(item: Any) -> DataUse:
    role = next((tag.value for tag in item.tags if tag.key == "mlflow.data.context"), "input")
    return DataUse(
        path=item.dataset.name,
        version=item.dataset.digest,
        role="output" if role == "output" else "input",
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _artifacts(store: Store, location: str) -> list[str]:
    return sorted(item.path for item in artifacts.entries(store, location) if not item.is_dir)
