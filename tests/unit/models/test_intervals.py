"""Metrics on resampled rows are scikit-learn's, and intervals are those of the books."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics
from sklearn.metrics import log_loss, roc_auc_score

from jupyter_mlops.errors import UsageError
from jupyter_mlops.models.evaluation import intervals
from jupyter_mlops.models.evaluation.scores import METRICS, Answers, rescorer, score


def _classified(classes: int, rows: int = 60, seed: int = 3) -> Answers:
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.ones(classes), rows)
    # Rounded, so that scores tie.
    probabilities = np.round(probabilities, 1) + 0.01
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return Answers(
        "classification",
        generator.integers(0, classes, rows),
        probabilities.argmax(axis=1),
        classes,
        probabilities,
        probabilities[:, 1] if classes == 2 else None,
    )


def _regressed(rows: int = 60) -> Answers:
    generator = np.random.default_rng(5)
    truth = generator.normal(1e4, 2, rows)
    return Answers("regression", truth, truth + generator.normal(0, 1, rows))


def _rows(answers: Answers, drawn: np.ndarray) -> Answers:
    return Answers(
        answers.task,
        answers.truth[drawn],
        answers.predicted[drawn],
        answers.classes,
        None if answers.probabilities is None else answers.probabilities[drawn],
        None if answers.ranking is None else answers.ranking[drawn],
    )


@pytest.mark.parametrize("answers", [_classified(2), _classified(4), _regressed()])
def test_a_metric_on_counts_is_scikit_learns_on_the_drawn_rows(answers: Answers) -> None:
    generator = np.random.default_rng(0)
    rows = len(answers.truth)
    drawn = generator.integers(0, rows, (40, rows))
    counts = np.array([np.bincount(line, minlength=rows) for line in drawn], dtype=float)
    for name in answers.metrics():
        ours = rescorer(answers, name)(counts)
        theirs = [score(_rows(answers, line), name) for line in drawn]
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, err_msg=name)


def test_scores_are_scikit_learns() -> None:
    answers = _classified(2)
    assert score(answers, "balanced_accuracy") == pytest.approx(
        metrics.balanced_accuracy_score(answers.truth, answers.predicted)
    )
    assert score(answers, "roc_auc") == roc_auc_score(answers.truth, answers.ranking)
    assert score(answers, "log_loss") == log_loss(answers.truth, answers.probabilities)


def test_one_class_has_no_area() -> None:
    answers = _rows(_classified(2), np.flatnonzero(_classified(2).truth == 1))
    assert math.isnan(score(answers, "roc_auc"))
    assert np.isnan(rescorer(answers, "roc_auc")(np.ones((3, len(answers.truth))))).all()
    assert all(map(math.isnan, intervals.percentile([math.nan], 0.95)))


def test_metrics_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match=r"'acuracy'.*Did you mean 'accuracy'"):
        _classified(2).metrics(["acuracy"])
    with pytest.raises(UsageError, match="roc_auc needs two classes"):
        _classified(3).metrics(["roc_auc"])
    assert "roc_auc" not in _classified(3).metrics()
    assert tuple(_regressed().metrics()) == METRICS["regression"]


def test_the_percentile_interval_covers_the_mean_as_often_as_it_says() -> None:
    generator = np.random.default_rng(11)
    inside = 0
    for _ in range(200):
        truth = np.zeros(80, dtype=int)
        predicted = (generator.random(80) > 0.8).astype(int)
        (drawn,) = intervals.replicates(
            [Answers("classification", truth, predicted, 2)], ["accuracy"], 300, 0
        )
        low, high = intervals.percentile(drawn["accuracy"], 0.95)
        inside += low <= 0.8 <= high
    assert 0.89 <= inside / 200 <= 0.99


def test_the_corrected_interval_is_wider_than_the_plain_one() -> None:
    scores = [0.90, 0.92, 0.88, 0.91, 0.89]
    mean, low, high = intervals.corrected_t(scores, 0.95)
    assert mean == pytest.approx(0.9)
    # t(0.975, 4) = 2.776445, s² = 0.00025, (1/5 + 1/4) = 0.45
    assert high - mean == pytest.approx(2.776445 * math.sqrt(0.45 * 0.00025), rel=1e-6)
    assert mean - low == pytest.approx(high - mean)


def test_the_same_seed_draws_the_same_rows_for_every_model() -> None:
    a, b = intervals.replicates([_classified(2), _classified(2)], ["accuracy"], 50, 7)
    np.testing.assert_array_equal(a["accuracy"], b["accuracy"])
    (again,) = intervals.replicates([_classified(2)], ["accuracy"], 50, 7)
    np.testing.assert_array_equal(a["accuracy"], again["accuracy"])
