"""Confidence intervals of metrics.

- `percentile`: the percentile interval of bootstrap replicates, Efron & Tibshirani, An Introduction
  to the Bootstrap (1993), chapter 13.
- `replicates`: the bootstrap replicates, paired if several models predicted the same rows (chapter 8:
  a row is resampled with all its values).
- `corrected_t`: Student's t over k folds, with the variance corrected for overlapping training sets:
  Nadeau & Bengio, Inference for the Generalization Error (2003, equation 9).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from jupyter_mlops import progress
from jupyter_mlops.models.evaluation.scores import Answers, rescorer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Maximum number of counts in memory: 8 bytes each, in several copies.
_CELLS = 2_000_000


def replicates(
    tables: Sequence[Answers], metrics: Sequence[str], resamples: int, seed: int
) -> list[dict[str, NDArray[np.float64]]]:
    """Return each table's metrics on `resamples` draws of its rows with replacement.

    Draw i has the same rows in every table; the tables must have the same rows in the same order.
    """
    rows = len(tables[0].truth)
    rescorers = [{name: rescorer(table, name) for name in metrics} for table in tables]
    generator = np.random.default_rng(seed)
    at_once = max(1, min(resamples, _CELLS // rows))
    found: list[dict[str, list[NDArray[np.float64]]]] = [
        {name: [] for name in metrics} for _ in tables
    ]
    for start in progress.each(range(0, resamples, at_once), "resampling"):
        counts = _counts(generator, min(at_once, resamples - start), rows)
        for kept, functions in zip(found, rescorers, strict=True):
            for name, function in functions.items():
                kept[name].append(function(counts))
    return [{name: np.concatenate(parts) for name, parts in kept.items()} for kept in found]


def percentile(values: Sequence[float] | NDArray[Any], confidence: float) -> tuple[float, float]:
    """Return the central `confidence` interval of the replicates, without undefined ones."""
    usable = np.asarray(values, dtype=float)
    usable = usable[np.isfinite(usable)]
    if not len(usable):
        return math.nan, math.nan
    tail = (1 - confidence) / 2
    low, high = np.quantile(usable, [tail, 1 - tail])
    return float(low), float(high)


def corrected_t(scores: Sequence[float], confidence: float) -> tuple[float, float, float]:
    """Return the mean and the interval's low and high of the scores of k folds.

    The variance of the mean is (1/k + 1/(k - 1)) s², where 1/(k - 1) is the ratio of test to
    training rows; the plain s²/k assumes independent folds, and is too small.
    """
    from scipy import stats

    folds = len(scores)
    mean, spread = float(np.mean(scores)), float(np.var(scores, ddof=1))
    half = stats.t.ppf((1 + confidence) / 2, folds - 1) * math.sqrt(
        (1 / folds + 1 / (folds - 1)) * spread
    )
    return mean, mean - float(half), mean + float(half)


def _counts(generator: np.random.Generator, resamples: int, rows: int) -> NDArray[np.float64]:
    drawn = generator.integers(0, rows, (resamples, rows))
    drawn += np.arange(resamples)[:, None] * rows
    counted = np.bincount(drawn.ravel(), minlength=resamples * rows)
    return counted.reshape(resamples, rows).astype(float)
