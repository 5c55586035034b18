"""A score is exact, and a column that cannot be scored says why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wasserstein_distance

from jupyter_mlops import drift
from jupyter_mlops.drift import statistics
from jupyter_mlops.drift.sorted_sample import SortedSample


@pytest.mark.parametrize("seed", range(40))
def test_the_wasserstein_distance_is_exact_for_any_two_sizes(seed):
    rng = np.random.default_rng(seed)
    scale, offset = 10.0 ** rng.integers(-6, 7), rng.normal() * 10.0 ** rng.integers(0, 7)
    draw = [rng.normal, rng.standard_cauchy, lambda size: rng.integers(0, 4, size).astype(float)][
        seed % 3
    ]
    old = offset + scale * draw(size=int(rng.integers(1, 400)))
    new = offset + scale * draw(size=int(rng.integers(1, 400))) * rng.uniform(0.5, 2)
    ours = SortedSample(old).wasserstein(SortedSample(new))
    error = abs(ours - wasserstein_distance(old, new))
    assert error <= 1e-11 * max(np.std(old), np.abs(old).max(), np.abs(new).max(), 1e-3)


def test_a_category_that_the_reference_never_had_drifts():
    score = statistics.of_categories(
        statistics.Categories.counted({"a": 50, "b": 50, "c": 10}, {"a": 50, "d": 1})
    )
    assert (score.method, score.score, score.drift) == ("chi-square p_value", 0.0, True)


def compared(old, new) -> drift.ColumnDrift:
    return drift.compare(pd.DataFrame({"x": old}), pd.DataFrame({"x": new})).columns[0]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ([1.0, 2.0], [np.nan, np.nan], "no values in the current data"),
        ([np.nan, np.inf], [1.0, 2.0], "no values in the reference"),
        ([1.0, 2.0], [None, None], "no values in the current data"),
        (["a", "b"], [1.5, 2.5], "numbers in the current data, object in the reference"),
        ([1, 2], np.array([1, 2], dtype=np.uint8), "Evidently does not compare uint8 columns"),
        ([1, 2], pd.array([1, 2], dtype="Int64"), "Evidently does not compare Int64 columns"),
        ([1, 2], pd.to_datetime(["2026-01-01", "2026-01-02"]), "dates are not compared"),
        ([1, 2], [[1], [2]], "lists are not compared"),
        (["a", "b"], ["a", {}], "Evidently does not compare object columns"),
        (["a", "b", "b"], ["a", ["b"], "a"], "Evidently's test failed: unhashable type: 'list'"),
    ],
)
def test_a_column_that_cannot_be_compared_says_why_and_never_no_drift(old, new, reason):
    column = compared(old, new)
    assert (column.status, column.drift, column.score) == ("not evaluated", None, None)
    assert column.reason == reason


def test_a_column_on_one_side_only_is_named_with_the_side():
    report = drift.compare(pd.DataFrame({"a": [1.0]}), pd.DataFrame({"b": [1.0]}))
    assert {column.column: column.reason for column in report.columns} == {
        "b": "not in the reference",
        "a": "not in the current data",
    }
    assert (report.verdict, report.share, report.evaluated) == ("not evaluated", None, 0)


def test_two_columns_of_one_name_are_not_guessed_between():
    twice = pd.DataFrame([[1.0, 2.0]], columns=["a", "a"])
    report = drift.compare(twice, pd.DataFrame({"a": [1.0]}))
    assert report.columns[0].reason == "2 columns of this name in the reference"


def test_the_whole_drifts_from_the_share_on_and_columns_without_a_score_do_not_count():
    rng = np.random.default_rng(0)
    old = pd.DataFrame(rng.normal(size=(500, 4)), columns=list("abcd"))
    new = old.assign(a=old["a"] + 3, d=np.nan)
    assert drift.compare(old, new, share=0.3).verdict == "drift"
    report = drift.compare(old, new, share=0.34)
    assert (report.verdict, report.drifted, report.evaluated) == ("no drift", 1, 3)
    assert report.share == pytest.approx(1 / 3)
    assert report.warnings == [
        "too few rows to say (500; 1,000 wanted): a column can drift by chance",
        "1 of 4 columns not evaluated: the reason is in each row",
    ]


def test_a_shift_on_a_tiny_scale_is_warned_of_since_evidentlys_score_hides_it():
    values = np.random.default_rng(0).normal(0, 1e-6, 2000)
    report = drift.compare(pd.DataFrame({"x": values}), pd.DataFrame({"x": values + 3e-6}))
    assert report.columns[0].status == "no drift"
    assert report.warnings == [f"x: {report.columns[0].reason}"]
    assert "does not show shifts" in report.columns[0].reason


def test_importing_the_noun_loads_no_backend():
    import subprocess
    import sys

    code = (
        "import sys; from jupyter_mlops import drift; drift.check; "
        "print([m for m in ('pandas', 'scipy', 'evidently', 'mlflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_statistic_is_a_row_of_one_table(monkeypatch):
    shift = statistics.Statistic(
        "mean shift", "≤", -1.0, lambda _: True, lambda columns: -abs(np.mean(columns.current))
    )
    monkeypatch.setattr(statistics, "OF_NUMBERS", (shift, *statistics.OF_NUMBERS))
    monkeypatch.setitem(statistics._RULES, shift.name, shift.drift_if)
    frames = [pd.DataFrame({"x": np.linspace(0, 1, 50) + by}) for by in (0, 9)]
    report = drift.compare(*frames)
    assert (report.columns[0].method, report.columns[0].status) == ("mean shift", "drift")
    assert "mean shift" in str(report)
    assert "≤ -1" in str(report)
