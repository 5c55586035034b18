"""Score a model's predictions against the true values: by scikit-learn, and for resampled rows.

A bootstrap of 1,000 resamples would call scikit-learn 5,000 times. Here each metric is computed from
a matrix of counts (resamples × rows: how often each row was drawn), with the same results.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jupyter_mlops.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

Task = Literal["classification", "regression"]

METRICS: dict[str, tuple[str, ...]] = {
    "classification": ("accuracy", "balanced_accuracy", "f1", "roc_auc", "log_loss"),
    "regression": ("rmse", "mae", "r2"),
}
#: Metrics for which smaller is better.
LOSSES = frozenset({"log_loss", "rmse", "mae"})


@dataclass(frozen=True)
class Answers:
    """True values and predictions for the same rows.

    For a classification `truth` and `predicted` are class numbers 0 … `classes` - 1 and
    `probabilities` is rows × classes; `ranking` is the score of class 1 of two. For a regression
    both are floats.
    """

    task: Task
    truth: NDArray[Any]
    predicted: NDArray[Any]
    classes: int = 0
    probabilities: NDArray[np.float64] | None = None
    ranking: NDArray[np.float64] | None = None

    def metrics(self, wanted: Sequence[str] = ()) -> list[str]:
        """Return the metrics that can be computed, or the `wanted` ones.

        Raises:
            UsageError: a metric is unknown, or needs outputs that the model does not have.
        """
        lacking = {
            "roc_auc": self.ranking is None,
            "log_loss": self.probabilities is None,
        }
        known = METRICS[self.task]
        for name in wanted:
            if name not in known:
                hint = nearest(name, known) or f"One of {', '.join(known)}"
                raise UsageError(f"No metric '{name}' for a {self.task}", hint)
            if lacking.get(name):
                needs = "two classes and a score" if name == "roc_auc" else "probabilities"
                raise UsageError(f"{name} needs {needs}, which this model does not give")
        return list(dict.fromkeys(wanted)) or [name for name in known if not lacking.get(name)]


def score(answers: Answers, metric: str) -> float:
    """Return one metric by scikit-learn; NaN if it is not defined (only one class).

    f1 is that of the second of two classes, else the unweighted mean over the classes.
    """
    from sklearn import metrics

    truth, predicted = answers.truth, answers.predicted
    everything = list(range(answers.classes))
    if metric == "accuracy":
        return float(metrics.accuracy_score(truth, predicted))
    if metric == "balanced_accuracy":
        recalls = metrics.recall_score(
            truth, predicted, labels=np.unique(truth), average=None, zero_division=0
        )
        return float(np.mean(recalls))  # balanced_accuracy_score warns of classes not in the truth
    if metric == "f1":
        how = (
            {"average": "binary"}
            if answers.classes == 2
            else {"average": "macro", "labels": everything}
        )
        return float(metrics.f1_score(truth, predicted, zero_division=0, **how))
    if metric == "roc_auc":
        if len(np.unique(truth)) < 2:
            return float("nan")
        return float(metrics.roc_auc_score(truth, answers.ranking))
    if metric == "log_loss":
        return float(metrics.log_loss(truth, answers.probabilities, labels=everything))
    if metric == "rmse":
        return float(metrics.root_mean_squared_error(truth, predicted))
    if metric == "mae":
        return float(metrics.mean_absolute_error(truth, predicted))
    if len(truth) < 2:
        return float("nan")
    return float(metrics.r2_score(truth, predicted))


def rescorer(answers: Answers, metric: str) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return a function from counts (resamples × rows) to the metric of each resample."""
    truth, predicted = answers.truth, answers.predicted
    if metric == "accuracy":
        return _mean_of((truth == predicted).astype(float))
    if metric in {"balanced_accuracy", "f1"}:
        return _by_class(answers, metric)
    if metric == "roc_auc":
        return _area(answers)
    if metric == "log_loss":
        if answers.probabilities is None:
            raise UsageError("log_loss needs probabilities, which this model does not give")
        return _mean_of(-np.log(answers.probabilities[np.arange(len(truth)), truth]))
    errors = truth.astype(float) - predicted.astype(float)
    if metric == "mae":
        return _mean_of(np.abs(errors))
    if metric == "rmse":
        mean = _mean_of(errors**2)
        return lambda counts: np.sqrt(mean(counts))
    # Moments about the mean of all rows: moments about zero lose precision for a large offset.
    centred = truth.astype(float) - truth.mean()

    def explained(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = counts.sum(axis=1)
        spread = counts @ centred**2 - (counts @ centred) ** 2 / rows
        with np.errstate(divide="ignore", invalid="ignore"):
            found = 1 - (counts @ errors**2) / spread
        return np.where(spread > 0, found, np.nan)

    return explained


def _mean_of(
    contributions: NDArray[np.float64],
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    return lambda counts: (counts @ contributions) / counts.sum(axis=1)


def _by_class(
    answers: Answers, metric: str
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the function for balanced accuracy or F1, from three sparse sums: true, predicted, both."""
    truth, predicted = answers.truth, answers.predicted
    right = truth == predicted
    is_true = _indicator(truth, answers.classes)
    is_predicted = _indicator(predicted, answers.classes)
    is_both = _indicator(truth, answers.classes, right)

    def measured(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        both = (is_both @ counts.T).T
        true = (is_true @ counts.T).T
        with np.errstate(divide="ignore", invalid="ignore"):
            if metric == "balanced_accuracy":
                recalls = np.where(true > 0, both / true, 0.0)
                found: NDArray[np.float64] = recalls.sum(axis=1) / (true > 0).sum(axis=1)
                return found
            either = true + (is_predicted @ counts.T).T
            f1 = np.where(either > 0, 2 * both / either, 0.0)
        return f1[:, 1] if answers.classes == 2 else f1.mean(axis=1)

    return measured


def _indicator(codes: NDArray[Any], classes: int, kept: NDArray[Any] | None = None) -> Any:
    from scipy.sparse import csr_array

    rows = np.arange(len(codes)) if kept is None else np.flatnonzero(kept)
    ones = np.ones(len(rows))
    return csr_array((ones, (codes[rows], rows)), shape=(classes, len(codes)))


def _area(answers: Answers) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the function for ROC AUC: the share of (positive, negative) pairs in order, ties half."""
    if answers.ranking is None:
        raise UsageError("roc_auc needs two classes and a score, which this model does not give")
    order = np.argsort(answers.ranking, kind="stable")
    positive = (answers.truth[order] == 1).astype(float)
    starts = np.flatnonzero(np.diff(answers.ranking[order], prepend=-np.inf) > 0)
    if not len(starts) or starts[0] != 0:
        starts = np.r_[0, starts]

    def area(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        drawn = counts[:, order]
        positives = np.add.reduceat(drawn * positive, starts, axis=1)
        negatives = np.add.reduceat(drawn * (1 - positive), starts, axis=1)
        below = np.cumsum(negatives, axis=1) - negatives
        pairs = positives.sum(axis=1) * negatives.sum(axis=1)
        right = (positives * (below + negatives / 2)).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(pairs > 0, right / pairs, np.nan)

    return area
