"""onnx, on request: convert the model, and compare both models' predictions on the training rows."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import MissingBackend
from jupyter_mlops.formats.base.format import Format, NotKept, PackedModel
from jupyter_mlops.text import error_line

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow.entities import Metric, Param

    from jupyter_mlops.formats.base.fitted_model import FittedModel
    from jupyter_mlops.formats.mlflow_models.mlmodel import Flavors

#: Absolute and relative; ONNX computes in single precision.
_TOLERANCE = 1e-4
_METADATA = "mlops"


class Onnx(Format):
    """MLflow's flavour onnx; columns and labels, which ONNX does not store, are metadata in `MLmodel`."""

    name = "onnx"
    help = "scikit-learn and torch, converted"
    libraries = frozenset({"sklearn", "pytorch"})
    file = "model.onnx"
    order = 40
    modules = ("onnx", "skl2onnx", "onnxruntime")
    extra = "onnx"

    def save(self, found: FittedModel, *, params: list[Param], metrics: list[Metric]) -> None:
        """Convert a model, compare its predictions, and log it; MLflow adds the run's params and metrics."""
        import mlflow.models
        import mlflow.onnx
        import onnx

        from jupyter_mlops.environment.packages import pinned

        if found.sample is None:
            raise NotKept("it is not known which rows it was trained on")
        convert = _torch if found.flavor == "pytorch" else _sklearn
        content, about, answers = convert(found)
        mlflow.onnx.log_model(
            onnx.load_from_string(content),
            name="model",
            signature=mlflow.models.infer_signature(found.sample, answers),
            pip_requirements=pinned("onnx", "onnxruntime", "numpy", "pandas"),
            metadata={_METADATA: about},
        )

    def matches(self, folder: Path, flavors: Flavors) -> bool:
        """Whether MLflow's flavour is onnx; the file may have any name."""
        return self.name in flavors

    def library(self, flavors: Flavors) -> str:
        """Return the format's own name: it needs no other library."""
        return self.name

    def check(self, folder: Path, flavors: Flavors) -> None:
        """Raise unless the model uses no other files and only known operators."""
        from jupyter_mlops.model_files import onnx_file

        onnx_file.check(_path(folder, flavors).read_bytes())

    def load(self, folder: Path, *, allow_code: bool) -> Any:
        """Return a session with `predict`."""
        from jupyter_mlops.formats.mlflow_models import mlmodel
        from jupyter_mlops.model_files import onnx_file

        text = mlmodel.text(folder)
        content = _path(folder, mlmodel.flavors(text)).read_bytes()
        onnx_file.check(content)
        try:
            # Loaded from bytes, so that the model cannot read other files.
            return onnx_file.Session.of(content, mlmodel.metadata(text, _METADATA))
        except ImportError:
            raise MissingBackend(
                "ONNX models need onnxruntime, which is not installed", "onnx"
            ) from None

    def pack(
        self,
        folder: Path,
        model: Any,
        target: Path,
        *,
        example: Any,
        allow_code: bool,
    ) -> PackedModel:
        """Write the bytes that the session was loaded from."""
        from jupyter_mlops.model_files import onnx_file

        (target / self.file).write_bytes(model.content)
        return PackedModel(
            self.name,
            self.file,
            loader=onnx_file.__name__,
            asked="rows",
            packages=("onnxruntime",),
            about={"of_torch": self.is_network(model)},
        )

    def is_network(self, model: Any) -> bool:
        """Whether the model was converted from a torch module."""
        return bool(model.about.get("of") == "torch")


FORMAT = Onnx()


def _path(folder: Path, flavors: Flavors) -> Path:
    """Return the file that `MLmodel` names.

    Raises:
        UnsafePath: it is not one of the model's files.
    """
    from jupyter_mlops.paths import below

    named = flavors[FORMAT.name].get("data", FORMAT.file)
    return below(folder, named, source="The MLmodel file")


def _sklearn(found: FittedModel) -> tuple[bytes, dict[str, Any], Any]:
    import numpy as np

    from jupyter_mlops.model_files import onnx_file

    model, sample = found.model, found.sample
    if not hasattr(model, "predict"):
        raise NotKept(f"{type(model).__name__} has no predict()")
    answers = np.asarray(model.predict(sample))
    about: dict[str, Any] = {
        "of": type(model).__name__,
        "columns": [str(name) for name in getattr(sample, "columns", ())],
        "answer": [*answers.shape[1:]],
    }
    if hasattr(model, "predict_proba"):
        labels = getattr(model, "classes_", None)
        if labels is None or not hasattr(labels, "tolist"):
            raise NotKept("it predicts several label columns")
        about["classes"] = labels.tolist()
    content = _converted(model, sample, classifies="classes" in about)
    loaded = onnx_file.Session.of(content, about)
    _same("labels" if "classes" in about else "predictions", loaded.predict(sample), answers)
    if "classes" in about:
        _same("probabilities", loaded.predict_proba(sample), model.predict_proba(sample))  # type: ignore[attr-defined]
    return content, about, answers


def _converted(model: Any, sample: Any, *, classifies: bool) -> bytes:
    """Convert with one input for all features; if that fails, with one input for each column."""
    import skl2onnx
    from skl2onnx.common import data_types

    kinds = {
        "f": data_types.FloatTensorType, "i": data_types.Int64TensorType,
        "u": data_types.Int64TensorType, "b": data_types.Int64TensorType,
    }  # fmt: skip
    framed = hasattr(sample, "columns")
    numeric = not framed or all(dtype.kind in kinds for dtype in sample.dtypes)
    tried = []
    if numeric:
        tried.append([("X", data_types.FloatTensorType([None, sample.shape[1]]))])
    if framed:
        tried.append(
            [
                (str(name), kinds.get(dtype.kind, data_types.StringTensorType)([None, 1]))
                for name, dtype in sample.dtypes.items()
            ]
        )
    why = ""
    for inputs in tried:
        try:
            converted = skl2onnx.to_onnx(
                model, initial_types=inputs, options={"zipmap": False} if classifies else None
            )
            return bytes(converted.SerializeToString())
        except Exception as error:  # the converters raise many types
            why = why or f"{type(error).__name__}: {error_line(error)}"
    raise NotKept(f"skl2onnx does not convert it ({why})")


def _torch(found: FittedModel) -> tuple[bytes, dict[str, Any], Any]:
    import numpy as np
    import torch

    from jupyter_mlops.formats.libraries import torch_modules
    from jupyter_mlops.model_files import onnx_file

    module, rows = found.model, found.sample
    buffer = io.BytesIO()
    try:
        with torch_modules.evaluating(module) as device:
            answers = module(torch.from_numpy(rows).to(device))
            if not isinstance(answers, torch.Tensor):
                raise NotKept("it returns more than one tensor")
            # The newer exporter needs onnxscript; tracing is enough, and its outputs are compared.
            torch.onnx.export(
                module, (torch.from_numpy(rows[:2]).to(device),), buffer, dynamo=False,
                input_names=["X"], output_names=["output"],
                dynamic_axes={"X": {0: "rows"}, "output": {0: "rows"}},
            )  # fmt: skip
    except NotKept:
        raise
    except Exception as error:  # a failed trace raises many types
        raise NotKept(f"torch.onnx does not export it ({error_line(error)})") from error
    answers = answers.cpu().numpy()
    about = {"of": "torch", "columns": [], "answer": [*answers.shape[1:]]}
    _same("outputs", np.asarray(onnx_file.Session.of(buffer.getvalue(), about)(rows)), answers)
    return buffer.getvalue(), about, answers


def _same(what: str, given: Any, wanted: Any) -> None:
    """Raise unless ONNX predicts the same: equal labels, numbers within the tolerance."""
    import numpy as np

    given, wanted = np.asarray(given), np.asarray(wanted)
    if given.shape != wanted.shape:
        raise NotKept(f"its {what} have the shape {given.shape} as ONNX, not {wanted.shape}")
    if what == "labels" or wanted.dtype.kind not in "fc":
        wrong = given != wanted
    else:
        wrong = ~np.isclose(given, wanted, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)
    if wrong.any():
        rows = int(wrong.reshape(len(wrong), -1).any(axis=1).sum())
        raise NotKept(f"as ONNX its {what} differ in {rows} of {len(wrong)} rows")
