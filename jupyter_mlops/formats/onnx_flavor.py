"""Models as ONNX, on request: converted, then compared with the model on the rows it was trained on."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from jupyter_mlops.environment.packages import pinned
from jupyter_mlops.errors import MissingBackend, MlopsError
from jupyter_mlops.formats import onnx_model
from jupyter_mlops.paths import below
from jupyter_mlops.text import error_line

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.formats.fitted import Fitted

#: ONNX computes in single precision.
_TOLERANCE = 1e-4
_METADATA = "mlops"


class NotConverted(MlopsError):
    """The model has no ONNX form, or one that answers differently."""


def check() -> None:
    """Raise unless what converts and runs ONNX is installed.

    Raises:
        MissingBackend: it is not.
    """
    missing = [name for name in ("onnx", "skl2onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise MissingBackend(f"ONNX needs {', '.join(missing)}, which is not installed", "onnx")


def log_model(found: Fitted) -> None:
    """Log a model into MLflow's active run as ONNX.

    Raises:
        NotConverted: it cannot be, and why; nothing is logged.
    """
    import mlflow.models
    import mlflow.onnx
    import onnx

    if found.sample is None:
        raise NotConverted("it is not known which rows it was trained on")
    convert = _torch if found.flavor == "pytorch" else _sklearn
    content, about, answers = convert(found)
    mlflow.onnx.log_model(
        onnx.load_from_string(content),
        name="model",
        signature=mlflow.models.infer_signature(found.sample, answers),
        pip_requirements=pinned("onnx", "onnxruntime", "numpy", "pandas"),
        metadata={_METADATA: about},
    )


def kept(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Return the ONNX file of an MLflow folder, and what was kept with it.

    Raises:
        UnsafePath: `MLmodel` names a file outside of the folder.
    """
    import yaml

    content = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    about = (content.get("metadata") or {}).get(_METADATA) or {}
    named = content["flavors"]["onnx"]["data"]
    return below(folder, named, source="The MLmodel file"), dict(about)


def loaded(content: bytes, about: dict[str, Any]) -> Any:
    """Return the model of an ONNX file's bytes, so that it cannot name files beside it."""
    return onnx_model.load(content, about)


def _sklearn(found: Fitted) -> tuple[bytes, dict[str, Any], Any]:
    import numpy as np

    model, sample = found.model, found.sample
    if not hasattr(model, "predict"):
        raise NotConverted(f"{type(model).__name__} has no predict()")
    answers = np.asarray(model.predict(sample))
    about: dict[str, Any] = {
        "of": type(model).__name__,
        "columns": [str(name) for name in getattr(sample, "columns", ())],
        "answer": [*answers.shape[1:]],
    }
    if hasattr(model, "predict_proba"):
        labels = getattr(model, "classes_", None)
        if labels is None or not hasattr(labels, "tolist"):
            raise NotConverted("it has several outputs of labels")
        about["classes"] = labels.tolist()
    content = _converted(model, sample, classifies="classes" in about)
    loaded = onnx_model.load(content, about)
    _same("labels" if "classes" in about else "predictions", loaded.predict(sample), answers)
    if "classes" in about:
        _same("probabilities", loaded.predict_proba(sample), model.predict_proba(sample))  # type: ignore[attr-defined]
    return content, about, answers


def _converted(model: Any, sample: Any, *, classifies: bool) -> bytes:
    """Convert with one input for all features; a table's columns get their own where that is refused."""
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
        except Exception as error:  # the converters raise whatever they stumble over
            why = why or f"{type(error).__name__}: {error_line(error)}"
    raise NotConverted(f"skl2onnx does not convert it ({why})")


def _torch(found: Fitted) -> tuple[bytes, dict[str, Any], Any]:
    import numpy as np
    import torch

    module, rows = found.model, found.sample
    was_training = module.training
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    buffer = io.BytesIO()
    module.eval()
    try:
        with torch.no_grad():
            answers = module(torch.from_numpy(rows).to(device))
            if not isinstance(answers, torch.Tensor):
                raise NotConverted("it returns more than one tensor")
            # The newer exporter needs onnxscript; tracing is enough, and its answers are compared.
            torch.onnx.export(
                module, (torch.from_numpy(rows[:2]).to(device),), buffer, dynamo=False,
                input_names=["X"], output_names=["output"],
                dynamic_axes={"X": {0: "rows"}, "output": {0: "rows"}},
            )  # fmt: skip
    except NotConverted:
        raise
    except Exception as error:  # what cannot be traced is many kinds
        raise NotConverted(f"torch.onnx does not export it ({error_line(error)})") from error
    finally:
        module.train(was_training)
    answers = answers.cpu().numpy()
    about = {"of": "torch", "columns": [], "answer": [*answers.shape[1:]]}
    _same("outputs", np.asarray(onnx_model.load(buffer.getvalue(), about)(rows)), answers)
    return buffer.getvalue(), about, answers


def _same(what: str, given: Any, wanted: Any) -> None:
    """Raise unless ONNX answers as the model does: labels exactly, numbers closely."""
    import numpy as np

    given, wanted = np.asarray(given), np.asarray(wanted)
    if given.shape != wanted.shape:
        raise NotConverted(f"its {what} have the shape {given.shape} as ONNX, not {wanted.shape}")
    if what == "labels" or wanted.dtype.kind not in "fc":
        wrong = given != wanted
    else:
        wrong = ~np.isclose(given, wanted, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)
    if wrong.any():
        rows = int(wrong.reshape(len(wrong), -1).any(axis=1).sum())
        raise NotConverted(f"as ONNX its {what} differ in {rows} of {len(wrong)} rows")
