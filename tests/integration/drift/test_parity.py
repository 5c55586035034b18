"""Our scores, methods, thresholds and verdicts are those of Evidently's own report, to 1e-9."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

from jupyter_mlops import drift

pytestmark = pytest.mark.filterwarnings("ignore")  # Evidently and its report warn in many ways


def evidently_says(reference: pd.DataFrame, current: pd.DataFrame):
    """Return {column: (method, score, threshold, drift)} and the verdict of DataDriftPreset."""
    os.environ["DO_NOT_TRACK"] = "1"
    from evidently import Report
    from evidently.presets import DataDriftPreset

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = Report([DataDriftPreset()], include_tests=True).run(current, reference).dict()
    drifted = {
        test["metric_config"]["params"]["column"]: test["status"].value == "FAIL"
        for test in result["tests"]
        if "column" in test["metric_config"]["params"]
    }
    count, *values = result["metrics"]
    columns = {
        value["config"]["column"]: (
            value["config"]["method"],
            float(value["value"]),
            value["config"]["threshold"],
            drifted[value["config"]["column"]],
        )
        for value in values
    }
    return columns, count["value"]


def assert_same(reference: pd.DataFrame, current: pd.DataFrame) -> drift.DriftReport:
    expected, count = evidently_says(reference, current)
    report = drift.compare(reference, current)
    ours = {
        column.column: (column.method, column.score, column.threshold, column.drift)
        for column in report.columns
        if column.drift is not None
    }
    assert ours.keys() == expected.keys()
    for name, (method, score, threshold, drifted) in expected.items():
        assert ours[name][0] == method, name
        assert ours[name][1] == pytest.approx(score, abs=1e-9, rel=1e-9), name
        assert ours[name][2] == threshold, name
        assert ours[name][3] is drifted, name
    # Evidently's count forgets to remove infinities, so it can disagree with its own columns.
    if not any(
        np.isinf(side.select_dtypes("float")).any(axis=None) for side in (reference, current)
    ):
        assert report.drifted == count["count"]
        assert report.share == pytest.approx(count["share"])
    return report


def mixed(rows: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    """Return a table with a column of every kind that a user's table has."""
    rng = np.random.default_rng(seed)
    measure = rng.normal(50 + 10 * shift, 10, rows)
    holes = rng.normal(shift, 1, rows)
    holes[rng.random(rows) < 0.1] = np.nan
    infinite = rng.exponential(1 + shift, rows)
    infinite[:5] = np.inf
    infinite[5:9] = -np.inf
    towns = ["Lyon", "Bonn", "Graz", "Cork", "Oslo", "Faro"]
    weights = np.array([5, 4, 3, 2, 1, 6 * shift])
    return pd.DataFrame(
        {
            "measure": measure,
            "holes": holes,
            "infinite": infinite,
            "offset": 1e9 + rng.normal(shift, 1, rows),
            "tiny": rng.normal(3e-6 * shift, 1e-6, rows),
            "heavy tail": rng.standard_cauchy(rows),
            "single": rng.normal(shift, 1, rows).astype(np.float32),
            "count": rng.poisson(30 + 5 * shift, rows),
            "grade": rng.integers(1, 6, rows),
            "two grades": rng.integers(0, 2, rows) * 7,
            "steps": rng.integers(0, 4, rows) / 4,
            "yes": rng.random(rows) < 0.4 + 0.2 * shift,
            "town": rng.choice(towns, rows, p=weights / weights.sum()),
            "town typed": pd.Categorical(rng.choice(towns, rows), categories=[*towns, "Rome"]),
            "town missing": pd.Series(rng.choice(np.array([*towns, None]), rows), dtype="string"),
            "constant": np.ones(rows),
            "same": ["x"] * rows,
        }
    )


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine, load_iris])
def test_small_references_score_as_in_evidently(load):
    frame = load(as_frame=True).frame
    assert_same(frame.iloc[::2], frame.iloc[1::2])


def test_a_sorted_table_drifts_as_in_evidently():
    frame = load_wine(as_frame=True).frame
    report = assert_same(frame.iloc[:90], frame.iloc[90:])
    assert report.verdict == "drift"


@pytest.mark.parametrize(
    ("reference_rows", "current_rows", "shift"),
    [(800, 1300, 0.0), (1000, 700, 0.5), (1001, 700, 0.5), (2500, 2500, 0.02), (2600, 611, 0.3)],
)
def test_every_kind_of_column_scores_as_in_evidently(reference_rows, current_rows, shift):
    report = assert_same(mixed(reference_rows, 1), mixed(current_rows, 2, shift))
    assert report.evaluated == len(report.columns) == 17


def test_large_references_of_real_measurements_score_as_in_evidently():
    frame = load_breast_cancer(as_frame=True).frame.drop(columns="target")
    rng = np.random.default_rng(3)
    reference = frame.sample(1400, replace=True, random_state=4)
    current = frame.sample(900, replace=True, random_state=5) * rng.normal(1.02, 0.05, (900, 1))
    assert_same(reference, current)


@pytest.mark.parametrize("rows", [120, 1100])
def test_texts_score_as_in_evidently(rows):
    rng = np.random.default_rng(6)

    def sentences(words: list[str]) -> pd.DataFrame:
        return pd.DataFrame(
            {"note": [f"{' '.join(rng.choice(words, 6))} {n}" for n in range(rows)]}
        )

    usual = [
        "patient",
        "reports",
        "mild",
        "pain",
        "after",
        "exercise",
        "no",
        "fever",
        "rest",
        "advised",
        "scan",
        "clear",
    ]
    report = assert_same(sentences(usual), sentences([*usual, "cough", "winter", "smoke"]))
    assert report.columns[0].method.endswith("text content drift")


def test_columns_that_evidently_skips_are_not_evaluated_and_say_why():
    rows = 60
    frame = pd.DataFrame(
        {
            "kept": np.arange(rows, dtype=float),
            "small": np.arange(rows, dtype=np.uint8),
            "nullable": pd.array(range(rows), dtype="Int64"),
            "day": pd.date_range("2026-01-01", periods=rows),
            "span": pd.to_timedelta(range(rows), unit="h"),
            "lists": [[1, 2]] * rows,
            "objects": [object()] * rows,
        }
    )
    expected, _ = evidently_says(frame, frame)
    report = drift.compare(frame, frame)
    assert list(expected) == ["kept"]
    assert {c.column: bool(c.reason) for c in report.columns} == {
        name: name != "kept" for name in frame
    }
    assert [c.status for c in report.columns[1:]] == ["not evaluated"] * 6
