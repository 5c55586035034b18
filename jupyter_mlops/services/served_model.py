"""What `service build` packages: a run's native model, its files, its columns and reference rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_mlops import formats
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.models.model import Model

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from jupyter_mlops.project import Project
    from jupyter_mlops.runs.records import RunDetail

_REFERENCE_ROWS = 1000
_SEED = 0
_TENSOR = re.compile(r"(\w+)\[([-\d×]*)\]")


@dataclass
class ServedModel:
    """What is packaged.

    `inputs` are the schema's columns; `framed` says that the model wants a DataFrame, else an array
    of `dtype` whose rows have `shape`.
    """

    run: RunDetail
    model: Any
    folder: Path
    format: formats.Format
    inputs: list[dict[str, Any]]
    reference: pd.DataFrame
    framed: bool
    dtype: str
    shape: list[int]

    @property
    def library(self) -> str:
        """Whose model it is: sklearn, torch, onnx, …."""
        flavor = self.run.model.flavor if self.run.model else ""
        return {"pytorch": "torch"}.get(flavor, flavor)

    @property
    def is_network(self) -> bool:
        """Whether it answers with numbers for each row, and has no labels."""
        return self.format.is_network(self.model)

    @property
    def task(self) -> str:
        """What the service answers with."""
        if self.is_network:
            return "tensor"
        return "classification" if hasattr(self.model, "predict_proba") else "prediction"

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


def read(run: str, *, allow_pickle: bool, project: Project) -> ServedModel:
    """Return the model of a run, ready to be packaged.

    Raises:
        MlopsError: it cannot be; the message says why.
    """
    found = Model.find(run, project=project)
    model = found.load(allow_pickle=allow_pickle)
    format = found.format
    network = format.is_network(model)
    if not network and not hasattr(model, "predict"):
        raise MlopsError(
            f"The model of run '{found.run.name}' ({type(model).__name__}) has no predict()",
            "Fit an estimator after it, or a Pipeline of both",
        )
    training = found.training_data
    names, dtype, shape = _signature(found.info.inputs, training, network=network)
    training = training.rename(columns=str)[names]
    reference = training.sample(min(len(training), _REFERENCE_ROWS), random_state=_SEED)
    return ServedModel(
        run=found.run,
        model=model,
        folder=found.folder,
        format=format,
        inputs=columns(training),
        reference=reference.reset_index(drop=True),
        framed=not network and hasattr(model, "feature_names_in_"),
        dtype=dtype,
        shape=shape,
    )


def _signature(
    inputs: list[dict[str, str]], training: pd.DataFrame, *, network: bool
) -> tuple[list[str], str, list[int]]:
    """Return the names of the input columns, and for an array its type and the shape of one row."""
    tensor = _TENSOR.fullmatch(inputs[0]["type"]) if len(inputs) == 1 else None
    if tensor is None:
        names = [item["name"] for item in inputs] or list(map(str, training.columns))
        missing = [name for name in names if name not in set(map(str, training.columns))]
        if missing:
            raise MlopsError(
                f"The run's training data has no column '{missing[0]}', which its model needs",
                "Make the columns inside a Pipeline, or train on a DataFrame that has them",
            )
        # Without a signature a network is asked in the type that torch makes weights of.
        return names, "float32" if network else "float64", [len(names)]
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
        f"Column '{series.name}' holds {kind} values: JSON cannot hold them, or they are of several types",
        "Turn them into numbers, strings, booleans or dates before training",
    )
