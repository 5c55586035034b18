"""An ONNX model that answers as the estimator did that it was made from."""

from __future__ import annotations

from typing import Any

from jupyter_mlops.errors import MissingBackend

_TYPES = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64",
    "tensor(int32)": "int32", "tensor(bool)": "bool", "tensor(string)": "object",
}  # fmt: skip


class OnnxModel:
    """A session of onnxruntime with `predict`; `session` is the session itself.

    `feature_names_in_` is there when it was fitted on a table. An input is one array of all
    features, or one for each column.
    """

    def __init__(self, content: bytes, about: dict[str, Any]) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise MissingBackend(
                "ONNX models need onnxruntime, which is not installed", "onnx"
            ) from None
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Its other format is compiled ahead, and nothing here has looked into it.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        self.session = onnxruntime.InferenceSession(
            content,
            options,
            providers=onnxruntime.get_available_providers(),
        )
        self.about = about
        self.content = content
        self._inputs = self.session.get_inputs()
        if about.get("columns"):
            self.feature_names_in_ = about["columns"]

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Return the predictions for rows: a table with the columns of training, or an array."""
        return self._answers(X)[0].reshape(self._shape)

    def __call__(self, rows: Any) -> Any:
        """Return the outputs for an array, as the torch module did."""
        outputs = self._answers(rows)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    @property
    def _shape(self) -> tuple[int, ...]:
        return (-1, *self.about.get("answer", ()))

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


class OnnxClassifier(OnnxModel):
    """One that has probabilities too; `classes_` are its labels in their order."""

    @property
    def classes_(self) -> Any:
        """The labels, in the order of the probabilities."""
        import numpy as np

        return np.array(self.about["classes"])

    def predict_proba(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Return the probability of each label for rows."""
        return self._answers(X)[1]


def load(content: bytes, about: dict[str, Any]) -> OnnxModel:
    """Return the model of an ONNX file; `about` is what was kept with it."""
    return (OnnxClassifier if about.get("classes") else OnnxModel)(content, about)
