"""Reading a model out of its files: without running code, or not at all unless that was allowed by name.

Each function looks at the bytes that it then loads, whatever was said of them before: between the two looks
somebody may have changed the file. Loading a pickle runs whatever code it holds.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import MlopsError
from jupyter_mlops.formats import onnx, safetensors, safety
from jupyter_mlops.formats.saving import quiet
from jupyter_mlops.model_files import onnx_file, pt2_file, safetensors_file, skops_file
from jupyter_mlops.model_files.refused import Refused, because
from jupyter_mlops.tracking.store import import_mlflow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ALLOW = "If you trust where it comes from, add --allow-pickle"


def load_sklearn(folder: Path, format: str, *, allow_pickle: bool) -> Any:
    """Load an estimator from its MLflow folder.

    Raises:
        MlopsError: its file is damaged or hostile, or it is a pickle and none is allowed.
    """
    if format == "skops":
        with _refusing("Load it by skops.io.load yourself, if you trust where it comes from"):
            return skops_file.load((folder / safety.SKOPS).read_bytes())
    refuse_pickle(allow_pickle)
    import_mlflow()
    import mlflow.sklearn

    with _refusing("Record the run again"):
        return mlflow.sklearn.load_model(str(folder))


def load_torch(folder: Path, format: str, *, allow_pickle: bool) -> Any:
    """Load a torch module from its MLflow folder, on the CPU.

    Raises:
        MlopsError: its file is damaged or hostile, or loading it runs code and that was not allowed.
    """
    if format == "pt2":
        with _refusing(_ALLOW), quiet():
            try:
                return pt2_file.load(folder / safety.PT2).module()
            except Refused:
                if not allow_pickle:
                    raise
            import torch

            return torch.export.load(str(folder / safety.PT2)).module()
    if format == "safetensors":
        with _refusing("Record the run again"):
            safetensors_file.check(folder / safetensors.WEIGHTS)
            return safetensors.load(folder, allow_code=allow_pickle)
    refuse_pickle(allow_pickle)
    import_mlflow()
    import mlflow.pytorch

    with _refusing("Record the run again"):
        return mlflow.pytorch.load_model(str(folder), map_location="cpu")


def load_weights(folder: Path, format: str) -> dict[str, Any]:
    """Return the weights of a torch model from its MLflow folder.

    Raises:
        MlopsError: its file is damaged or hostile.
    """
    with _refusing("Record the run again"), quiet():
        if format == "safetensors":
            safetensors_file.check(folder / safetensors.WEIGHTS)
            return safetensors.weights(folder)
        return dict(pt2_file.load(folder / safety.PT2).state_dict)


def load_onnx(folder: Path) -> Any:
    """Load an ONNX model from its MLflow folder: a session with `predict`.

    Raises:
        MlopsError: its file is damaged or hostile.
    """
    with _refusing("Record the run again"):
        path, about = onnx.kept(folder)
        content = path.read_bytes()
        onnx_file.check(content)
        return onnx.loaded(content, about)


def refuse_pickle(allowed: bool) -> None:
    """Raise unless loading a pickle was allowed by name."""
    if not allowed:
        raise MlopsError(
            "This model is kept as a pickle, and loading one runs the code it holds", _ALLOW
        )


@contextmanager
def _refusing(do: str) -> Iterator[None]:
    """Say in one line why a model's file is not loaded, and what to do."""
    try:
        yield
    except MlopsError:
        raise
    except Refused as refusal:
        raise MlopsError(f"The model is not loaded: {refusal}", do) from None
    except Exception as error:  # each library fails in its own way on bytes that do not fit
        raise MlopsError(f"The model is not loaded: its file {because(error)}", do) from None
