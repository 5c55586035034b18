"""An ONNX file: check its protobuf message, and create an onnxruntime session that predicts.

onnxruntime runs only its own operators, but a model may name other files: external tensor data, and
compiled parts. The check parses the message without the `onnx` package, which a service does not need.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .refused import Refused, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RUNS_CODE = False

_WHAT = "The ONNX file"
_DEEPEST = 64
#: Fields that hold messages of interest, by message: field number to message.
_PARTS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function", 20: "training"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_LARGEST_KEY = 0xFFFFFFFF
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_OPERATOR, _DOMAIN, _FUNCTION_DOMAIN = 4, 7, 10
_DOMAINS = {
    b"",
    b"ai.onnx",
    b"ai.onnx.ml",
    b"ai.onnx.training",
    b"ai.onnx.preview.training",
    b"com.microsoft",
}
#: This operator refers to a compiled part in another file.
_DENIED = {b"EPContext"}
_TYPES = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64",
    "tensor(int32)": "int32", "tensor(bool)": "bool", "tensor(string)": "object",
}  # fmt: skip


def check(content: bytes) -> None:
    """Raise unless a model holds all its tensor data and uses only operators of onnxruntime.

    Raises:
        Refused: it is not an ONNX model, names another file, or needs a library of operators.
    """
    with one_line(_WHAT):
        view = memoryview(content)
        if not any(number == 7 for number, _ in _fields(view)):
            raise Refused(f"{_WHAT} holds no graph")
        _walk(view, "model", 0, _local_domains(view))


class Session:
    """An onnxruntime session with `predict`; `session` is onnxruntime's own object.

    `feature_names_in_` exists if the model was fitted on a table. The inputs are one array of all features, or one
    array for each column. `about` is what ONNX does not store: the columns, the labels, the shape of a prediction.
    """

    def __init__(self, content: bytes, about: dict[str, Any]) -> None:
        self.session = _session(content)
        self.about = about
        self.content = content
        self._inputs = self.session.get_inputs()
        if about.get("columns"):
            self.feature_names_in_ = about["columns"]

    @staticmethod
    def of(content: bytes, about: dict[str, Any]) -> Session:
        """Return the session for the bytes of a checked file."""
        return (Classifier if about.get("classes") else Session)(content, about)

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Return the predictions for rows: a table with the columns of training, or an array."""
        return self._answers(X)[0].reshape(-1, *self.about.get("answer", ()))

    def __call__(self, rows: Any) -> Any:
        """Return the outputs for an array, like the torch module."""
        outputs = self._answers(rows)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _answers(self, rows: Any) -> list[Any]:
        import numpy as np

        columns = self.about.get("columns") or []
        if columns and hasattr(rows, "columns"):
            rows = rows[columns]
        if len(self._inputs) == 1:
            given = np.ascontiguousarray(rows, dtype=_TYPES[self._inputs[0].type])
            feed = {self._inputs[0].name: given}
        else:
            feed = {
                item.name: np.asarray(rows[column]).reshape(-1, 1).astype(_TYPES[item.type])
                for item, column in zip(self._inputs, columns, strict=True)
            }
        answers: list[Any] = self.session.run(None, feed)
        return answers


class Classifier(Session):
    """A session with probabilities; `classes_` are its labels, in the same order."""

    @property
    def classes_(self) -> Any:
        """The labels, in the order of the probabilities."""
        import numpy as np

        return np.array(self.about["classes"])

    def predict_proba(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Return the probability of each label for rows."""
        return self._answers(X)[1]


def serve(file: Path, about: dict[str, Any], device: str) -> Callable[[list[Any]], dict[str, Any]]:
    """Return a function that predicts checked rows in a service."""
    import numpy as np

    content = file.read_bytes()
    check(content)
    # The service computes one batch at a time; more threads make it slower.
    session = _session(content, threads=int(os.environ.get("MLOPS_ONNX_THREADS", "1")))
    inputs = session.get_inputs()
    dtypes = [_TYPES[item.type] for item in inputs]
    shape = [-1, *about["shape"]]
    of_torch = about["of_torch"]

    def feed(rows: list[Any]) -> dict[str, Any]:
        if len(inputs) == 1:
            return {inputs[0].name: np.array(rows, dtype=dtypes[0]).reshape(shape)}
        columns = zip(inputs, dtypes, zip(*rows, strict=True), strict=True)
        return {item.name: np.array(given, dtype).reshape(-1, 1) for item, dtype, given in columns}

    def answer(rows: list[Any]) -> dict[str, Any]:
        first, *more = session.run(None, feed(rows))
        if of_torch and first.ndim == 2 and first.shape[1] > 1 and first.dtype.kind == "f":
            return {"prediction": first.argmax(1).tolist(), "scores": first.tolist()}
        if of_torch or not more:
            # A regressor's predictions are a column.
            flat = first if of_torch or first.shape[1:] != (1,) else first[:, 0]
            return {"prediction": flat.tolist()}
        return {"prediction": first.tolist(), "probability": more[0].tolist()}

    return answer


def _session(content: bytes, threads: int = 0) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # onnxruntime's other format is precompiled, and is not checked here.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return onnxruntime.InferenceSession(
        content, options, providers=onnxruntime.get_available_providers()
    )


def _local_domains(view: memoryview) -> set[bytes]:
    """Return the domains of the functions that the model defines."""
    found = set()
    for number, function in _fields(view):
        if number == 25 and isinstance(function, memoryview):
            found |= {
                bytes(value)
                for inner, value in _fields(function)
                if inner == _FUNCTION_DOMAIN and isinstance(value, memoryview)
            }
    return found


def _walk(view: memoryview, message: str, depth: int, local: set[bytes]) -> None:
    if depth > _DEEPEST:
        raise Refused(f"{_WHAT} is nested too deeply")
    parts = _PARTS[message]
    for number, value in _fields(view):
        if message == "tensor" and (
            number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)
        ):
            raise Refused(f"{_WHAT} keeps numbers in another file")
        if message == "node" and isinstance(value, memoryview):
            text = bytes(value)
            if number == _DOMAIN and text not in _DOMAINS | local:
                raise Refused(
                    f"{_WHAT} needs operators of '{ascii(text)[2:60]}, which onnxruntime does not have"
                )
            if number == _OPERATOR and text in _DENIED:
                raise Refused(f"{_WHAT} keeps a compiled part in another file")
        if number in parts:
            if not isinstance(value, memoryview):
                raise Refused(f"{_WHAT} is damaged")
            _walk(value, parts[number], depth + 1, local)


def _fields(view: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and value of each field of a message.

    Raises:
        Refused: the message ends too early, or has a field of an unknown kind.
    """
    at, end = 0, len(view)
    while at < end:
        key, at = _varint(view, at)
        if key > _LARGEST_KEY or not key >> 3:
            # onnxruntime drops the higher bits, and would read another field than this check.
            raise Refused(f"{_WHAT} is no protobuf message")
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(view, at)
            yield number, value
        elif kind == 2:
            length, at = _varint(view, at)
            if length > end - at:
                raise Refused(f"{_WHAT} ends too early")
            yield number, view[at : at + length]
            at += length
        elif kind in {1, 5}:
            at += 8 if kind == 1 else 4
            yield number, 0
        else:
            raise Refused(f"{_WHAT} is no protobuf message")
    if at > end:
        raise Refused(f"{_WHAT} ends too early")


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(view):
            raise Refused(f"{_WHAT} ends too early")
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise Refused(f"{_WHAT} is no protobuf message")
