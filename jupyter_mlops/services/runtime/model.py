"""The model of the Bento: loaded once for each worker, answering a batch of rows at a time."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

# A Bento carries a copy of these checks: there the name is `mlops_runtime.model_files`.
from jupyter_mlops.model_files import onnx_file, pt2_file, skops_file

from .estimator import LIKELIEST, forest, forget_names, single_threaded, takes_array
from .schema import Row, Schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


_ONNX_TYPES = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64",
    "tensor(int32)": "int32", "tensor(bool)": "bool", "tensor(string)": "object",
}  # fmt: skip


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
        if about["kind"] == "onnx":
            return cls(_onnx_predict(folder / about["file"], about))
        estimator = _load_estimator(folder / about["file"], about)
        example = schema.from_values(
            json.loads((folder / "warmup.json").read_text(encoding="utf-8")), None
        )
        return cls(_sklearn_predict(estimator, schema, about, example))


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
        # Its types are held against the reviewed list here, not against what model.json says.
        # A booster that ends the process that reads it ends this one alone, which is only a service.
        estimator = skops_file.load(path.read_bytes(), tried=True)
    else:
        _refuse_unsealed(path)
        with path.open("rb") as file:
            estimator = pickle.load(file)
    return single_threaded(estimator)


def _refuse_unsealed(path: Path) -> None:
    """Raise unless this was built with --allow-pickle: loading it runs the code inside.

    The seal lies beside the folder with the service. Without it, when that folder was copied by itself,
    origin.json tells how it was built. Whether the seal is genuine is checked before the service starts.
    """
    folder = path.parent.parent
    seal = folder.parent / "seal.json"
    said = json.loads((seal if seal.exists() else folder / "origin.json").read_text("utf-8"))
    if said.get("allow_pickle") is not True:
        raise ValueError(
            f"{path.name} runs code when it is loaded, and this was built without --allow-pickle"
        )


def _sklearn_predict(
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
        given = features(rows)
        probability = np.asarray(probabilities(given))
        if one_pass:
            labels = estimator.classes_.take(probability.argmax(axis=1), axis=0)
        else:
            labels = np.asarray(estimator.predict(given))
        return Predictions(labels.tolist(), probability.tolist())

    return classify


def _onnx_predict(path: Path, about: dict[str, Any]) -> Callable[[list[Row]], Predictions]:
    """Return the answers of an ONNX file, which has one input for all columns or one for each."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One batch at a time is computed; threads inside it only cost.
    options.intra_op_num_threads = int(os.environ.get("MLOPS_ONNX_THREADS", "1"))
    options.log_severity_level = 3
    # Its other format is compiled ahead, and nothing here has looked into it.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    content = path.read_bytes()
    onnx_file.check(content)
    session = onnxruntime.InferenceSession(
        content, options, providers=onnxruntime.get_available_providers()
    )
    inputs = session.get_inputs()
    dtypes = [_ONNX_TYPES[item.type] for item in inputs]
    shape = [-1, *about["shape"]]
    of_torch = about["of_torch"]

    def feed(rows: list[Row]) -> dict[str, Any]:
        if len(inputs) == 1:
            return {inputs[0].name: np.array(rows, dtype=dtypes[0]).reshape(shape)}
        columns = zip(inputs, dtypes, zip(*rows, strict=True), strict=True)
        return {item.name: np.array(given, dtype).reshape(-1, 1) for item, dtype, given in columns}

    def predict(rows: list[Row]) -> Predictions:
        first, *more = session.run(None, feed(rows))
        if of_torch and first.ndim == 2 and first.shape[1] > 1 and first.dtype.kind == "f":
            return Predictions(first.argmax(1).tolist(), scores=first.tolist())
        if of_torch or not more:
            # A regressor's answers come in a column.
            flat = first if of_torch or first.shape[1:] != (1,) else first[:, 0]
            return Predictions(flat.tolist())
        return Predictions(first.tolist(), more[0].tolist())

    return predict


def _torch_model(folder: Path, about: dict[str, Any]) -> Model:
    import torch

    device = os.environ.get("MLOPS_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cpu":
        # One request at a time is computed; threads inside a small layer only cost.
        torch.set_num_threads(int(os.environ.get("MLOPS_TORCH_THREADS", "1")))
    module = _load_module(folder / about["file"], about["format"], device)
    shape = [-1, *about["shape"]]
    dtype = about["dtype"]

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


def _load_module(path: Path, format: str, device: str) -> Any:
    import torch

    if format != "torch-pt2":
        _refuse_unsealed(path)
    if path.suffix != ".pt2":
        return torch.load(path, map_location=device, weights_only=False).to(device).eval()
    program = pt2_file.load(path) if format == "torch-pt2" else torch.export.load(path)
    if device != "cpu":
        from torch.export.passes import move_to_device_pass

        # An exported graph names the device of its constants; `.to()` alone would miss these.
        program = move_to_device_pass(program, device)
    return program.module()
