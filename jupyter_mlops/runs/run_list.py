"""`run list`: reads the embedded store with our own SQL, any other store with MLflow's client."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import ServerAway, UsageError, nearest
from jupyter_mlops.project import Project
from jupyter_mlops.records import Records
from jupyter_mlops.runs import spool_sync, sqlite_list
from jupyter_mlops.runs.kinds import KIND_TAG, KINDS
from jupyter_mlops.runs.query import experiment_names, record
from jupyter_mlops.runs.records import Run, RunList
from jupyter_mlops.text import cut
from jupyter_mlops.tracking import live, search, spool
from jupyter_mlops.tracking.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PAGE = 50_000
_PATIENCE = 5.0
_MOST_PARTS = 500
_EMPTY = "No runs yet. Put %%mlops run NAME on top of a cell that trains, and run it."


def list(
    *,
    filter: str = "",
    sort: str = "",
    experiment: str = "",
    kind: str = "",
    columns: Sequence[str] | None = None,
    limit: int = 50,
    project: Project | None = None,
) -> Records[Run]:
    """List runs, the newest first; `%mlops run parallel` shows the same list as an interactive plot.

    Args:
        filter: MLflow's filter syntax, e.g. `metrics.accuracy > 0.9 and params.depth = '4'`.
        sort: a metric (the largest first; `-name` for the smallest first), or empty for the time.
        experiment: default: all of them.
        kind: only runs of this kind.
        columns: the metrics and parameters that the table shows, e.g. `accuracy`,
            `params.depth`; each may be several separated by commas. Default: the common ones.
        limit: maximum number of runs.
        project: default: the project at or above the working folder.
    """
    project = project or Project.find()
    if kind and kind not in KINDS:
        raise UsageError(f"No kind '{kind}'", nearest(kind, KINDS) or f"One of {', '.join(KINDS)}")
    if limit < 1:
        raise UsageError(f"--limit must be at least 1, not {limit}")
    metric = sort.removeprefix("-").removeprefix("metrics.").replace("`", "")
    ascending = sort.startswith("-")
    spool_sync.send_waiting(project, patience=_PATIENCE)
    with spool.counted_in_error(project):
        if project.trusted and live.any_marked(project):
            live.close_dead(open_store(project))
        found: builtins.list[Run] | None = None
        if not filter:
            found = sqlite_list.newest(project, metric, ascending, experiment, kind, limit)
        if found is None:
            sqlite_list.refresh_statistics(project)
            store = open_store(project)
            found = _through_mlflow(filter, metric, ascending, experiment, kind, limit, store)
    if metric and found and not any(metric in run.metrics for run in found):
        names = {name for run in found for name in run.metrics}
        raise UsageError(f"No listed run has a metric '{metric}'", _known(metric, names))
    return RunList(found, empty=_EMPTY, columns=known_columns(columns or [], found))


def parts(run_id: str, *, project: Project) -> builtins.list[Run]:
    """Return the child runs of a run; while the team's store is unreachable, those in the spool."""
    try:
        store = open_store(project)
    except ServerAway:
        store = spool.open_spool(project)
    clause = search.clause("tags.mlops.parent", run_id)
    found = _through_mlflow(clause, "", False, "", "", _MOST_PARTS, store)
    return [run for run in found if run.parent == run_id]


def count(project: Project) -> int:
    """Return the number of runs; at most 50,000 for a team's store (one page of MLflow)."""
    found = sqlite_list.count(project)
    if found is None:
        store = open_store(project)
        found = len(store.client.search_runs([*experiment_names(store, "")], max_results=_PAGE))
    return found


def _through_mlflow(
    filter: str,
    metric: str,
    ascending: bool,
    experiment: str,
    kind: str,
    limit: int,
    store: Store,
) -> builtins.list[Run]:
    from mlflow.exceptions import MlflowException

    clauses = [filter] if filter else []
    if kind:
        clauses.append(f"tags.{KIND_TAG} = '{kind}'")
    order = [f"metrics.`{metric}` {'ASC' if ascending else 'DESC'}"] if metric else []
    names = experiment_names(store, experiment)
    try:
        page = store.client.search_runs(
            [*names],
            " and ".join(clauses),
            max_results=limit,
            order_by=[*order, "attributes.start_time DESC"],
        )
    except MlflowException:
        raise UsageError(
            f"MLflow cannot read the filter '{cut(filter, 60)}'",
            "For example: --filter \"metrics.accuracy > 0.9 and params.depth = '4'\"",
        ) from None
    return [record(run, names) for run in page]


def _known(wanted: str, names: set[str]) -> str:
    """Return a hint: the nearest of `names`, else the first of them."""
    known = sorted(names)
    return nearest(wanted, known) or f"There are: {', '.join(known[:12]) or 'none'}"


def known_columns(wanted: Sequence[str], runs: Iterable[Run]) -> builtins.list[tuple[str, str]]:
    """Return (`metrics` or `params`, name) for each wanted column.

    Raises:
        UsageError: none of the runs has it.
    """
    items = [part.strip() for item in wanted for part in item.split(",") if part.strip()]
    if not items:
        return []
    have: dict[str, Any] = {
        "metrics": {name for run in runs for name in run.metrics},
        "params": {name for run in runs for name in run.params},
    }
    columns = []
    for item in items:
        where, dot, name = item.partition(".")
        if not dot or where not in have or name not in have[where]:
            where = next((group for group, names in have.items() if item in names), "")
            name = item
        if not where:
            hint = _known(item, have["metrics"] | have["params"])
            raise UsageError(f"No listed run has a metric or parameter '{item}'", hint)
        columns.append((where, name))
    return columns
