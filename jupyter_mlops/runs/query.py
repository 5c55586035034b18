"""`run list`, `show`, `compare` and `delete`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import MlopsError, NotFound, UsageError, nearest
from jupyter_mlops.project import Project
from jupyter_mlops.records import Records
from jupyter_mlops.runs import live, logged_model
from jupyter_mlops.runs.records import Comparison, DataUse, Difference, Run, RunDetail, RunList
from jupyter_mlops.runs.store import Store, import_mlflow, open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    import mlflow.entities

_KINDS = {"cell", "job", "sweep", "drift"}
_STATUS: Any = {
    "RUNNING": "running",
    "SCHEDULED": "scheduled",
    "FINISHED": "finished",
    "FAILED": "failed",
    "KILLED": "killed",
}
_EMPTY = "No runs yet. Put %%mlops run NAME on top of a cell that trains, and run it."
_SHORTEST_PREFIX = 4


def list(
    *,
    filter: str = "",
    sort: str = "",
    experiment: str = "",
    kind: str = "",
    limit: int = 50,
    project: Project | None = None,
) -> Records[Run]:
    """List runs, the newest first.

    Args:
        filter: MLflow's filter syntax, e.g. `metrics.accuracy > 0.9 and params.depth = '4'`.
        sort: a metric (the largest first; `-name` for the smallest first), or empty for the time.
        experiment: default: all of them.
        kind: only runs of this kind.
        limit: at most so many.
        project: default: the project at or above the working folder.
    """
    from mlflow.exceptions import MlflowException

    project = project or Project.find()
    store = open_store(project)
    live.close_dead(store)
    if kind and kind not in _KINDS:
        raise UsageError(
            f"No kind '{kind}'", nearest(kind, _KINDS) or f"One of {', '.join(_KINDS)}"
        )
    clauses = [filter] if filter else []
    if kind:
        clauses.append(f"tags.mlops.kind = '{kind}'")
    experiments = _experiments(store, experiment)
    try:
        page = store.client.search_runs(
            [*experiments], " and ".join(clauses), max_results=limit, order_by=_order(sort)
        )
    except MlflowException as error:
        raise UsageError(
            f"MLflow cannot read that filter: {str(error).splitlines()[0]}",
            "For example: --filter \"metrics.accuracy > 0.9 and params.depth = '4'\"",
        ) from None
    return RunList([_record(run, experiments) for run in page], empty=_EMPTY)


def get(run: str, *, project: Project | None = None) -> RunDetail:
    """Return one run, by its id, the start of its id, or its name (the latest of that name).

    Raises:
        NotFound: there is no such run.
    """
    project = project or Project.find()
    store = open_store(project)
    live.close_dead(store)
    found = _find(store, run)
    experiments = _experiments(store, "")
    base = _record(found, experiments)
    artifacts = _artifacts(store, base.run_id)
    source = ""
    if "mlops/cell.py" in artifacts:
        source = artifact(base.run_id, "mlops/cell.py", project=project).read_text()
    return RunDetail(
        **base.model_dump(),
        model=logged_model.describe(store, found),
        source=source,
        artifacts=artifacts,
        packages=int(found.data.tags.get("mlops.packages", 0)),
    )


def show(run: str, *, project: Project | None = None) -> RunDetail:
    """Show all that was recorded of one run."""
    return get(run, project=project)


def compare(runs: Sequence[str], *, project: Project | None = None) -> Comparison:
    """Compare two or more runs: only what differs, metrics first."""
    project = project or Project.find()
    if len(runs) < 2:
        raise UsageError(
            "Two runs are needed to compare", "For example: run compare baseline forest"
        )
    details = [get(run, project=project) for run in runs]
    differences: Any = []
    same = 0
    columns: Any = [
        ("metric", [detail.metrics for detail in details]),
        ("param", [detail.params for detail in details]),
        (
            "data",
            [
                {use.path: use.version[:12] for use in d.data if use.role == "input"}
                for d in details
            ],
        ),
        ("code", [{"cell": _code_note(detail, details[0])} for detail in details]),
        ("commit", [{"git": detail.commit[:12]} for detail in details]),
    ]
    for what, values in columns:
        for name in dict.fromkeys(key for value in values for key in value):
            row = [value.get(name) for value in values]
            if all(item == row[0] for item in row):
                same += 1
            else:
                differences.append(Difference(what=what, name=name, values=row))
    return Comparison(
        runs=[detail.run_id for detail in details],
        names=[detail.name for detail in details],
        differences=differences,
        same=same,
    )


def delete(runs: Sequence[str], *, project: Project | None = None) -> str:
    """Move runs to MLflow's trash, where `mlflow gc` would find them; nothing is lost yet."""
    project = project or Project.find()
    store = open_store(project)
    found = [_find(store, run) for run in runs]
    for run in found:
        if run.info.status == "RUNNING":
            raise MlopsError(f"Run '{run.info.run_name}' is still running", "Stop it first")
    for run in found:
        store.client.delete_run(run.info.run_id)
        project.announce("run", "deleted", run.info.run_name)
    return f"Deleted {', '.join(run.info.run_id[:8] for run in found)} (they can be restored in `mlops ui`)"


def artifact(run: str, path: str, *, project: Project | None = None) -> Path:
    """Return a local path of one artifact of a run."""
    from mlflow.exceptions import MlflowException

    project = project or Project.find()
    store = open_store(project)
    run_id = _find(store, run).info.run_id
    try:
        return Path(
            import_mlflow().artifacts.download_artifacts(
                run_id=run_id, artifact_path=path, tracking_uri=project.tracking_uri
            )
        )
    except (MlflowException, OSError):
        raise NotFound(
            f"Run {run} has no artifact {path}", f"Type: %mlops run show {run_id[:8]}"
        ) from None


def _find(store: Store, run: str) -> mlflow.entities.Run:
    from mlflow.exceptions import MlflowException

    text = run.strip()
    hexadecimal = text.isalnum() and all(c in "0123456789abcdef" for c in text)
    if hexadecimal and len(text) == 32:
        try:
            return store.client.get_run(text)
        except MlflowException:
            raise NotFound(f"No run {text}", "Type: %mlops run list") from None
    experiments = [*_experiments(store, "")]
    quoted = text.replace("'", "")
    clause = f"attributes.run_name = '{quoted}'"
    order = ["attributes.start_time DESC"]
    # A run without an end has no result yet, so a finished one of that name comes first.
    page = store.client.search_runs(experiments, clause, max_results=5, order_by=order)
    if page:
        return next((item for item in page if item.info.status == "FINISHED"), page[0])
    if hexadecimal and len(text) >= _SHORTEST_PREFIX:
        page = store.client.search_runs(
            experiments, f"attributes.run_id LIKE '{text}%'", max_results=2, order_by=order
        )
        if len(page) == 1:
            return page[0]
        if page:
            raise UsageError(f"More than one run begins with {text}", "Give more of its id")
    recent = store.client.search_runs(experiments, "", max_results=200, order_by=order)
    names = {item.info.run_name for item in recent}
    raise NotFound(f"No run '{text}'", nearest(text, names) or "Type: %mlops run list")


def _experiments(store: Store, wanted: str) -> dict[str, str]:
    """Return the experiments to look in, id → name."""
    names = {item.experiment_id: item.name for item in store.client.search_experiments()}
    if not wanted:
        return names
    kept = {key: name for key, name in names.items() if name == wanted}
    if not kept:
        raise NotFound(f"No experiment '{wanted}'", nearest(wanted, names.values()))
    return kept


def _order(sort: str) -> Any:
    if not sort:
        return ["attributes.start_time DESC"]
    name = sort.removeprefix("-").removeprefix("metrics.").replace("`", "")
    return [
        f"metrics.`{name}` {'ASC' if sort.startswith('-') else 'DESC'}",
        "attributes.start_time DESC",
    ]


def _record(run: mlflow.entities.Run, experiments: dict[str, str]) -> Run:
    tags = run.data.tags
    kind: Any = tags.get("mlops.kind", "other")
    uses = run.inputs.dataset_inputs if run.inputs else []
    return Run(
        run_id=run.info.run_id,
        name=run.info.run_name or "",
        status=_STATUS[run.info.status],
        kind=kind if kind in _KINDS else "other",
        experiment=experiments.get(run.info.experiment_id, run.info.experiment_id),
        params=dict(sorted(run.data.params.items())),
        metrics=dict(sorted(run.data.metrics.items())),
        data=[_use(item) for item in uses],
        start_time=_time(run.info.start_time),
        end_time=_time(run.info.end_time) if run.info.end_time else None,
        notebook=tags.get("mlops.notebook", ""),
        commit=tags.get("mlflow.source.git.commit", ""),
        parent=tags.get("mlops.parent", ""),
        error=tags.get("mlops.error", ""),
        tags={key: value for key, value in tags.items() if not key.startswith("mlflow.log-model")},
    )


def _use(item: Any) -> DataUse:
    role = next((tag.value for tag in item.tags if tag.key == "mlflow.data.context"), "input")
    return DataUse(
        path=item.dataset.name,
        version=item.dataset.digest,
        role="output" if role == "output" else "input",
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _artifacts(store: Store, run_id: str) -> Any:
    found: Any = []
    waiting = [""]
    while waiting:
        for item in store.client.list_artifacts(run_id, waiting.pop() or None):
            if item.is_dir:
                waiting.append(item.path)
            else:
                found.append(item.path)
    return sorted(found)


def _code_note(detail: RunDetail, first: RunDetail) -> str:
    if not detail.source:
        return ""
    if detail is first or detail.source == first.source:
        return f"{len(first.source.splitlines())} lines"
    import difflib

    changed = sum(
        1
        for line in difflib.ndiff(first.source.splitlines(), detail.source.splitlines())
        if line[:1] in "+-"
    )
    return f"{changed} lines differ"
