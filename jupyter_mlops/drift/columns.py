"""One column compared with its reference: the type Evidently infers, the cleaned values, the score."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from jupyter_mlops.drift import evidently_engine, histograms, statistics
from jupyter_mlops.drift.records import ColumnDrift
from jupyter_mlops.drift.statistics import Categories, Numbers, Score
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.text import error_line

if TYPE_CHECKING:
    from jupyter_mlops.drift.records import Histogram

    Column = pd.Series[Any]

#: The kinds of columns in Evidently; it skips the last three without a message.
Kind = Literal["num", "cat", "text", "datetime", "list", "unknown"]

#: Evidently's limit: an integer column with up to this many values is categorical.
_CATEGORICAL_INTEGERS = 10


class NotEvaluatedError(Exception):
    """Why a column has no score; becomes its `reason`."""


def compare_column(name: str, reference: Column | None, current: Column | None) -> ColumnDrift:
    """Compare one column as Evidently does; without a score, the result has the reason, not "no drift"."""
    if reference is None or current is None:
        side = "reference" if reference is None else "current data"
        return _without_score(name, f"not in the {side}")
    try:
        # For some values, the tests divide by zero, overflow and warn.
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            score, histogram = _score(reference, current)
    except NotEvaluatedError as error:
        return _without_score(name, str(error))
    except MlopsError:
        raise
    except Exception as error:  # Evidently's tests raise any error, depending on the values
        reason = error_line(error)
        return _without_score(name, f"Evidently's test failed: {reason}")
    if not np.isfinite(score.score):
        return _without_score(name, f"{score.method} gives no number for these values", histogram)
    return ColumnDrift(
        column=name,
        method=score.method,
        score=score.score,
        threshold=score.threshold,
        drift=score.drift,
        status="drift" if score.drift else "no drift",
        reason="" if score.drift else score.note,
        histogram=histogram,
    )


def kind_of(column: Column) -> Kind:
    """Return the kind that Evidently infers from the current data (its `infer_column_type`)."""
    dtype = column.dtype.name
    if dtype.startswith("float"):
        return "num"
    if dtype.startswith("int"):
        return "cat" if column.nunique() <= _CATEGORICAL_INTEGERS else "num"
    if dtype in {"string", "str"}:
        return _words(column)
    if dtype == "object":
        present = column.dropna()
        if present.empty:
            return "unknown"
        ends = (present.iloc[0], present.iloc[-1])
        if all(isinstance(value, str) for value in ends):
            return _words(column)
        return "list" if all(isinstance(value, (list, tuple)) for value in ends) else "unknown"
    if dtype in {"bool", "category"}:
        return "cat"
    return "datetime" if dtype.startswith("datetime") else "unknown"


def _words(column: Column) -> Kind:
    return "text" if column.nunique() > column.count() * 0.5 else "cat"


def _score(reference: Column, current: Column) -> tuple[Score, Histogram | None]:
    kind = kind_of(current)
    if kind in {"datetime", "list", "unknown"}:
        raise NotEvaluatedError(_why_skipped(kind, current))
    old, new = _clean(reference), _clean(current)
    for values, side in ((old, "reference"), (new, "current data")):
        if values.empty:
            raise NotEvaluatedError(f"no values in the {side}")
    if kind == "text":
        return evidently_engine.score(old, new, "text"), None
    if kind == "cat":
        return _categories(old, new)
    if not pd.api.types.is_numeric_dtype(old):
        raise NotEvaluatedError(f"numbers in the current data, {old.dtype} in the reference")
    if not _plain_numbers(old) or not _plain_numbers(new):
        return evidently_engine.score(old, new, "num"), None
    return _numbers(old, new)


def _numbers(old: Column, new: Column) -> tuple[Score, Histogram | None]:
    columns = Numbers(old.to_numpy(), new.to_numpy(), float(np.std(old)))
    before, after = columns.sorted
    if not before.has_more_values_than(statistics.FEW_VALUES, after):
        return _categories(old, new)
    return statistics.of_numbers(columns), histograms.of_numbers(before.values, after.values)


def _categories(old: Column, new: Column) -> tuple[Score, Histogram | None]:
    before, after = _counts(old), _counts(new)
    columns = Categories.counted(before, after)
    return statistics.of_categories(columns), histograms.of_categories(before, after)


def _counts(column: Column) -> dict[Any, int]:
    counts = column.value_counts(sort=False)
    return {value: int(count) for value, count in counts.items() if count}


def _clean(column: Column) -> Column:
    """Return the column without NaN and infinities, as Evidently does before each test."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "iub":
        return column
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        finite = np.isfinite(column.to_numpy())
        return column if finite.all() else column[finite]
    return column.replace([-np.inf, np.inf], np.nan).dropna()


def _plain_numbers(column: Column) -> bool:
    dtype = column.dtype
    return isinstance(dtype, np.dtype) and dtype.kind in "iuf" and dtype.itemsize <= 8


def _why_skipped(kind: Kind, column: Column) -> str:
    if column.dtype.name == "object" and column.dropna().empty:
        return "no values in the current data"
    if kind == "datetime":
        return "dates are not compared"
    if kind == "list":
        return "lists are not compared"
    return f"Evidently does not compare {column.dtype.name} columns"


def _without_score(name: str, reason: str, histogram: Histogram | None = None) -> ColumnDrift:
    return ColumnDrift(column=name, status="not evaluated", reason=reason, histogram=histogram)
