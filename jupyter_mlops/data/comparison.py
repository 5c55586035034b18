"""Compare two tables: rows, columns, types, missing values and distributions, with numpy alone.

Numbers and times: the Kolmogorov–Smirnov distance, which is the largest difference between the two cumulative
shares. Categories: the total variation distance, which is half the sum of the differences of their shares. Both
are 0 for equal and 1 for disjoint distributions. A distribution moved if its distance is at least 0.1 and larger
than chance explains for that number of rows (KS: 1.95·√(1/n + 1/m), its 0.1 % point; total variation: twice its
mean if nothing changed).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jupyter_mlops import tables
from jupyter_mlops.data.records import ColumnDiff, DistributionPair
from jupyter_mlops.data.samples import hashable, row_hashes
from jupyter_mlops.errors import UsageError, nearest
from jupyter_mlops.text import counted, cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEAST = 0.1
_BINS, _TOP = 18, 8
_TEXT_SHARE, _TEXT_VALUES = 0.5, 50


@dataclass
class RowCounts:
    """Numbers of rows that differ between two tables; `changed` is None without a key."""

    added: int
    removed: int
    changed: int | None
    changed_in: dict[str, int]


def columns(old: pd.DataFrame, new: pd.DataFrame) -> list[ColumnDiff]:
    """Compare column by column, in the order of the new table; removed columns come last."""
    with np.errstate(over="ignore", invalid="ignore"):  # values near the largest float overflow
        return _columns(old, new)


def _columns(old: pd.DataFrame, new: pd.DataFrame) -> list[ColumnDiff]:
    found = []
    for name in dict.fromkeys([*new.columns, *old.columns]):
        if name not in old.columns:
            found.append(ColumnDiff(
                column=str(name), change="added", type_after=_type(new[name]),
                missing_after=int(new[name].isna().sum()), after=_summary(new[name]),
            ))  # fmt: skip
        elif name not in new.columns:
            found.append(ColumnDiff(
                column=str(name), change="removed", type_before=_type(old[name]),
                missing_before=int(old[name].isna().sum()), before=_summary(old[name]),
            ))  # fmt: skip
        else:
            found.append(_column(str(name), old[name], new[name]))
    return found


def rows(old: pd.DataFrame, new: pd.DataFrame, key: Sequence[str]) -> RowCounts:
    """Match rows by `key`; without one, as multisets of rows over the columns that both tables have.

    Raises:
        UsageError: a key column is missing, or its values repeat.
    """
    common = [name for name in new.columns if name in old.columns]
    old, new = alike(old[common], new[common])
    if not key:
        return _as_multisets(row_hashes(old), row_hashes(new))
    for name in key:
        if name not in common:
            hint = nearest(name, map(str, common)) or f"Columns: {', '.join(map(str, common[:8]))}"
            raise UsageError(f"The key column '{name}' is not in both tables", hint)
    for which, table in (("before", old), ("after", new)):
        repeated = int(table.duplicated([*key]).sum())
        if repeated:
            raise UsageError(
                f"The key {', '.join(key)} is not unique: {repeated:,} rows repeat it in the table {which}",
                "Choose another --key (several columns: a,b), or none to match whole rows",
            )
    old, new = old.set_index([*key]), new.set_index([*key])
    both = new.index.intersection(old.index)
    differs = {}
    for name in old.columns:
        a, b = hashable(old.loc[both, name]), hashable(new.loc[both, name])
        differs[name] = ((a != b) & ~(a.isna() & b.isna())).to_numpy(dtype=bool)
    changed = np.zeros(len(both), dtype=bool)
    for column in differs.values():
        changed |= column
    counts = {str(name): int(column.sum()) for name, column in differs.items() if column.any()}
    return RowCounts(len(new) - len(both), len(old) - len(both), int(changed.sum()), counts)


def alike(old: pd.DataFrame, new: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both tables with a common type for each column, so that 1 and 1.0 are equal."""
    old, new = old.copy(deep=False), new.copy(deep=False)
    for name in old.columns:
        a, b = old[name], new[name]
        if isinstance(a.dtype, pd.CategoricalDtype):
            a = a.astype(a.cat.categories.dtype)
        if isinstance(b.dtype, pd.CategoricalDtype):
            b = b.astype(b.cat.categories.dtype)
        if a.dtype != b.dtype:
            if _countable(a) and _countable(b):
                a, b = (side.astype("float64") for side in (a, b))
            elif _time(a) != _time(b) and (times := _as_times(a, b)) is not None:
                a, b = times
            else:
                a, b = _as_text(a), _as_text(b)
        old[name], new[name] = a, b
    return old, new


def _as_times(a: Any, b: Any) -> tuple[Any, Any] | None:
    """Parse the text column as times (csv stores times as text); None if a value is not a time."""
    text = b if _time(a) else a
    try:
        read = pd.to_datetime(text, errors="raise", format="ISO8601")
    except (ValueError, TypeError):
        return None
    return (a, read) if _time(a) else (read, b)


def _as_text(column: Any) -> Any:
    return column.astype(str).astype(object).where(column.notna(), None)


def _as_multisets(old: NDArray[np.uint64], new: NDArray[np.uint64]) -> RowCounts:
    old_values, old_counts = np.unique(old, return_counts=True)
    new_values, new_counts = np.unique(new, return_counts=True)
    _, at_old, at_new = np.intersect1d(
        old_values, new_values, assume_unique=True, return_indices=True
    )
    same = int(np.minimum(old_counts[at_old], new_counts[at_new]).sum())
    return RowCounts(len(new) - same, len(old) - same, None, {})


def _column(name: str, old: pd.Series[Any], new: pd.Series[Any]) -> ColumnDiff:
    score, threshold, method, pair = _distance(old.dropna(), new.dropna())
    types = (_type(old), _type(new))
    missing = (int(old.isna().sum()), int(new.isna().sum()))
    moved = score is not None and threshold is not None and score >= threshold
    change: Any = "type" if types[0] != types[1] else "same"
    if change == "same" and moved:
        change = "moved"
    elif change == "same" and _share(missing[0], old) != _share(missing[1], new):
        change = "missing"
    return ColumnDiff(
        column=name, change=change, moved=moved, type_before=types[0], type_after=types[1],
        missing_before=missing[0], missing_after=missing[1], before=_summary(old),
        after=_summary(new), score=score, threshold=threshold, method=method, histogram=pair,
    )  # fmt: skip


def _share(missing: int, column: pd.Series[Any]) -> float:
    return round(missing / len(column), 3) if len(column) else 0.0


def _distance(
    old: pd.Series[Any], new: pd.Series[Any]
) -> tuple[float | None, float | None, str, DistributionPair | None]:
    if not len(old) or not len(new):
        return None, None, "one side has no values", None
    if _time(old) != _time(new) and (times := _as_times(old, new)) is not None:
        old, new = times
    numbers = _countable(old) and _countable(new) and (_numeric(old) or _numeric(new))
    if numbers or (_time(old) and _time(new)):
        a, b = _floats(old), _floats(new)
        if not len(a) or not len(b):
            return None, None, "one side has no finite values", None
        chance = 1.95 * float(np.sqrt(1 / len(a) + 1 / len(b)))
        pair = _binned(a, b, time=_time(new))
        return _ks(a, b), max(LEAST, chance), "KS distance", pair
    a_counts, b_counts = _counts(old), _counts(new)
    kinds = len(a_counts.index.union(b_counts.index))
    if kinds > _TEXT_VALUES and kinds > _TEXT_SHARE * max(len(old), len(new)):
        return None, None, "text: nearly every value differs", None
    both = pd.DataFrame({"old": a_counts, "new": b_counts}).fillna(0.0)
    shares = both / both.sum()
    distance = float((shares["old"] - shares["new"]).abs().sum() / 2)
    pooled = (both["old"] + both["new"]) / both.to_numpy().sum()
    noise = 1 / len(old) + 1 / len(new)
    expected = float(np.sqrt(2 * pooled * (1 - pooled) * noise / np.pi).sum() / 2)
    return distance, max(LEAST, 2 * expected), "total variation", _tallied(shares)


def _ks(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the largest difference of the cumulative shares of two sorted samples."""
    values = np.concatenate((a, b))
    old = np.searchsorted(a, values, side="right") / len(a)
    new = np.searchsorted(b, values, side="right") / len(b)
    return float(np.abs(old - new).max())


def _binned(
    a: NDArray[np.float64], b: NDArray[np.float64], *, time: bool
) -> DistributionPair | None:
    low = min(np.quantile(a, 0.005), np.quantile(b, 0.005))
    high = max(np.quantile(a, 0.995), np.quantile(b, 0.995))
    if high <= low:
        low, high = min(a[0], b[0]), max(a[-1], b[-1])
    if not np.isfinite(high - low):
        return None
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)

    def shares(sample: NDArray[np.float64]) -> list[float]:
        counts, _ = np.histogram(np.clip(sample, edges[0], edges[-1]), bins=edges)
        return [round(float(count) / len(sample), 3) for count in counts]

    def label(edge: float) -> str:
        return str(pd.Timestamp(int(edge)))[:16] if time else f"{edge:.4g}"

    labels = [f"from {label(edge)}" for edge in edges[:-1]]
    return DistributionPair(labels=labels, before=shares(a), after=shares(b), numeric=True)


def _tallied(shares: pd.DataFrame) -> DistributionPair:
    ordered = shares.loc[shares.max(axis=1).sort_values(ascending=False, kind="stable").index]
    top, rest = ordered.iloc[:_TOP], ordered.iloc[_TOP:].sum()
    labels = [cut(str(value), 40) for value in top.index]
    before, after = top["old"].round(3).tolist(), top["new"].round(3).tolist()
    if len(ordered) > _TOP:
        labels.append("other")
        before.append(round(float(rest["old"]), 3))
        after.append(round(float(rest["new"]), 3))
    return DistributionPair(labels=labels, before=before, after=after, numeric=False)


def _summary(column: pd.Series[Any]) -> str:
    """Return a short summary of a column: `mean 3.2 (1 to 9)`, `3 values, mostly a (50 %)`."""
    values = column.dropna()
    if not len(values):
        return "no values"
    if _time(values):
        return f"{str(values.min())[:16]} to {str(values.max())[:16]}"
    if _numeric(values):
        ordered = _floats(values)
        if not len(ordered):
            return "no finite values"
        low, mean, high = (
            tables.number(float(x)) for x in (ordered[0], ordered.mean(), ordered[-1])
        )
        return f"mean {mean} ({low} to {high})"
    counts = _counts(values)
    most = cut(str(counts.index[0]), 20)
    share = counts.iloc[0] / len(values)
    different = counted(len(counts), "value")
    return f"{different}, mostly {most} ({share:.0%})" if share >= 0.01 else different


def _counts(column: pd.Series[Any]) -> pd.Series[int]:
    """Return how often each value occurs; values with the same text count as one."""
    plain = pd.api.types.infer_dtype(column, skipna=True) == "string"
    return (column if plain else column.map(str)).value_counts()


def _floats(column: pd.Series[Any]) -> NDArray[np.float64]:
    if _time(column):
        values = (
            np.asarray(column.dropna(), dtype="datetime64[ns]").astype(np.int64).astype(np.float64)
        )
    else:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    found: NDArray[np.float64] = np.sort(values[np.isfinite(values)])
    return found


def _numeric(column: pd.Series[Any]) -> bool:
    dtype = column.dtype
    return pd.api.types.is_numeric_dtype(dtype) and not (
        pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_complex_dtype(dtype)
    )


def _countable(column: pd.Series[Any]) -> bool:
    return _numeric(column) or pd.api.types.is_bool_dtype(column.dtype)


def _time(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_datetime64_any_dtype(column.dtype)


def _type(column: pd.Series[Any]) -> str:
    """Return the pandas name of a column's type; for object columns, the type of their values."""
    if column.dtype != object:
        return str(column.dtype)
    kind = pd.api.types.infer_dtype(column, skipna=True)
    return {"string": "text", "empty": "empty"}.get(kind, kind)
