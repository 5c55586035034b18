"""Evidently's default tests, computed faster: the scores are the same to 1e-9.

The formulas are those of `evidently.legacy.calculations.stattests` (0.7.23). The functions take values without NaN
and infinities.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Number of reference rows above which Evidently uses distances, not p-values.
LARGE = 1000
#: Maximum number of distinct values for which Evidently treats numbers as categories.
FEW_VALUES = 5

WASSERSTEIN = "Wasserstein distance (normed)"
JENSEN_SHANNON = "Jensen-Shannon distance"
KOLMOGOROV_SMIRNOV = "K-S p_value"
CHI_SQUARE = "chi-square p_value"
Z_TEST = "Z-test p_value"

_DISTANCE = 0.1
_SIGNIFICANCE = 0.05
_SMALLEST_NORM = 0.001


@dataclass(frozen=True, slots=True)
class Score:
    """One column's result: Evidently's display name, score, threshold and verdict.

    `note` is a limitation that the reader must know.
    """

    method: str
    score: float
    threshold: float
    drift: bool
    note: str = ""


class SortedSample:
    """A sorted sample, so that each comparison with it sorts only the other side."""

    __slots__ = ("_prefix", "origin", "values")

    def __init__(self, values: NDArray[Any]) -> None:
        self.values: Floats = np.sort(values.astype(np.float64, copy=False))
        # Prefix sums are relative to the median: with a large offset, plain sums would lose digits.
        self.origin = float(self.values[len(self.values) // 2])
        self._prefix: Floats | None = None

    def __len__(self) -> int:
        return len(self.values)

    def has_more_values_than(self, count: int, other: SortedSample) -> bool:
        """Return whether both samples together have more than `count` distinct values."""
        mine = _first_distinct(self.values, count)
        if len(mine) > count:
            return True
        return len(np.union1d(mine, _first_distinct(other.values, count))) > count

    def wasserstein(self, other: SortedSample) -> float:
        """Return the exact first Wasserstein distance: the mean distance of the two quantile functions.

        For equal sizes this is the mean of |u - v| over the sorted values. Otherwise each value `c` of
        `other` covers one interval of quantiles; the distance there is the integral of |Q(t) - c|. The
        integral of Q is a prefix sum, split at the quantile where Q crosses `c`.
        """
        if len(self) == len(other):
            return float(np.mean(np.abs(self.values - other.values)))
        size, count = len(self), len(other)
        bounds = np.arange(count + 1, dtype=np.float64) * (size / count)
        bounds[-1] = size
        crossing = np.searchsorted(self.values, other.values).astype(np.float64)
        np.clip(crossing, bounds[:-1], bounds[1:], out=crossing)
        level = other.values - self.origin
        total, at_crossing = self._integral(bounds), self._integral(crossing)
        below = level * (crossing - bounds[:-1]) - (at_crossing - total[:-1])
        above = (total[1:] - at_crossing) - level * (bounds[1:] - crossing)
        return float(np.sum(below + above)) / size

    def _integral(self, position: Floats) -> Floats:
        """Return the sum of the first `position` values; a fraction takes its share of the next value."""
        if self._prefix is None:
            self._prefix = np.concatenate(([0.0], np.cumsum(self.values - self.origin)))
        index = np.minimum(position.astype(np.int64), len(self) - 1)
        total: Floats = self._prefix[index] + (position - index) * (
            self.values[index] - self.origin
        )
        return total


def _first_distinct(ordered: Floats, count: int) -> Floats:
    """Return at most the first `count` + 1 distinct values, with one binary search for each."""
    found: list[float] = []
    index = 0
    while index < len(ordered) and len(found) <= count:
        found.append(float(ordered[index]))
        index = int(np.searchsorted(ordered, ordered[index], side="right"))
    return np.asarray(found)


def wasserstein(reference: SortedSample, current: SortedSample, deviation: float) -> Score:
    """Score by the Wasserstein distance in deviations of the reference (at least 0.001)."""
    score = reference.wasserstein(current) / max(deviation, _SMALLEST_NORM)
    # With this minimum, a shift of many deviations has a score near 0.
    note = (
        "the reference's values differ too little: Evidently's score does not show shifts"
        if (deviation < _SMALLEST_NORM)
        else ""
    )
    return Score(WASSERSTEIN, score, _DISTANCE, score >= _DISTANCE, note)


def kolmogorov_smirnov(reference: NDArray[Any], current: NDArray[Any]) -> Score:
    """Score by the two-sided p-value of the two-sample Kolmogorov-Smirnov test."""
    from scipy.stats import ks_2samp

    score = float(ks_2samp(reference, current)[1])
    return Score(KOLMOGOROV_SMIRNOV, score, _SIGNIFICANCE, score <= _SIGNIFICANCE)


def by_counts(reference: Mapping[Any, int], current: Mapping[Any, int]) -> Score:
    """Score categories by their counts, with Evidently's test for this number of rows and categories."""
    keys = list(dict.fromkeys((*reference, *current)))
    old = np.array([reference.get(key, 0) for key in keys], dtype=np.float64)
    new = np.array([current.get(key, 0) for key in keys], dtype=np.float64)
    if old.sum() > LARGE:
        return _jensen_shannon(old, new)
    return _chi_square(old, new) if len(keys) > 2 else _z_test(keys, old, new)


def _jensen_shannon(old: Floats, new: Floats) -> Score:
    from scipy.special import rel_entr

    p, q = old / old.sum(), new / new.sum()
    middle = (p + q) / 2
    divergence = float(np.sum(rel_entr(p, middle)) + np.sum(rel_entr(q, middle)))
    # A divergence of zero can be slightly negative after rounding.
    score = math.sqrt(max(divergence, 0.0) / 2)
    return Score(JENSEN_SHANNON, score, _DISTANCE, score >= _DISTANCE)


def _chi_square(old: Floats, new: Floats) -> Score:
    from scipy.special import chdtrc

    expected = old * (new.sum() / old.sum())
    with np.errstate(divide="ignore"):  # a category that the reference does not have
        statistic = float(np.sum((new - expected) ** 2 / expected))
    score = float(chdtrc(len(old) - 1, statistic))
    return Score(CHI_SQUARE, score, _SIGNIFICANCE, score < _SIGNIFICANCE)


def _z_test(keys: list[Any], old: Floats, new: Floats) -> Score:
    from scipy.special import ndtr

    if len(keys) == 1:
        return Score(Z_TEST, 1.0, _SIGNIFICANCE, False)
    other = 1 - keys.index(min(keys))
    n, m = old.sum(), new.sum()
    p, q = old[other] / n, new[other] / m
    pooled = (p * n + q * m) / (n + m)
    z = (p - q) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    score = float(2 * (1 - ndtr(abs(z))))
    return Score(Z_TEST, score, _SIGNIFICANCE, score < _SIGNIFICANCE)
