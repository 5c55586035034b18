"""The model of the Bento: loaded once for each worker, answering a batch of rows at a time."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .schema import Row, Schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: These define `predict` as the likeliest class, so one pass over the trees gives both.
_LIKELIEST = {
    "BaggingClassifier",
    "DecisionTreeClassifier",
    "ExtraTreesClassifier",
    "RandomForestClassifier",
}


@dataclass(frozen=True, slots=True)
class Predictions:
    """What the model says of a batch, by row; `probability` or `scores` where it has them."""

    prediction: list[Any]
    probability: list[Any] | None = None
    scores: list[Any] | None = None

    def part(self, start: int, stop: int) -> dict[str, list[Any]]:
        """Return the answer for rows `start` to `stop`."""
        answer = {"prediction": self.prediction[start:stop]}
        if self.probability is not None:
            answer["probability"] = self.probability[start:stop]
        if self.scores is not None:
            answer["scores"] = self.scores[start:stop]
        return answer


class Model:
    """A loaded model: `predict` takes checked rows in the schema's order."""

    def __init__(self, predict: Callable[[list[Row]], Predictions], device: str = "cpu") -> None:
        self.predict = predict
        self.device = device

    @classmethod
    def load(cls, folder: Path) -> Model:
        """Load the model that `model.json` in `folder` describes."""
        about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        schema = Schema.read(folder / "schema.json")
        if about["kind"] == "torch":
            return _torch_model(folder, about)
        estimator = _load_estimator(folder / about["file"], about)
        return cls(_sklearn_predict(estimator, schema, about))


def to_frame(rows: list[Row], schema: Schema) -> Any:
    """Return rows as the DataFrame that the model was trained on: same names, order and types."""
    import pandas as pd

    if all(column.dtype == "float64" for column in schema.columns):
        return pd.DataFrame(
            np.array(rows, dtype=np.float64), columns=list(schema.names), copy=False
        )
    values = zip(*rows, strict=True)
    return pd.DataFrame(
        {
            column.name: _series(list(given), column)
            for column, given in zip(schema.columns, values, strict=True)
        },
        copy=False,
    )


def _series(values: list[Any], column: Any) -> Any:
    import pandas as pd

    if column.missing == "nan" and None in values:
        values = [np.nan if value is None else value for value in values]
    if column.categories is not None:
        return pd.Series(pd.Categorical(values, categories=list(column.categories)))
    if column.type == "datetime":
        return pd.Series(pd.to_datetime(values)).astype(column.dtype)
    return pd.Series(values, dtype=column.dtype)


def _load_estimator(path: Path, about: dict[str, Any]) -> Any:
    if about["format"] == "skops":
        import skops.io

        # Exactly the types that were reviewed when this was built; any other refuses to load.
        estimator = skops.io.load(path, trusted=about["trusted"])
    else:
        # Built with --allow-pickle: loading it runs the code inside.
        with path.open("rb") as file:
            estimator = pickle.load(file)
    threads = [name for name in estimator.get_params() if name.split("__")[-1] == "n_jobs"]
    # Batches give the parallelism; a pool of threads for each call costs more than a small batch.
    return estimator.set_params(**dict.fromkeys(threads, 1)) if threads else estimator


def _sklearn_predict(
    estimator: Any, schema: Schema, about: dict[str, Any]
) -> Callable[[list[Row]], Predictions]:
    framed = about["input"] == "frame"
    shape = [-1, *about.get("shape", [])]
    dtype = about.get("dtype", "float64")

    def features(rows: list[Row]) -> Any:
        if framed:
            return to_frame(rows, schema)
        array = np.array(rows, dtype=dtype)
        return array.reshape(shape) if len(shape) > 1 else array

    if not hasattr(estimator, "predict_proba"):
        return lambda rows: Predictions(np.asarray(estimator.predict(features(rows))).tolist())

    final = estimator[-1] if hasattr(estimator, "named_steps") else estimator
    one_pass = type(final).__name__ in _LIKELIEST and getattr(final, "n_outputs_", 1) == 1

    def classify(rows: list[Row]) -> Predictions:
        given = features(rows)
        probability = np.asarray(estimator.predict_proba(given))
        if one_pass:
            labels = estimator.classes_.take(probability.argmax(axis=1), axis=0)
        else:
            labels = np.asarray(estimator.predict(given))
        return Predictions(labels.tolist(), probability.tolist())

    return classify


def _torch_model(folder: Path, about: dict[str, Any]) -> Model:
    import torch

    device = os.environ.get("MLOPS_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cpu":
        # One request at a time is computed; threads inside a small layer only cost.
        torch.set_num_threads(int(os.environ.get("MLOPS_TORCH_THREADS", "1")))
    module = _load_module(folder, about, device)
    shape = [-1, *about.get("shape", [])]
    dtype = about.get("dtype", "float32")

    def predict(rows: list[Row]) -> Predictions:
        given = torch.from_numpy(np.array(rows, dtype=dtype).reshape(shape)).to(device)
        with torch.inference_mode():
            output = module(given)
        if isinstance(output, (tuple, list)):
            output = output[0]
        if output.ndim == 2 and output.shape[1] > 1 and output.is_floating_point():
            return Predictions(output.argmax(1).tolist(), scores=output.float().tolist())
        return Predictions(
            output.float().tolist() if output.is_floating_point() else output.tolist()
        )

    return Model(predict, device)


def _load_module(folder: Path, about: dict[str, Any], device: str) -> Any:
    import torch

    path = folder / about["file"]
    if about["format"] == "torch-pt2":
        return torch.export.load(path).module().to(device)
    if about["format"] == "safetensors":
        module = _module_from_code(folder, about)
        from safetensors.torch import load_file

        module.load_state_dict(load_file(path))
    else:
        module = torch.load(path, map_location=device, weights_only=False)
    return module.to(device).eval()


def _module_from_code(folder: Path, about: dict[str, Any]) -> Any:
    """Make the module anew from the code that was packaged beside its weights."""
    import importlib.util
    import sys

    spec = importlib.util.spec_from_file_location("mlops_model_code", folder / about["code"])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return getattr(module, about["factory"])(**about.get("arguments", {}))
