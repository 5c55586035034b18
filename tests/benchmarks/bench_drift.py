"""Scores of 20 columns × 10,000 rows: ours against Evidently's own report, in one process.

Run by `make bench`, or by itself: python tests/benchmarks/bench_drift.py
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

ROWS, COLUMNS, REPEATS = 10_000, 20, 3


def measure() -> dict[str, Any]:
    """Return CPU seconds of both (best of three), their ratio, and how far scores differ."""
    os.environ["DO_NOT_TRACK"] = "1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import Report
        from evidently.presets import DataDriftPreset

        from jupyter_mlops import drift

        reference, current = _tables()

        def report() -> dict[str, float]:
            result = Report([DataDriftPreset()]).run(current, reference).dict()
            metrics = [item for item in result["metrics"] if "column" in item["config"]]
            return {item["config"]["column"]: float(item["value"]) for item in metrics}

        def ours() -> dict[str, float]:
            columns = drift.compare(reference, current).columns
            return {column.column: column.score or 0.0 for column in columns}

        theirs_seconds, theirs = _cpu(report)
        ours_seconds, scores = _cpu(ours)
    return {
        "title": f"drift of {COLUMNS} columns × {ROWS:,} rows, histograms included",
        "peer_name": "Evidently's Report([DataDriftPreset()])",
        "unit": "CPU s",
        "rows": ROWS,
        "columns": COLUMNS,
        "ours": round(ours_seconds, 4),
        "peer": round(theirs_seconds, 4),
        "largest_difference": max(abs(scores[name] - theirs[name]) for name in theirs),
    }


def _tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    names = [f"x{i}" for i in range(COLUMNS)]
    reference = rng.normal(size=(ROWS, COLUMNS))
    # One row fewer: the general form of the distance is measured, not that for equal sizes.
    current = rng.normal(np.linspace(0, 0.3, COLUMNS), 1.0, size=(ROWS - 1, COLUMNS))
    return pd.DataFrame(reference, columns=names), pd.DataFrame(current, columns=names)


def _cpu(work: Callable[[], dict[str, float]]) -> tuple[float, dict[str, float]]:
    result = work()  # the first call imports what is loaded lazily
    best = float("inf")
    for _ in range(REPEATS):
        started = time.process_time()
        result = work()
        best = min(best, time.process_time() - started)
    return best, result


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure()) + "\n")
