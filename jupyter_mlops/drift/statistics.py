"""The statistics of drift: Evidently's default tests without its report, with the same score to 1e-9.

A new one is a formula and a row of `OF_NUMBERS` or `OF_CATEGORIES`. The formulas are those of
`evidently.legacy.calculations.stattests` (0.7.23), computed faster. They take values without NaN and
infinities.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import numpy as np

from jupyter_mlops.drift.sorted_sample import SortedSample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: The reference size above which Evidently turns from p-values to distances.
LARGE = 1000
#: Up to this many distinct values Evidently treats numbers as categories.
FEW_VALUES = 5
_SMALLEST_NORM = 0.001


@dataclass(frozen=True, slots=True)
class Score:
    """One column's result: Evidently's display name, score, threshold and verdict.

    `note` says what a reader must know to trust it.
    """

    method: str
    score: float
    threshold: float
    drift: bool
    note: str = ""


@dataclass(frozen=True)
class Numbers:
    """A numeric column of the reference and of the current data.

    `deviation` is the reference's as pandas computes it: it rounds to float32 where the column is.
    """

    reference: NDArray[Any]
    current: NDArray[Any]
    deviation: float

    @property
    def rows(self) -> int:
        """Rows of the reference."""
        return len(self.reference)

    @cached_property
    def sorted(self) -> tuple[SortedSample, SortedSample]:
        """Both samples, sorted."""
        return SortedSample(self.reference), SortedSample(self.current)


@dataclass(frozen=True, slots=True)
class Categories:
    """A categorical column: how often each of `keys` is in the reference and in the current data."""

    keys: list[Any]
    reference: Floats
    current: Floats

    @classmethod
    def counted(cls, reference: Mapping[Any, int], current: Mapping[Any, int]) -> Categories:
        """Return the two counts over the same keys."""
        keys = list(dict.fromkeys((*reference, *current)))
        old, new = (
            np.array([counts.get(key, 0) for key in keys], dtype=np.float64)
            for counts in (reference, current)
        )
        return cls(keys, old, new)

    @property
    def rows(self) -> int:
        """Rows of the reference."""
        return int(self.reference.sum())


Columns = TypeVar("Columns", Numbers, Categories)


@dataclass(frozen=True, slots=True)
class Statistic(Generic[Columns]):
    """One statistic: Evidently's display name, its rule, when Evidently chooses it, and its formula."""

    name: str
    drift_if: Literal["<", "≤", "≥"]
    threshold: float
    chosen: Callable[[Columns], bool]
    formula: Callable[[Columns], float]
    note: Callable[[Columns], str] = lambda _: ""

    def score(self, columns: Columns) -> Score:
        """Return the score of two columns and its verdict."""
        score = self.formula(columns)
        drift = {
            "<": score < self.threshold,
            "≤": score <= self.threshold,
            "≥": score >= self.threshold,
        }[self.drift_if]
        return Score(self.name, score, self.threshold, drift, self.note(columns))


def kolmogorov_smirnov(columns: Numbers) -> float:
    """Return the two-sided p-value of the two-sample Kolmogorov-Smirnov test."""
    from scipy.stats import ks_2samp

    return float(ks_2samp(columns.reference, columns.current)[1])


def wasserstein(columns: Numbers) -> float:
    """Return the Wasserstein distance in standard deviations of the reference (at least 0.001)."""
    reference, current = columns.sorted
    return reference.wasserstein(current) / max(columns.deviation, _SMALLEST_NORM)


def _hidden_shift(columns: Numbers) -> str:
    # A shift of many deviations has a score of almost nothing there.
    close = columns.deviation < _SMALLEST_NORM
    return (
        "the reference's values differ too little: Evidently's score does not show shifts"
        if close
        else ""
    )


def jensen_shannon(columns: Categories) -> float:
    """Return the Jensen-Shannon distance of the shares, to the base e."""
    from scipy.special import rel_entr

    p = columns.reference / columns.reference.sum()
    q = columns.current / columns.current.sum()
    middle = (p + q) / 2
    divergence = float(np.sum(rel_entr(p, middle)) + np.sum(rel_entr(q, middle)))
    # Rounding can make a divergence of zero slightly negative.
    return math.sqrt(max(divergence, 0.0) / 2)


def chi_square(columns: Categories) -> float:
    """Return the p-value of the chi-square test of the current counts against the reference's shares."""
    from scipy.special import chdtrc

    old, new = columns.reference, columns.current
    expected = old * (new.sum() / old.sum())
    with np.errstate(divide="ignore"):  # a category the reference never had: infinitely unlikely
        statistic = float(np.sum((new - expected) ** 2 / expected))
    return float(chdtrc(len(old) - 1, statistic))


def z_test(columns: Categories) -> float:
    """Return the p-value of the Z-test of one share, where there are two categories."""
    from scipy.special import ndtr

    keys, old, new = columns.keys, columns.reference, columns.current
    if len(keys) == 1:
        return 1.0
    other = 1 - keys.index(min(keys))
    n, m = old.sum(), new.sum()
    p, q = old[other] / n, new[other] / m
    pooled = (p * n + q * m) / (n + m)
    z = (p - q) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return float(2 * (1 - ndtr(abs(z))))


#: For each kind of column the first that is chosen.
OF_NUMBERS: tuple[Statistic[Numbers], ...] = (
    Statistic(
        "Wasserstein distance (normed)", "≥", 0.1,
        lambda columns: columns.rows > LARGE, wasserstein, _hidden_shift,
    ),
    Statistic("K-S p_value", "≤", 0.05, lambda _: True, kolmogorov_smirnov),
)  # fmt: skip
OF_CATEGORIES: tuple[Statistic[Categories], ...] = (
    Statistic(
        "Jensen-Shannon distance", "≥", 0.1,
        lambda columns: columns.rows > LARGE, jensen_shannon,
    ),
    Statistic(
        "chi-square p_value", "<", 0.05,
        lambda columns: len(columns.keys) > 2, chi_square,
    ),
    Statistic("Z-test p_value", "<", 0.05, lambda _: True, z_test),
)  # fmt: skip
_RULES: dict[str, str] = {item.name: item.drift_if for item in OF_NUMBERS}
_RULES |= {item.name: item.drift_if for item in OF_CATEGORIES}


def of_numbers(columns: Numbers) -> Score:
    """Score numbers with the statistic that Evidently chooses for them."""
    return next(item for item in OF_NUMBERS if item.chosen(columns)).score(columns)


def of_categories(columns: Categories) -> Score:
    """Score categories with the statistic that Evidently chooses for them."""
    return next(item for item in OF_CATEGORIES if item.chosen(columns)).score(columns)


def drift_if(method: str) -> str:
    """Return how a score is compared with its threshold, also for tests that Evidently itself ran."""
    if method in _RULES:
        return _RULES[method]
    if method.endswith("p_value"):
        return "<"
    return ">" if "text" in method else "≥"
