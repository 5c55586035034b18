"""What `data diff` says of two tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jupyter_mlops.data import comparison, samples
from jupyter_mlops.data.records import ColumnDiff
from jupyter_mlops.errors import UsageError


def _rows(old: pd.DataFrame, new: pd.DataFrame, *key: str) -> tuple[int, int, int | None]:
    found = comparison.rows(old, new, key)
    return found.added, found.removed, found.changed


def _column(old: object, new: object) -> ColumnDiff:
    (found,) = comparison.columns(pd.DataFrame({"x": old}), pd.DataFrame({"x": new}))
    return found


def test_rows_are_matched_whole_and_counted_as_often_as_they_occur() -> None:
    old = pd.DataFrame({"a": [1, 1, 2, 3], "b": list("xxyz")})
    new = pd.DataFrame({"a": [3, 1, 4], "b": list("zxw")})
    assert _rows(old, new) == (1, 2, None)
    assert _rows(old, old.sample(frac=1, random_state=0)) == (0, 0, None)


def test_a_key_tells_changed_rows_from_new_ones() -> None:
    old = pd.DataFrame({"id": [1, 2, 3], "v": [1.0, None, 3.0], "w": list("abc")})
    new = pd.DataFrame({"id": [2, 3, 4], "v": [None, 9.0, 4.0], "w": list("bcd")})
    found = comparison.rows(old, new, ["id"])
    assert (found.added, found.removed, found.changed) == (1, 1, 1)
    assert found.changed_in == {"v": 1}


def test_several_columns_may_be_the_key() -> None:
    old = pd.DataFrame({"site": ["a", "a", "b"], "day": [1, 2, 1], "v": [1, 2, 3]})
    new = old.assign(v=[1, 2, 4])
    assert _rows(old, new, "site", "day") == (0, 0, 1)
    with pytest.raises(UsageError, match="The key site is not unique: 1 rows repeat it"):
        _rows(old, new, "site")
    with pytest.raises(UsageError, match="Did you mean 'site'"):
        _rows(old, new, "sit")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([1, 2], [1.0, 2.0]),
        ([0.0, np.nan], [-0.0, np.nan]),
        ([True, False], [1, 0]),
        (["a", None], pd.Categorical(["a", None])),
        (["2024-01-01", "2024-01-02"], pd.to_datetime(["2024-01-01", "2024-01-02"])),
        (pd.array([1, None], dtype="Int64"), [1.0, np.nan]),
        ([[1, 2], {"a": 1}], [[1, 2], {"a": 1}]),
    ],
)
def test_the_same_values_in_another_type_are_the_same_rows(old: object, new: object) -> None:
    assert _rows(pd.DataFrame({"x": old}), pd.DataFrame({"x": new})) == (0, 0, None)


def test_columns_added_removed_and_of_another_type_are_named() -> None:
    old = pd.DataFrame({"gone": [1], "kept": [1], "typed": [1]})
    new = pd.DataFrame({"kept": [1], "typed": ["1"], "fresh": [None]})
    found = {item.column: item.change for item in comparison.columns(old, new)}
    assert found == {"kept": "same", "typed": "type", "fresh": "added", "gone": "removed"}


def test_missing_values_are_counted() -> None:
    found = _column([1.0, 2.0, 3.0, 4.0], [1.0, None, None, 4.0])
    assert (found.change, found.missing_before, found.missing_after) == ("missing", 0, 2)


def test_a_moved_distribution_is_told_and_an_unmoved_one_is_not() -> None:
    rng = np.random.default_rng(0)
    old = rng.normal(size=5000)
    assert not _column(old, rng.normal(size=4000)).moved
    moved = _column(old, rng.normal(0.5, 1, size=4000))
    assert moved.moved
    # Φ(0.25) − Φ(−0.25): the largest difference of two normal distributions half a σ apart.
    assert moved.score == pytest.approx(0.1974, abs=0.02)


def test_the_distance_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    for sizes in ((10, 13), (500, 400)):
        old, new = (np.round(rng.normal(size=size), 1) for size in sizes)
        assert _column(old, new).score == pytest.approx(stats.ks_2samp(old, new).statistic)


def test_categories_are_compared_by_total_variation() -> None:
    found = _column(["a"] * 500 + ["b"] * 500, ["a"] * 800 + ["b"] * 200)
    assert found.moved
    assert found.score == pytest.approx(0.3)
    assert found.histogram is not None
    assert found.histogram.labels == ["a", "b"]


def test_few_rows_never_move() -> None:
    assert not _column([1, 2, 3], [7, 8, 9]).moved
    assert not _column(["a", "b"], ["c", "d"]).moved


@pytest.mark.parametrize(
    "values",
    [
        [None, None],
        [np.inf, -np.inf],
        [b"x", 3],
        [[1], [2]],
        pd.to_datetime(["2024-01-01", "NaT"]),
        pd.to_timedelta(["1D", "2D"]),
        [1e308, -1e308],
        [1 + 2j, 2j],
    ],
)
def test_odd_columns_are_compared_too(values: object) -> None:
    assert _column(values, values).change == "same"


def test_no_rows_at_all() -> None:
    empty = pd.DataFrame({"x": pd.Series(dtype=float)})
    assert _rows(empty, pd.DataFrame({"x": [1.0]})) == (1, 0, None)
    assert _rows(pd.DataFrame(), pd.DataFrame()) == (0, 0, None)
    assert _column(pd.Series(dtype=float), [1.0]).score is None


def test_a_sample_holds_the_same_rows_of_both(tmp_path: object) -> None:
    rng = np.random.default_rng(0)
    old = pd.DataFrame({"id": np.arange(30_000), "v": rng.normal(size=30_000)})
    new = pd.concat([old.iloc[3000:], old.iloc[:1000].assign(id=lambda t: t.id + 50_000)])
    for suffix, write in ((".csv", "to_csv"), (".parquet", "to_parquet")):
        tables = []
        for name, table in (("old", old), ("new", new)):
            path = tmp_path / f"{name}{suffix}"  # type: ignore[operator]
            getattr(table, write)(path, index=False)
            tables.append(samples.read(path, suffix, 10, [])[0])
        found = comparison.rows(tables[0], tables[1], [])
        assert found.removed * 10 == pytest.approx(3000, rel=0.2)
        assert found.added * 10 == pytest.approx(1000, rel=0.3)
