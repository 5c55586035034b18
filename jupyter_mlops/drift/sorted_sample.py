"""Numbers sorted once: a comparison then costs one sort of the other sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class SortedSample:
    """One sample, sorted, and its running sums once they are needed."""

    __slots__ = ("_prefix", "origin", "values")

    def __init__(self, values: NDArray[Any]) -> None:
        self.values: Floats = np.sort(values.astype(np.float64, copy=False))
        # Sums are kept around the median: around zero, a large offset would eat their digits.
        self.origin = float(self.values[len(self.values) // 2])
        self._prefix: Floats | None = None

    def __len__(self) -> int:
        return len(self.values)

    def has_more_values_than(self, count: int, other: SortedSample) -> bool:
        """Tell whether both samples together have more than `count` distinct values."""
        distinct = _first_distinct(self.values, count)
        if len(distinct) > count:
            return True
        return len(np.union1d(distinct, _first_distinct(other.values, count))) > count

    def wasserstein(self, other: SortedSample) -> float:
        """Return the exact first Wasserstein distance: the mean gap between two quantile functions.

        With equal sizes that is mean |u - v| of the sorted values. Otherwise each value `c` of
        `other` holds one interval of quantiles; the distance there is the integral of |Q(t) - c|,
        and Q's integral is a prefix sum, split at the quantile where Q crosses `c`.
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
        """Return the sum of the first `position` values, a fraction counting for its share."""
        if self._prefix is None:
            self._prefix = np.concatenate(([0.0], np.cumsum(self.values - self.origin)))
        whole = np.minimum(position.astype(np.int64), len(self) - 1)
        part: Floats = self._prefix[whole] + (position - whole) * (self.values[whole] - self.origin)
        return part


def _first_distinct(ordered: Floats, count: int) -> Floats:
    """Return the first `count` + 1 distinct values at most, by a jump for each."""
    found: list[float] = []
    at = 0
    while at < len(ordered) and len(found) <= count:
        found.append(float(ordered[at]))
        at = int(np.searchsorted(ordered, ordered[at], side="right"))
    return np.asarray(found)
