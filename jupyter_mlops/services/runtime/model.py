"""The Bento's model: it is loaded once per worker, and predicts one batch of rows at a time."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from .estimator import LIKELIEST, forest, forget_names, single_threaded, takes_array
from .schema import Row, Schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Predictions:
    """The model's predictions for a batch, by row; `probability` or `scores` if it has them."""

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
        file, loader = folder / about["file"], _loader(folder, about)
        if about["asked"] == "network":
            return _network(loader, file, about)
        if about["asked"] == "rows":
            answer = loader.serve(file, about, "cpu")
            return cls(lambda rows: Predictions(**answer(rows)))
        estimator = single_threaded(loader.serve(file, about, "cpu"))
        schema = Schema.read(folder / "schema.json")
        example = schema.from_values(
            json.loads((folder / "warmup.json").read_text(encoding="utf-8")), None
        )
        return cls(_estimator_predict(estimator, schema, about, example))


def to_frame(rows: list[Row], schema: Schema) -> Any:
    """Return rows as a DataFrame with the names, order and types of the training data."""
    import pandas as pd

    if all(column.dtype == "float64" for column in schema.columns):
        return pd.DataFrame(
            np.array(rows, dtype=np.float64), columns=list(schema.names), copy=False
        )
    values = zip(*rows, strict=True)
    return pd.DataFrame(
        {
            column.name: _series(list(items), column)
            for column, items in zip(schema.columns, values, strict=True)
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


def _loader(folder: Path, about: dict[str, Any]) -> Any:
    """Return the module, beside this one in the Bento, that loads the model's file.

    Raises:
        ValueError: it is none of the Bento's, or loading runs code and this was built without --allow-pickle.
    """
    name = about["loader"]
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError("model.json names no module that loads the model")
    module = import_module(f"{__package__}.model_files.{name}")
    if module.RUNS_CODE is not False:
        _refuse_unsealed(folder, about["file"])
    return module


def _refuse_unsealed(folder: Path, file: str) -> None:
    """Raise unless this was built with --allow-pickle.

    The seal lies beside the service's folder. If the folder was copied without it, origin.json says how the
    service was built. The seal's signature is checked before the service starts.
    """
    seal = folder.parent / "seal.json"
    about = json.loads((seal if seal.exists() else folder / "origin.json").read_text("utf-8"))
    if about.get("allow_pickle") is not True:
        raise ValueError(
            f"{file} runs code when it is loaded, and this was built without --allow-pickle"
        )


def _estimator_predict(
    estimator: Any, schema: Schema, about: dict[str, Any], example: list[Row]
) -> Callable[[list[Row]], Predictions]:
    plain = about["input"] != "frame" or takes_array(estimator, schema)
    shape = [-1, *about["shape"]]
    dtype = about["dtype"]
    if plain:
        forget_names(estimator)

    def features(rows: list[Row]) -> Any:
        return np.array(rows, dtype=dtype).reshape(shape) if plain else to_frame(rows, schema)

    direct = forest(estimator, features(example)) if plain else None
    if not hasattr(estimator, "predict_proba"):
        answer = direct or estimator.predict
        return lambda rows: Predictions(np.asarray(answer(features(rows))).tolist())

    final = estimator[-1] if hasattr(estimator, "steps") else estimator
    one_pass = type(final).__name__ in LIKELIEST and getattr(final, "n_outputs_", 1) == 1
    probabilities = direct or estimator.predict_proba

    def classify(rows: list[Row]) -> Predictions:
        inputs = features(rows)
        probability = np.asarray(probabilities(inputs))
        if one_pass:
            labels = estimator.classes_.take(probability.argmax(axis=1), axis=0)
        else:
            labels = np.asarray(estimator.predict(inputs))
        return Predictions(labels.tolist(), probability.tolist())

    return classify


def _network(loader: Any, file: Path, about: dict[str, Any]) -> Model:
    """Return a torch module that is called with a tensor of all rows, on the GPU where there is one."""
    import torch

    device = os.environ.get("MLOPS_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cpu":
        # Only one batch is computed at a time, and more threads slow down small layers.
        torch.set_num_threads(int(os.environ.get("MLOPS_TORCH_THREADS", "1")))
    module = loader.serve(file, about, device)
    shape = [-1, *about["shape"]]
    dtype = about["dtype"]

    def predict(rows: list[Row]) -> Predictions:
        inputs = torch.from_numpy(np.array(rows, dtype=dtype).reshape(shape)).to(device)
        with torch.inference_mode():
            output = module(inputs)
        if isinstance(output, (tuple, list)):
            output = output[0]
        if output.ndim == 2 and output.shape[1] > 1 and output.is_floating_point():
            return Predictions(output.argmax(1).tolist(), scores=output.float().tolist())
        return Predictions(
            output.float().tolist() if output.is_floating_point() else output.tolist()
        )

    return Model(predict, device)
