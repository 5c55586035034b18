"""Lists the runs of the embedded sqlite store with read-only SQL, in MLflow's order.

MLflow takes seconds to sort 10,000 runs by a metric and builds five objects for each run. A function
returns None if it cannot read the store (a team's store, an unknown schema, a busy database); the
caller then uses MLflow.
"""

from __future__ import annotations

import gc
import json
import os
import sqlite3
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jupyter_mlops.paths import is_link
from jupyter_mlops.runs.kinds import KIND_TAG, kind_of
from jupyter_mlops.runs.query import STATUS, no_experiment, number
from jupyter_mlops.runs.records import DataUse, Run
from jupyter_mlops.tracking import search

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jupyter_mlops.project import Project

_BUSY, _HARDLY = 2.0, 0.1
#: Limits in the store of an untrusted project: bytes of a value, seconds of all queries.
_LONGEST_VALUE, _LONGEST_QUERY = 1_000_000, 5.0
#: Exceptions for a row that MLflow did not write.
_NO_RUN = (KeyError, ValueError, TypeError, OverflowError, OSError, RecursionError)
#: ANALYZE runs again when the rows exceed `_GROWN` times the rows at the last one, plus `_LEAST_GROWTH`.
_GROWN, _LEAST_GROWTH = 2, 500
# Not `metrics`: it has a row for each step, and no list reads it.
_ANALYZE = "".join(
    f"ANALYZE {table};"
    for table in ("runs", "latest_metrics", "params", "tags", "inputs", "input_tags", "datasets")
)

_RUNS = """
SELECT r.run_uuid, r.name, r.status, r.start_time, r.end_time, e.name
FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id
"""
_COUNT = """
SELECT count(*) FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id
WHERE r.lifecycle_stage = 'active' AND e.lifecycle_stage = 'active'
"""
_BY_METRIC = "LEFT JOIN latest_metrics m ON m.run_uuid = r.run_uuid AND m.key = :metric"
_OF_KIND = (
    "JOIN tags k ON k.run_uuid = r.run_uuid AND k.key = '" + KIND_TAG + "' AND k.value = :kind"
)
# SQLite groups text faster than Python. Not for metrics: SQLite's JSON has only 15 digits.
_PARAMS = "SELECT t.run_uuid, json_group_object(t.key, t.value) FROM {params} GROUP BY t.run_uuid"
_TAGS = (
    "SELECT t.run_uuid, json_group_object(t.key, coalesce(t.value, '')) FROM {tags}"
    " WHERE t.key NOT LIKE 'mlflow.log-model%' GROUP BY t.run_uuid"
)
_METRICS = (
    "SELECT t.run_uuid, t.key, CASE WHEN t.is_nan THEN NULL ELSE t.value END FROM {latest_metrics}"
)
# CROSS JOIN fixes the join order, so SQLite always uses the index on run_uuid.
_SOME = "json_each(:ids) j CROSS JOIN {table} t ON t.run_uuid = j.value"
# For more than half of the runs, a full table scan takes a third of the time.
_ALL, _FULL_SCAN_SHARE = "{table} t", 0.5
_DATA = """
SELECT i.destination_id, d.name, d.digest, g.value
FROM json_each(:ids) j
CROSS JOIN inputs i ON i.destination_type = 'RUN' AND i.destination_id = j.value
  AND i.source_type = 'DATASET'
CROSS JOIN datasets d ON d.dataset_uuid = i.source_id
LEFT JOIN input_tags g ON g.input_uuid = i.input_uuid AND g.name = 'mlflow.data.context'
ORDER BY i.rowid
"""


def newest(
    project: Project, metric: str, ascending: bool, experiment: str, kind: str, limit: int
) -> list[Run] | None:
    """Return up to `limit` runs sorted by `metric` (or by time); None if the caller must use MLflow.

    Raises:
        NotFound: there is no such experiment.
    """
    path = _database(project)
    if path is None:
        return [] if _has_no_store(project) else None
    try:
        with closing(_opened(project, path)) as database, _collector_paused():
            _refuse_unknown_experiment(database, experiment)
            found = _page(database, metric, ascending, experiment, kind, limit)
            stale = project.trusted and _statistics_stale(database)
    except (sqlite3.Error, *_NO_RUN):
        return None
    if stale:
        _analyze(path)
    return found


def count(project: Project) -> int | None:
    """Return the number of runs that are not deleted; None if the caller must use MLflow."""
    path = _database(project)
    if path is None:
        return 0 if _has_no_store(project) else None
    try:
        with closing(_opened(project, path)) as database:
            (number_of_runs,) = database.execute(_COUNT).fetchone()
            return int(number_of_runs)
    except (sqlite3.Error, *_NO_RUN):
        return None


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause garbage collection.

    Records have no reference cycles, and for 10,000 runs the collector takes as long as the list.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def refresh_statistics(project: Project) -> None:
    """Run ANALYZE if the tables have grown since the last one; MLflow's own queries need it."""
    path = _database(project)
    if path is None:
        return
    try:
        with closing(_connect(path, "ro")) as database:
            stale = _statistics_stale(database)
    except sqlite3.Error:
        return
    if stale:
        _analyze(path)


def _database(project: Project) -> Path | None:
    path = project.state / "mlflow.db"
    return path if not project.settings.tracking.uri and path.is_file() else None


def _has_no_store(project: Project) -> bool:
    """Whether the project is untrusted and has no store: it has no runs, and no store is created."""
    given = project.settings.tracking.uri or os.path.lexists(project.state / "mlflow.db")
    return not project.trusted and not given


def _opened(project: Project, path: Path) -> sqlite3.Connection:
    """Open the store read-only; in an untrusted project, treat it as a hostile file.

    A hostile file may be a link to another project's store, have views instead of tables, or make a
    query run forever.
    """
    if project.trusted:
        return _connect(path, "ro")
    beside = [path.with_name(path.name + end) for end in ("", "-wal", "-shm", "-journal")]
    if any(is_link(file) for file in (project.state, *beside)):
        raise sqlite3.OperationalError("the store is a symbolic link")
    database = _connect(path, "ro")
    database.execute("PRAGMA trusted_schema = OFF")
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
    until = time.monotonic() + _LONGEST_QUERY
    database.set_progress_handler(lambda: time.monotonic() > until, 10_000)
    views = database.execute("SELECT count(*) FROM sqlite_master WHERE type = 'view'").fetchone()
    if views[0]:
        database.close()
        raise sqlite3.OperationalError("the store has views; MLflow makes none")
    return database


def _connect(path: Path, mode: str, wait: float = _BUSY) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=wait)


def _refuse_unknown_experiment(database: sqlite3.Connection, wanted: str) -> None:
    if not wanted:
        return
    names = [
        row[0]
        for row in database.execute("SELECT name FROM experiments WHERE lifecycle_stage = 'active'")
    ]
    if wanted not in names:
        raise no_experiment(wanted, names)


def _page(
    database: sqlite3.Connection,
    metric: str,
    ascending: bool,
    experiment: str,
    kind: str,
    limit: int,
) -> list[Run]:
    query = [_RUNS]
    if metric:
        query.append(_BY_METRIC)
    if kind:
        query.append(_OF_KIND)
    query.append("WHERE r.lifecycle_stage = 'active' AND e.lifecycle_stage = 'active'")
    if experiment:
        query.append("AND e.name = :experiment")
    # MLflow's order: numbers, then NaN, then runs without the metric; the newest first among equals.
    by_metric = f"m.value IS NULL, m.is_nan, m.value {'ASC' if ascending else 'DESC'}, "
    query.append(
        f"ORDER BY {by_metric if metric else ''}r.start_time DESC, r.run_uuid LIMIT :limit"
    )
    wanted = {"metric": metric, "kind": kind, "experiment": experiment, "limit": limit}
    rows = database.execute("\n".join(query), wanted).fetchall()
    ids = [row[0] for row in rows]
    # The indexes of 10,000 runs do not fit into SQLite's default cache of 2 MB.
    database.execute("PRAGMA cache_size = -65536")
    asked = {"ids": json.dumps(ids)}
    source = _ALL if len(ids) > _FULL_SCAN_SHARE * _count(database) else _SOME
    tables = {table: source.format(table=table) for table in ("params", "tags", "latest_metrics")}

    def grouped(select: str) -> dict[str, dict[str, str]]:
        texts = dict(database.execute(select.format(**tables), asked).fetchall())
        found = json.loads(f"[{','.join(texts.values())}]")
        return dict(zip(texts, found, strict=True))

    params, tags = grouped(_PARAMS), grouped(_TAGS)
    metrics: dict[str, dict[str, float | None]] = {}
    for run_id, key, value in database.execute(_METRICS.format(**tables), asked):
        metrics.setdefault(run_id, {})[key] = value
    uses: dict[str, list[DataUse]] = {}
    for run_id, name, digest, role in database.execute(_DATA, asked):
        use = DataUse(path=name, version=digest, role="output" if role == "output" else "input")
        uses.setdefault(run_id, []).append(use)
    return [
        _run(
            row,
            params.get(row[0], {}),
            metrics.get(row[0], {}),
            tags.get(row[0], {}),
            uses.get(row[0], []),
        )
        for row in rows
    ]


def _run(
    row: tuple[Any, ...],
    params: dict[str, str],
    metrics: dict[str, float | None],
    tags: dict[str, str],
    uses: list[DataUse],
) -> Run:
    run_id, name, status, start, end, experiment = row
    if not search.is_id(run_id):
        raise ValueError("its id is not a run's")
    return Run(
        run_id=run_id,
        name=name or "",
        status=STATUS[status],
        kind=kind_of(tags),
        experiment=experiment,
        params=dict(sorted(params.items())),
        metrics={key: number(value) for key, value in sorted(metrics.items())},
        data=uses,
        start_time=datetime.fromtimestamp(start / 1000, UTC),
        end_time=datetime.fromtimestamp(end / 1000, UTC) if end else None,
        notebook=tags.get("mlops.notebook", ""),
        commit=tags.get("mlflow.source.git.commit", ""),
        parent=tags.get("mlops.parent", ""),
        error=tags.get("mlops.error", ""),
        tags=tags,
    )


def _count(database: sqlite3.Connection) -> int:
    """Return an upper bound on the number of runs, deleted ones included, without counting them."""
    return database.execute("SELECT max(rowid) FROM runs").fetchone()[0] or 0


def _statistics_stale(database: sqlite3.Connection) -> bool:
    rows = _count(database)
    seen = 0
    if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone():
        known = database.execute("SELECT max(stat) FROM sqlite_stat1 WHERE tbl = 'runs'").fetchone()
        seen = int(known[0].split()[0]) if known and known[0] else 0
    return bool(rows > _GROWN * seen + _LEAST_GROWTH)


def _analyze(path: Path) -> None:
    """Run ANALYZE; if another process is writing, the next list tries again."""
    try:
        with closing(_connect(path, "rw", _HARDLY)) as database:
            # Open connections (MLflow's too) reload the statistics only after a schema change.
            # So a table is created and dropped.
            database.executescript(
                f"BEGIN IMMEDIATE; {_ANALYZE}"
                "CREATE TABLE mlops_analyzed (x); DROP TABLE mlops_analyzed; COMMIT;"
            )
    except sqlite3.Error:
        return
