"""The model of a run and the rows to score, checked before the computation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jupyter_mlops import data
from jupyter_mlops.errors import MlopsError, NotFound, UsageError, nearest
from jupyter_mlops.models.evaluation.scores import Answers, Task
from jupyter_mlops.text import error_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jupyter_mlops.models.model import Model
    from jupyter_mlops.project import Project
    from jupyter_mlops.runs.records import RunDetail

Given = str | Path | pd.DataFrame
_SMALLEST_PROBABILITY = float(np.finfo(float).eps)


@dataclass
class ScoredTable:
    """A table to score on, its path, and the version that was read (empty for a table in memory)."""

    frame: pd.DataFrame
    path: str
    version: str = ""


@dataclass
class Subject:
    """A run's native model, and the inputs and true values of the rows."""

    detail: RunDetail
    model: Any
    task: Task
    inputs: Any
    truth: NDArray[Any]
    target: str

    def answers(self, model: Any = None, rows: Any = None) -> Answers:
        """Return the predictions of `model` (default: the stored one) for the rows (default: all).

        Raises:
            MlopsError: the model fails on them.
        """
        model = self.model if model is None else model
        inputs = self.inputs if rows is None else self.taken(rows)
        truth = self.truth if rows is None else self.truth[rows]
        try:
            if self.task == "regression":
                predicted = np.asarray(_predict(model, inputs), dtype=float).reshape(len(truth))
                return Answers("regression", truth.astype(float), predicted)
            return self._classified(model, inputs, truth)
        except MlopsError:
            raise
        except Exception as error:  # each library raises other types for invalid rows
            reason = error_line(error)
            raise MlopsError(
                f"The model of '{self.detail.name}' cannot score these rows: {reason}",
                "The data must have the columns and types that it was trained on",
            ) from None

    def taken(self, rows: Any) -> Any:
        """Return the inputs of some rows."""
        return self.inputs.iloc[rows] if hasattr(self.inputs, "iloc") else self.inputs[rows]

    def _classified(self, model: Any, inputs: Any, truth: NDArray[Any]) -> Answers:
        raw = _predict(model, inputs)
        probabilities = ranking = None
        labels = getattr(model, "classes_", None)
        if labels is None and getattr(raw, "ndim", 1) == 2 and raw.shape[1] > 1:
            probabilities = _as_probabilities(np.asarray(raw, dtype=float))
            labels = np.arange(raw.shape[1])
            raw = labels[probabilities.argmax(axis=1)]
        raw = np.asarray(raw).reshape(len(truth))
        # The classes of the model and of the whole table: a fold may lack a class.
        known = np.unique(raw) if labels is None else np.asarray(labels)
        classes = np.unique(np.concatenate([known, np.unique(self.truth)]))
        if probabilities is None and hasattr(model, "predict_proba"):
            probabilities = np.asarray(model.predict_proba(inputs), dtype=float)
        if probabilities is not None:
            whole = np.zeros((len(truth), len(classes)))
            whole[:, np.searchsorted(classes, known)] = probabilities
            whole = np.clip(whole, _SMALLEST_PROBABILITY, None)
            probabilities = whole / whole.sum(axis=1, keepdims=True)
        if len(classes) == 2:
            if probabilities is not None:
                ranking = probabilities[:, 1]
            elif hasattr(model, "decision_function") and len(known) == 2:
                ranking = np.asarray(model.decision_function(inputs), dtype=float)
        elif len(classes) < 2:
            probabilities = None
        return Answers(
            "classification",
            np.searchsorted(classes, truth),
            np.searchsorted(classes, raw),
            len(classes),
            probabilities,
            ranking,
        )


def read_rows(on: Given, project: Project) -> ScoredTable:
    """Return the table, read from the data cache, so that its version is exact.

    Raises:
        NotFound: there is no such file.
        MlopsError: it cannot be read, or has no rows.
    """
    if isinstance(on, pd.DataFrame):
        rows = ScoredTable(on, "a DataFrame")
    else:
        path = Path(on).expanduser()
        if not path.is_file():
            raise NotFound(f"No file {path}", "Check the path given as --on")
        found = data.version(path, project=project)
        frame = data.frame(found.version, str(path), project=project)
        rows = ScoredTable(frame, found.path, found.version)
    if rows.frame.empty:
        raise MlopsError(f"{rows.path} has no rows", "Give a table with at least one row")
    return rows


def subject(found: Model, rows: ScoredTable, target: str, *, allow_pickle: bool) -> Subject:
    """Return a run's model with the inputs and true values of the rows.

    Raises:
        NotFound: the run has no model.
        UsageError: the target is ambiguous, or an input is missing.
    """
    detail = found.run
    names = [item["name"] for item in detail.model.inputs if item["name"]] if detail.model else []
    target = _target(rows, names, target, known=bool(names) or detail.model is None)
    missing = [name for name in names if name not in rows.frame.columns]
    if missing:
        raise UsageError(
            f"{rows.path} lacks {len(missing)} of the model's inputs: {', '.join(missing[:5])}",
            nearest(missing[0], map(str, rows.frame.columns)),
        )
    model = found.load(allow_pickle=allow_pickle)
    frame = rows.frame[names] if names else rows.frame.drop(columns=[target])
    # An estimator fitted on an array warns about a table's column names.
    inputs = frame if hasattr(model, "feature_names_in_") or names else frame.to_numpy()
    truth = rows.frame[target]
    if holes := int(truth.isna().sum()):
        raise MlopsError(
            f"{holes} rows of {rows.path} have no '{target}'", "Remove these rows first"
        )
    task = _task(model, truth)
    return Subject(detail, model, task, inputs, _truth(model, task, truth, rows), target)


def _target(rows: ScoredTable, names: list[str], wanted: str, *, known: bool) -> str:
    columns = [str(name) for name in rows.frame.columns]
    if len(set(columns)) < len(columns):
        raise UsageError(f"{rows.path} has two columns of one name", "Rename one of them")
    if wanted:
        if wanted not in columns:
            hint = nearest(wanted, columns) or f"It has: {', '.join(columns[:8])}"
            raise UsageError(f"{rows.path} has no column '{wanted}'", hint)
        return wanted
    others = [name for name in columns if name not in names]
    if known and len(others) == 1:
        return others[0]
    if not known:
        raise UsageError(
            "The model's inputs have no names, so its target cannot be guessed",
            "Name the column: --target NAME",
        )
    what = f"{len(others)} columns are not inputs of the model" if others else "Every column is an input of the model"  # fmt: skip
    shown = f" ({', '.join(others[:5])})" if others else ""
    raise UsageError(f"Which column of {rows.path} is the target? {what}{shown}", "Add: --target NAME")  # fmt: skip


def _task(model: Any, truth: pd.Series[Any]) -> Task:
    if hasattr(model, "fit"):
        from sklearn.base import is_classifier, is_regressor

        if is_classifier(model):
            return "classification"
        if is_regressor(model):
            return "regression"
        raise MlopsError(
            f"A {type(model).__name__} is neither a classifier nor a regressor",
            "Only these can be compared with true values",
        )
    numbers = pd.api.types.is_float_dtype(truth) and bool((truth % 1 != 0).any())
    return "regression" if numbers else "classification"


def _truth(model: Any, task: Task, truth: pd.Series[Any], rows: ScoredTable) -> NDArray[Any]:
    if task == "regression":
        if not pd.api.types.is_numeric_dtype(truth):
            raise MlopsError(f"'{truth.name}' of {rows.path} is not a number", "Check --target")
        return truth.to_numpy(dtype=float)
    values = truth.to_numpy()
    classes = getattr(model, "classes_", None)
    if classes is None:
        return values
    strange = sorted(set(map(str, np.unique(values))) - set(map(str, classes)))
    if strange or (values.dtype.kind in "iufb") != (np.asarray(classes).dtype.kind in "iufb"):
        raise MlopsError(
            f"'{truth.name}' of {rows.path} has values that the model does not know: "
            f"{', '.join(strange[:5]) or values.dtype.name}",
            f"It knows: {', '.join(map(str, classes[:8]))}. Check --target",
        )
    return values


def _predict(model: Any, inputs: Any) -> Any:
    if hasattr(model, "predict"):
        return model.predict(inputs)
    import torch

    with torch.no_grad():
        made = model(torch.from_numpy(np.asarray(inputs, dtype=np.float32)))
    return made.detach().cpu().numpy()


def _as_probabilities(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a network's outputs (probabilities, their logarithms, or logits) as probabilities."""
    if (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-4):
        return scores
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
