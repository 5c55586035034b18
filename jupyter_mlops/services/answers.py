"""The model's answers in this process, and whether a service's are the same."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from jupyter_mlops.services.records import Parity
from jupyter_mlops.text import cut

if TYPE_CHECKING:
    import pandas as pd

    from jupyter_mlops.services.served_model import ServedModel

#: Floats may differ by so much, absolutely or relatively.
TOLERANCE = 1e-6


def expected(source: ServedModel, rows: pd.DataFrame) -> dict[str, list[Any]]:
    """Return the model's own answers to rows, called as the notebook calls it."""
    import numpy as np

    given = source.features(rows)
    if source.is_network:
        return _scores(source.format.outputs(source.model, given))
    answers = {"prediction": np.asarray(source.model.predict(given)).tolist()}
    if hasattr(source.model, "predict_proba"):
        answers["probability"] = np.asarray(source.model.predict_proba(given)).tolist()
    return answers


def _scores(output: Any) -> dict[str, list[Any]]:
    """Return a network's output: for each row the index of the highest score, if it has several."""
    if output.ndim == 2 and output.shape[1] > 1 and output.dtype.kind == "f":
        return {"prediction": output.argmax(1).tolist(), "scores": output.tolist()}
    return {"prediction": output.tolist()}


def compare(answered: dict[str, list[Any]], wanted: dict[str, list[Any]]) -> tuple[Parity, str]:
    """Return whether two sets of answers are equal, and the first difference in words."""
    rows = len(wanted["prediction"])
    largest, first = 0.0, ""
    if answered.keys() != wanted.keys():
        first = f"it answers {sorted(answered)} instead of {sorted(wanted)}"
    for key, values in wanted.items():
        given = answered.get(key, [])
        if len(given) != len(values):
            first = first or f"{len(given)} answers to {len(values)} rows"
            continue
        for index, (a, b) in enumerate(zip(given, values, strict=True)):
            difference = _difference(a, b)
            if difference > TOLERANCE:
                first = first or f"row {index}: {key} {_short(a)} instead of {_short(b)}"
            if math.isfinite(difference):
                largest = max(largest, difference)
    return Parity(rows=rows, equal=not first, largest_difference=largest), first


def _difference(a: Any, b: Any) -> float:
    """Return how far two answers are apart: 0 for equal, infinity for unlike things."""
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return math.inf
        return max((_difference(x, y) for x, y in zip(a, b, strict=True)), default=0.0)
    if isinstance(b, float) and math.isnan(b):
        # JSON has no NaN: it is answered as null.
        return 0.0 if a is None else math.inf
    if isinstance(a, (int, float)) and isinstance(b, float) and not isinstance(a, bool):
        return 0.0 if a == b else abs(a - b) / max(1.0, abs(b))
    return 0.0 if type(a) is type(b) and a == b else math.inf


def _short(value: Any) -> str:
    return cut(str(value), 60)
