"""`model evaluate`: score a run's model on data, and record metrics with confidence intervals as a run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from jupyter_mlops import progress
from jupyter_mlops.errors import MlopsError, UsageError, nearest
from jupyter_mlops.models.evaluation import intervals
from jupyter_mlops.models.evaluation.records import Evaluation, Interval
from jupyter_mlops.models.evaluation.scores import Answers, score
from jupyter_mlops.models.evaluation.subject import Given, Subject, read_rows, subject
from jupyter_mlops.models.model import Model
from jupyter_mlops.project import Project
from jupyter_mlops.runs import active_run
from jupyter_mlops.text import error_line

if TYPE_CHECKING:
    from collections.abc import Sequence

METHODS = ("holdout", "kfold", "bootstrap")
#: Default number of resamples: scoring is cheap, fitting is not.
_RESAMPLES = {"holdout": 1000, "bootstrap": 50}


def evaluate(
    run: str,
    *,
    on: Given,
    target: str = "",
    method: str = "holdout",
    metric: Sequence[str] | None = None,
    seed: int = 0,
    folds: int = 10,
    resamples: int = 0,
    confidence: float = 0.95,
    allow_pickle: bool = False,
    project: Project | None = None,
) -> Evaluation:
    """Score the model of a run on a table, and record the metrics with confidence intervals.

    The evaluation is a new run, tagged `mlops.evaluates`, with metrics NAME, NAME_low and
    NAME_high and the table's version as its input.

    Args:
        run: a run's name or id.
        on: a file (its version is recorded), or a DataFrame.
        target: the column with the true values; default: the only column that is not an input.
        method: `holdout` scores the stored model on the rows, with percentile intervals of
            resampled rows (Efron & Tibshirani 1993, ch. 13). `kfold` fits a clone of the
            estimator on folds (stratified for classes), with the corrected resampled t interval
            (Nadeau & Bengio 2003). `bootstrap` fits clones on resampled rows and scores each on
            its out-of-bag rows, with percentile intervals of those scores. Unlike .632, it does
            not mix in training scores, so it is conservative.
        metric: default: accuracy, balanced_accuracy, f1, roc_auc (two classes), log_loss; or
            rmse, mae, r2.
        seed: the seed of the folds, the resamples, and a refitted estimator without its own seed.
        folds: the number of folds for `kfold`.
        resamples: the number of resamples; default 1,000 for `holdout`, 50 for `bootstrap`.
        confidence: the confidence level of the intervals.
        allow_pickle: load a model that is stored as a pickle.
        project: default: the project at or above the working folder.

    Raises:
        UsageError: the target, a metric or the method is ambiguous or not valid.
        MlopsError: the model cannot be loaded, or cannot score the rows.
    """
    project = project or Project.find()
    wanted = [part for item in metric or [] for part in item.split(",") if part]
    resamples = resamples or _RESAMPLES.get(method, 0)
    _refuse_unclear(method, folds, resamples, confidence)
    rows = read_rows(on, project)
    model = Model.find(run, project=project)
    found = subject(model, rows, target, allow_pickle=allow_pickle)
    if method != "holdout" and not hasattr(found.model, "fit"):
        raise UsageError(
            f"{method} fits the model again, which only scikit-learn estimators can",
            "Use: --method holdout",
        )
    # All arguments are checked before the run starts, so that a usage error leaves no failed run.
    answers = found.answers()
    names = answers.metrics(wanted)
    splits = _splits(found, method, folds, resamples, seed)
    details = {"folds": folds} if method == "kfold" else {"resamples": resamples}
    params = {"method": method, "seed": seed, "data": rows.path, "target": found.target}
    params |= {"rows": len(rows.frame), "confidence": confidence, **details}
    with active_run.start(
        f"evaluate {found.detail.name}",
        kind="other",
        tags={"mlops.evaluates": found.detail.run_id},
        params=params,
        project=project,
    ) as record:
        if rows.version:
            record.log_data([(rows.path, rows.version, "input")])
        if method == "holdout":
            measured = _holdout(answers, names, resamples, seed, confidence)
        else:
            scores = _refitted(found, splits, names, seed)
            interval = intervals.corrected_t if method == "kfold" else _resamples_interval
            measured = [_interval(name, *interval(scores[name], confidence)) for name in names]
        record.log_metrics(_flat(measured))
    return Evaluation(
        run_id=record.run_id,
        evaluates=found.detail.run_id,
        name=found.detail.name,
        data=rows.path,
        version=rows.version,
        target=found.target,
        rows=len(rows.frame),
        method=method,  # type: ignore[arg-type]  # checked above
        seed=seed,
        confidence=confidence,
        metrics=measured,
    )


def _refuse_unclear(method: str, folds: int, resamples: int, confidence: float) -> None:
    if method not in METHODS:
        hint = nearest(method, METHODS) or f"One of {', '.join(METHODS)}"
        raise UsageError(f"No method '{method}'", hint)
    if folds < 2:
        raise UsageError(f"--folds must be at least 2, not {folds}")
    if resamples < 2 and method != "kfold":
        raise UsageError(f"--resamples must be at least 2, not {resamples}")
    if not 0 < confidence < 1:
        raise UsageError(f"--confidence must be between 0 and 1, not {confidence}", "0.95, say")


def _holdout(
    answers: Answers, names: Sequence[str], resamples: int, seed: int, confidence: float
) -> list[Interval]:
    (drawn,) = intervals.replicates([answers], names, resamples, seed)
    return [
        _interval(name, score(answers, name), *intervals.percentile(drawn[name], confidence))
        for name in names
    ]


def _resamples_interval(scores: list[float], confidence: float) -> tuple[float, float, float]:
    usable = [item for item in scores if math.isfinite(item)]
    mean = float(np.mean(usable)) if usable else math.nan
    return mean, *intervals.percentile(usable, confidence)


def _splits(
    found: Subject, method: str, folds: int, resamples: int, seed: int
) -> list[tuple[Any, Any]]:
    if method == "kfold":
        return _folds(found, folds, seed)
    return _resamples(found, resamples, seed) if method == "bootstrap" else []


def _folds(found: Subject, folds: int, seed: int) -> list[tuple[Any, Any]]:
    from sklearn.model_selection import KFold, StratifiedKFold

    if found.task == "classification":
        smallest = int(np.unique(found.truth, return_counts=True)[1].min())
        if smallest < folds:
            raise UsageError(
                f"A class has {smallest} rows, too few for {folds} folds",
                f"Use: --folds {smallest}" if smallest > 1 else "Give more rows of it",
            )
        splitter: Any = StratifiedKFold(folds, shuffle=True, random_state=seed)
    else:
        if len(found.truth) < 2 * folds:
            raise UsageError(f"{len(found.truth)} rows are too few for {folds} folds", "Use fewer")
        splitter = KFold(folds, shuffle=True, random_state=seed)
    # The splitter uses only the classes, so the rows may be of any type.
    return list(splitter.split(np.zeros(len(found.truth)), found.truth))


def _resamples(found: Subject, resamples: int, seed: int) -> list[tuple[Any, Any]]:
    generator = np.random.default_rng(seed)
    count = len(found.truth)
    splits: list[tuple[Any, Any]] = []
    for _ in range(20 * resamples):
        drawn = generator.integers(0, count, count)
        left_out = np.setdiff1d(np.arange(count), drawn)
        # An estimator cannot be fitted on one class, or scored without rows.
        one_class = found.task == "classification" and len(np.unique(found.truth[drawn])) < 2
        if len(left_out) and not one_class:
            splits.append((drawn, left_out))
        if len(splits) == resamples:
            return splits
    raise MlopsError(f"{count} rows are too few to resample", "Use: --method holdout")


def _refitted(
    found: Subject, splits: Sequence[tuple[Any, Any]], names: Sequence[str], seed: int
) -> dict[str, list[float]]:
    """Return each metric's score on every split, with an estimator fitted on that split."""
    from sklearn.base import clone

    scores: dict[str, list[float]] = {name: [] for name in names}
    for train, test in progress.each(splits, "fitting"):
        estimator = _seeded(clone(found.model), seed)
        try:
            estimator.fit(found.taken(train), found.truth[train])
        except Exception as error:  # an estimator may raise any type
            reason = error_line(error)
            raise MlopsError(
                f"{type(estimator).__name__} cannot be fitted again: {reason}"
            ) from None
        answers = found.answers(estimator, test)
        for name in names:
            scores[name].append(score(answers, name))
    return scores


def _seeded(estimator: Any, seed: int) -> Any:
    open_seeds = {
        key: seed
        for key, value in estimator.get_params(deep=True).items()
        if value is None and (key == "random_state" or key.endswith("__random_state"))
    }
    return estimator.set_params(**open_seeds)


def _interval(name: str, value: float, low: float, high: float) -> Interval:
    shown = [item if math.isfinite(item) else None for item in (value, low, high)]
    return Interval(metric=name, value=shown[0], low=shown[1], high=shown[2])


def _flat(measured: Sequence[Interval]) -> dict[str, float]:
    found: dict[str, float] = {}
    for item in measured:
        named = {"": item.value, "_low": item.low, "_high": item.high}
        found |= {f"{item.metric}{end}": value for end, value in named.items() if value is not None}
    return found
