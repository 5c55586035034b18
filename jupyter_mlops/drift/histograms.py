"""Histograms of a column's reference and current values in the same bins, for the report's pictures."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from jupyter_mlops.drift.records import Histogram
from jupyter_mlops.text import cut

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BINS = 18
TOP = 12
OTHER = "other"
_LONGEST_LABEL = 40
#: If outliers make the axis this many times longer, they are counted in the outer bins.
_STRETCH = 4.0
_TAIL = 0.005


def of_numbers(reference: Floats, current: Floats) -> Histogram | None:
    """Bin two sorted samples; far outliers are counted in the first and last bin."""
    low, high = _span(reference, current)
    if not math.isfinite(high - low):
        return None
    if low == high:
        label = _number(low, 0.0)
        return Histogram(labels=[label], reference=[1.0], current=[1.0], numeric=True)
    whole = high - low < BINS and all(_whole(sample) for sample in (reference, current))
    edges = np.arange(low - 0.5, high + 1) if whole else np.linspace(low, high, BINS + 1)
    step = float(edges[1] - edges[0])
    if whole:
        labels = [_number(low + i, 1.0) for i in range(len(edges) - 1)]
    else:
        labels = [f"{_number(a, step)} to {_number(b, step)}" for a, b in pairwise(edges)]
        if low > min(reference[0], current[0]):
            labels[0] = f"< {_number(edges[1], step)}"
        if high < max(reference[-1], current[-1]):
            labels[-1] = f"≥ {_number(edges[-2], step)}"
    return Histogram(
        labels=labels,
        reference=_shares(reference, edges),
        current=_shares(current, edges),
        numeric=True,
    )


def of_categories(reference: Mapping[Any, int], current: Mapping[Any, int]) -> Histogram:
    """Return the shares of the most frequent categories; all others are one category."""
    old_rows, new_rows = sum(reference.values()), sum(current.values())
    weight = {
        key: reference.get(key, 0) / old_rows + current.get(key, 0) / new_rows
        for key in dict.fromkeys((*reference, *current))
    }
    keys = sorted(weight, key=lambda key: -weight[key])
    shown = keys[:TOP]
    if all(isinstance(key, (int, float)) for key in shown):
        shown.sort()  # numbers in numeric order
    labels = [_short(str(key)) for key in shown]
    old = [reference.get(key, 0) / old_rows for key in shown]
    new = [current.get(key, 0) / new_rows for key in shown]
    if len(keys) > TOP:
        labels.append(OTHER)
        old.append(max(0.0, 1 - sum(old)))
        new.append(max(0.0, 1 - sum(new)))
    return Histogram(labels=labels, reference=_rounded(old), current=_rounded(new), numeric=False)


def _span(reference: Floats, current: Floats) -> tuple[float, float]:
    low, high = float(min(reference[0], current[0])), float(max(reference[-1], current[-1]))
    inner_low = float(min(_quantile(reference, _TAIL), _quantile(current, _TAIL)))
    inner_high = float(max(_quantile(reference, 1 - _TAIL), _quantile(current, 1 - _TAIL)))
    if high - low > _STRETCH * (inner_high - inner_low) > 0:
        return inner_low, inner_high
    return low, high


def _whole(values: Floats) -> bool:
    return bool(np.all(values == np.round(values)))


def _quantile(ordered: Floats, share: float) -> float:
    return float(ordered[round(share * (len(ordered) - 1))])


def _shares(ordered: Floats, edges: Floats) -> list[float]:
    inner = np.searchsorted(ordered, edges[1:-1], side="left")
    counts = np.diff(np.concatenate(([0], inner, [len(ordered)])))
    return _rounded((counts / len(ordered)).tolist())


def _rounded(shares: list[float]) -> list[float]:
    return [round(share, 3) for share in shares]


def _number(value: float, step: float) -> str:
    """Return `value` with enough digits to distinguish neighbouring bins."""
    if step <= 0:
        return f"{value:.6g}"
    digits = math.floor(math.log10(max(abs(value), step))) - math.floor(math.log10(step)) + 2
    text = f"{value:.{min(max(digits, 1), 17)}g}"
    return "0" if float(text) == 0 or abs(value) < step * 1e-9 else text


def _short(text: str) -> str:
    return cut(text, _LONGEST_LABEL)
