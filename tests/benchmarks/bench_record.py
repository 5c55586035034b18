"""The overhead of a recorded scikit-learn fit (model, figure, 5 parameters, 5 metrics) against
stock `mlflow.autolog()`, both on a fresh sqlite store, in one process, steady state.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import statistics
import subprocess
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

REPEATS = 7
CELL = """\
trees, depth, leaf, seed, share = 100, 6, 2, 0, 0.25
train = pd.read_parquet("train.parquet")
X_train, X_test, y_train, y_test = train_test_split(
    train.drop(columns="target"), train["target"], test_size=share, random_state=seed
)
forest = RandomForestClassifier(
    n_estimators=trees, max_depth=depth, min_samples_leaf=leaf, random_state=seed
).fit(X_train, y_train)
predicted = forest.predict(X_test)
accuracy = accuracy_score(y_test, predicted)
precision = precision_score(y_test, predicted)
recall = recall_score(y_test, predicted)
f1 = f1_score(y_test, predicted)
auc = roc_auc_score(y_test, forest.predict_proba(X_test)[:, 1])
figure, axes = plt.subplots()
axes.bar(range(len(forest.feature_importances_)), forest.feature_importances_)
"""
SMALL = "depth = 3\nscore = sum([0.25, 0.5])\n"
IMPORTS = """\
import matplotlib.pyplot as plt
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score
from sklearn.model_selection import train_test_split
"""


@dataclass
class Took:
    """Medians of one way of running a cell: seconds by the clock, and of CPU with child processes."""

    wall: float
    cpu: float

    def __sub__(self, other: Took) -> Took:
        return Took(self.wall - other.wall, self.cpu - other.cpu)


def measure() -> list[dict[str, Any]]:
    """Return the overheads, in seconds over the bare cell (medians)."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    os.environ["MPLBACKEND"] = "agg"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        bare, small_bare = _bare(CELL), _bare(SMALL)
        ours, small_ours = _ours(CELL), _ours(SMALL)
        in_notebook, small_in_notebook = _ours(CELL, capsule=True), _ours(SMALL, capsule=True)
        peer = _autolog(CELL)
        small_peer = _by_hand(SMALL)
        os.chdir("/")
    by_hand = "params and metrics by hand"
    return [
        _row("overhead of recording a fit with model and figure", ours - bare, peer - bare,
             "mlflow.autolog()", bare=bare.wall),
        _row("the same in a notebook, with its capsule", in_notebook - bare, peer - bare,
             "mlflow.autolog()", bare=bare.wall),
        _row("overhead of recording a cell without a model", small_ours - small_bare,
             small_peer - small_bare, by_hand),
        _row("the same in a notebook, with its capsule", small_in_notebook - small_bare,
             small_peer - small_bare, by_hand),
        _row("what the capsule adds", small_in_notebook - small_ours, small_ours - small_bare,
             "all the rest of the recording"),
    ]  # fmt: skip


def _row(title: str, ours: Took, peer: Took, peer_name: str, **more: object) -> dict[str, Any]:
    return {
        "title": title, "unit": "s", "ours": ours.wall, "peer": peer.wall, "peer_name": peer_name,
        "ours_cpu": ours.cpu, "peer_cpu": peer.cpu, "repeats": REPEATS, **more,
    }  # fmt: skip


def _names() -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(IMPORTS, names)
    if not Path("train.parquet").exists():
        from sklearn.datasets import load_breast_cancer

        load_breast_cancer(as_frame=True).frame.to_parquet("train.parquet")
    return names


def _median(run: Callable[[], object]) -> Took:
    run()  # the first pays for imports
    took = []
    for _ in range(REPEATS):
        started, cpu = time.perf_counter(), _cpu()
        run()
        took.append((time.perf_counter() - started, _cpu() - cpu))
    wall, cpu_seconds = zip(*took, strict=True)
    return Took(statistics.median(wall), statistics.median(cpu_seconds))


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _bare(cell: str) -> Took:
    names = _names()

    def run() -> None:
        exec(cell, names)
        names["plt"].close("all")

    return _median(run)


def _ours(cell: str, *, capsule: bool = False) -> Took:
    """Record the cell; with `capsule`, as the last of a notebook's cells in a git repository."""
    from jupyter_mlops import runs, workspace
    from jupyter_mlops.runs.capsules import history

    workspace.init(".")
    names = _names()
    executed = history.History()
    if capsule:
        who = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
        subprocess.run(["git", *who, "add", "-A"], check=True)
        subprocess.run(["git", *who, "commit", "-q", "--allow-empty", "-m", "bench"], check=True)
        history.attach(names, executed)
        executed.begin(IMPORTS)
        executed.end()

    def run() -> None:
        executed.begin(cell)
        with runs.record_cell("bench", cell, names) as done:
            exec(cell, names)
        executed.end()
        if done.notes:
            raise RuntimeError("; ".join(done.notes))
        names["plt"].close("all")

    return _median(run)


def _autolog(cell: str) -> Took:
    import mlflow

    mlflow.set_tracking_uri("sqlite:///peer.db")
    mlflow.set_experiment("peer")
    mlflow.autolog(silent=True)
    names = _names()
    names["mlflow"] = mlflow
    # What ours keeps besides what autolog finds by itself: the named metrics and the figure.
    logged = cell + (
        "mlflow.log_metrics({'accuracy': accuracy, 'precision': precision, 'recall': recall, 'f1': f1, 'auc': auc})\n"
        "mlflow.log_figure(figure, 'figure.png')\n"
    )

    def run() -> None:
        with mlflow.start_run():
            exec(logged, names)
        names["plt"].close("all")

    return _median(run)


def _by_hand(cell: str) -> Took:
    """One parameter and one metric, named by hand, and nothing else kept."""
    import mlflow

    mlflow.autolog(disable=True)
    names = _names()

    def run() -> None:
        with mlflow.start_run():
            exec(cell, names)
            mlflow.log_params({"depth": names["depth"]})
            mlflow.log_metrics({"score": names["score"]})

    return _median(run)


if __name__ == "__main__":
    print(json.dumps(measure()))
