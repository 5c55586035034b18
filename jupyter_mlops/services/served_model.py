"""The model of a run as a service needs it: native, with its files, columns and known rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import MlopsError
from jupyter_mlops.models import model as run_model
from jupyter_mlops.runs import query

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from jupyter_mlops.project import Project
    from jupyter_mlops.runs.records import RunDetail

_REFERENCE_ROWS = 1000
_SEED = 0
_TENSOR = re.compile(r"(\w+)\[([-\d×]*)\]")


@dataclass
class Source:
    """What is packaged.

    `inputs` are the schema's columns; `framed` says that the model wants a DataFrame, else an array
    of `dtype` whose rows have `shape`.
    """

    run: RunDetail
    model: Any
    folder: Path
    kind: str
    format: str
    inputs: list[dict[str, Any]]
    reference: pd.DataFrame
    framed: bool
    dtype: str
    shape: list[int]

    @property
    def task(self) -> str:
        """What the service answers with."""
        if self.kind == "torch" or self.of_torch:
            return "tensor"
        return "classification" if hasattr(self.model, "predict_proba") else "prediction"

    @property
    def of_torch(self) -> bool:
        """Whether it is an ONNX model that was a torch module."""
        return self.kind == "onnx" and self.model.about.get("of") == "torch"

    @property
    def classes(self) -> list[Any] | None:
        """A classifier's labels, in the order of its probabilities."""
        labels = getattr(self.model, "classes_", None)
        return list(labels.tolist()) if labels is not None and hasattr(labels, "tolist") else None

    @property
    def consented(self) -> bool:
        """Whether loading it runs code, which the user has allowed."""
        return self.run.model is not None and not self.run.model.safe

    def features(self, frame: pd.DataFrame) -> Any:
        """Return rows as the model wants them."""
        if self.framed:
            return frame
        return frame.to_numpy(dtype=self.dtype).reshape([-1, *self.shape])


def read(run: str, *, allow_pickle: bool, project: Project) -> Source:
    """Return the model of a run, ready to be packaged.

    Raises:
        MlopsError: it cannot be; the message says why.
    """
    detail = query.get(run, project=project)
    if detail.model is None:
        raise MlopsError(
            f"Run '{detail.name}' has no model", "Record a cell that fits one: %%mlops run NAME"
        )
    kind = {"sklearn": "sklearn", "pytorch": "torch", "onnx": "onnx"}.get(detail.model.flavor, "")
    if not kind:
        raise MlopsError(
            f"Run '{detail.name}' has a model of flavour '{detail.model.flavor}'",
            "scikit-learn, torch and ONNX models can be packaged",
        )
    model = run_model.load_model(detail.run_id, allow_pickle=allow_pickle, project=project)
    if kind == "sklearn" and not hasattr(model, "predict"):
        raise MlopsError(
            f"The model of run '{detail.name}' ({type(model).__name__}) has no predict()",
            "Fit an estimator after it, or a Pipeline of both",
        )
    training = run_model.training_data(detail.run_id, project=project)
    names, dtype, shape = _signature(detail.model.inputs, training)
    framed = kind != "torch" and hasattr(model, "feature_names_in_")
    training = training.rename(columns=str)[names]
    reference = training.sample(min(len(training), _REFERENCE_ROWS), random_state=_SEED)
    return Source(
        run=detail,
        model=model,
        folder=run_model.model_files(detail.run_id, project=project),
        kind=kind,
        format=detail.model.format,
        inputs=columns(training),
        reference=reference.reset_index(drop=True),
        framed=framed,
        dtype=dtype,
        shape=shape,
    )


def _signature(
    inputs: list[dict[str, str]], training: pd.DataFrame
) -> tuple[list[str], str, list[int]]:
    """Return the names of the input columns, and for an array its type and the shape of one row."""
    tensor = _TENSOR.fullmatch(inputs[0]["type"]) if len(inputs) == 1 else None
    if tensor is None:
        names = [item["name"] for item in inputs] or list(map(str, training.columns))
        missing = [name for name in names if name not in set(map(str, training.columns))]
        if missing:
            raise MlopsError(
                f"The run's training data has no column '{missing[0]}', which its model wants",
                "Make the columns inside a Pipeline, or train on a DataFrame that has them",
            )
        return names, "float64", [len(names)]
    names = list(map(str, training.columns))
    shape = [int(size) for size in tensor[2].split("×")[1:]]
    return names, tensor[1], shape or [len(names)]


def columns(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the schema of a frame: for each column its name, type, dtype and what else it may be.

    Raises:
        MlopsError: a column is of a kind that JSON rows cannot hold.
    """
    described = []
    for name in frame.columns:
        series = frame[name]
        entry: dict[str, Any] = {
            "name": str(name),
            "type": _type(series),
            "dtype": str(series.dtype),
        }
        if bool(series.isna().any()):
            entry["nullable"] = True
            if series.dtype == object and any(value is None for value in series):
                entry["missing"] = "none"
        if entry["dtype"] == "category":
            entry["categories"] = series.cat.categories.tolist()
        described.append(entry)
    return described


def _type(series: pd.Series[Any]) -> str:
    import pandas as pd
    from pandas.api import types

    dtype: Any = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _type(pd.Series(dtype.categories))
    if types.is_bool_dtype(dtype):
        return "boolean"
    if types.is_integer_dtype(dtype):
        return "integer" if dtype.itemsize < 8 and dtype.kind == "i" else "long"
    if types.is_float_dtype(dtype):
        return "double"
    if types.is_datetime64_any_dtype(dtype):
        return "datetime"
    values = series.dropna()
    if all(isinstance(value, str) for value in values):
        return "string"
    if all(isinstance(value, bool) for value in values):
        return "boolean"
    kind = type(values.iloc[0]).__name__ if len(values) else "nothing"
    raise MlopsError(
        f"Column '{series.name}' holds {kind} values of several kinds or of one that JSON has not",
        "Turn them into numbers, strings, booleans or dates before training",
    )
