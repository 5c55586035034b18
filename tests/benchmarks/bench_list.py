"""`run list` ordered by a metric among 10,000 runs, beside `mlflow.search_runs` on the same store."""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS, METRICS, PARAMS = 10_000, 5, 5
REPEATS = 5


def measure() -> list[dict[str, object]]:
    """Return seconds (medians of five, everything loaded) for the usual page and for all runs."""
    from jupyter_mlops import workspace
    from jupyter_mlops.project import Project

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        workspace.init(folder)
        project = Project.find(folder)
        _seed(project.state / "mlflow.db")
        measures = [_beside(limit, project) for limit in (50, RUNS)]
        os.chdir("/")
    return measures


def _beside(limit: int, project: Any) -> dict[str, object]:
    import mlflow

    from jupyter_mlops import runs

    mlflow.set_tracking_uri(project.tracking_uri)

    def ours() -> list[str]:
        return [run.run_id for run in runs.list(sort="metric0", limit=limit, project=project)]

    def peer() -> list[str]:
        frame = mlflow.search_runs(
            search_all_experiments=True, order_by=["metrics.metric0 DESC"], max_results=limit
        )
        return list(frame["run_id"])

    if ours() != peer():
        raise SystemExit("the two lists differ")
    return {
        "title": f"list {limit} of {RUNS} runs by a metric",
        "unit": "s",
        "ours": _median(ours),
        "peer": _median(peer),
        "peer_name": "mlflow.search_runs (after ANALYZE)",
        "repeats": REPEATS,
    }


def _median(call: Callable[[], object]) -> float:
    took = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def _seed(path: Path) -> None:
    """Insert the runs as MLflow would have; through its client that takes half an hour."""
    ids = [uuid.UUID(int=i * 2654435761 % 2**127).hex for i in range(RUNS)]
    start = 1_700_000_000_000
    with sqlite3.connect(path) as database:
        database.executemany(
            "INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, end_time,"
            " lifecycle_stage, artifact_uri, experiment_id)"
            " VALUES (?, ?, 'JOB', '', 'FINISHED', ?, ?, 'active', '', 0)",
            [
                (run, f"run-{i}", start + i * 1000, start + i * 1000 + 500)
                for i, run in enumerate(ids)
            ],
        )
        database.executemany(
            "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid)"
            " VALUES (?, ?, ?, 0, 0, ?)",
            [
                (f"metric{m}", (i * 7919 % 100_003) / 100_003 + m, start, run)
                for i, run in enumerate(ids)
                for m in range(METRICS)
            ],
        )
        database.executemany(
            "INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)",
            [
                (f"param{p}", str(i % (p + 2)), run)
                for i, run in enumerate(ids)
                for p in range(PARAMS)
            ],
        )
        database.executemany(
            "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)",
            [
                (key, value, run)
                for i, run in enumerate(ids)
                for key, value in (("mlflow.runName", f"run-{i}"), ("mlops.kind", "job"))
            ],
        )
    database.close()


if __name__ == "__main__":
    print(json.dumps(measure()))
