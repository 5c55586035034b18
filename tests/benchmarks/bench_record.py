"""The overhead of a recorded scikit-learn fit (model, figure, 5 parameters, 5 metrics) against
stock `mlflow.autolog()`, both on a fresh sqlite store, in one process, steady state.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import tempfile
import time
import warnings
from pathlib import Path

REPEATS = 5
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


def measure() -> list[dict[str, object]]:
    """Return the overheads, in seconds over the bare cell (medians of five)."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    os.environ["MPLBACKEND"] = "agg"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        bare, small_bare = _bare(CELL), _bare(SMALL)
        ours, small_ours = _ours(CELL), _ours(SMALL)
        peer = _autolog(CELL)
        small_peer = _by_hand(SMALL)
        os.chdir("/")
    return [
        {
            "title": "overhead of recording a fit with model and figure",
            "unit": "s", "ours": ours - bare, "peer": peer - bare, "peer_name": "mlflow.autolog()",
            "bare": bare, "repeats": REPEATS,
        },
        {
            "title": "overhead of recording a cell without a model",
            "unit": "s", "ours": small_ours - small_bare, "peer": small_peer - small_bare, "peer_name": "params and metrics by hand",
            "repeats": REPEATS,
        },
    ]  # fmt: skip


def _names() -> dict[str, object]:
    names: dict[str, object] = {}
    exec(IMPORTS, names)
    if not Path("train.parquet").exists():
        from sklearn.datasets import load_breast_cancer

        load_breast_cancer(as_frame=True).frame.to_parquet("train.parquet")
    return names


def _median(run: object) -> float:
    run()  # the first pays for imports
    took = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        run()
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def _bare(cell: str) -> float:
    names = _names()

    def run() -> None:
        exec(cell, names)
        names["plt"].close("all")

    return _median(run)


def _ours(cell: str) -> float:
    from jupyter_mlops import runs, workspace

    workspace.init(".")
    names = _names()

    def run() -> None:
        with runs.record_cell("bench", cell, names):
            exec(cell, names)
        names["plt"].close("all")

    return _median(run)


def _autolog(cell: str) -> float:
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


def _by_hand(cell: str) -> float:
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
