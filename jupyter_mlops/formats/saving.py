"""How models are stored: skops, torch.export, safetensors; a pickle only where nothing else works."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jupyter_mlops.environment.packages import pinned
from jupyter_mlops.errors import MlopsError, UsageError, nearest
from jupyter_mlops.formats import onnx_flavor, skops_flavor, torch_flavor
from jupyter_mlops.model_files.skops_trusted import TRUSTED
from jupyter_mlops.text import error_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow.entities import Metric, Param

    from jupyter_mlops.formats.fitted import Fitted

_SKLEARN_NEEDS = ("scikit-learn", "numpy", "pandas", "scipy")


#: What `--format` takes.
AUTO = "auto"
CHOICES = (AUTO, "skops", "pt2", "safetensors", "onnx", "pickle")


def check(format: str) -> None:
    """Raise unless models can be stored so here.

    Raises:
        UsageError: there is no such format.
        MissingBackend: what it needs is not installed.
    """
    if format not in CHOICES:
        raise UsageError(
            f"No format '{format}'", nearest(format, CHOICES) or f"One of: {', '.join(CHOICES)}"
        )
    if format == "onnx":
        onnx_flavor.check()


def log_model(
    found: Fitted,
    format: str = AUTO,
    *,
    params: list[Param] | None = None,
    metrics: list[Metric] | None = None,
) -> tuple[str, str]:
    """Log a model into MLflow's active run.

    Args:
        found: the model.
        format: how, if it can be so.
        params: the run's, which MLflow shows with the model too.
        metrics: likewise.

    Returns:
        Its format (skops, pt2, safetensors, onnx or pickle), and why that is not the one asked for, if so.

    Raises:
        MlopsError: no format can hold it.
    """
    pickle = format == "pickle"
    with quiet():
        why = ""
        if format == "onnx":
            try:
                onnx_flavor.log_model(found)
            except onnx_flavor.NotConverted as error:
                why = str(error)
            else:
                return "onnx", ""
        if found.flavor == "sklearn":
            kept = _log_sklearn(found, params or [], metrics or [], pickle=pickle)
        else:
            kept = _log_torch(found, params or [], metrics or [], format)
    if format in {AUTO, kept}:
        return kept, ""
    return kept, f"not {format} but {kept}: {why or f'{format} cannot hold this model'}"


def _log_sklearn(found: Fitted, params: list[Param], metrics: list[Metric], *, pickle: bool) -> str:
    import mlflow.sklearn

    signature = None
    if found.sample is not None and hasattr(found.model, "predict"):
        # A hundred rows tell the type of the answers; a thousand take some models a second.
        answers = found.model.predict(found.sample[:100])
        signature = mlflow.models.infer_signature(found.sample, answers)
    # Inferring requirements would start a subprocess that takes 4 s.
    needs = pinned(*_SKLEARN_NEEDS, "skops", "cloudpickle")
    if not pickle:
        with contextlib.suppress(skops_flavor.Untrusted):
            skops_flavor.log_model(
                found.model, trusted=TRUSTED, signature=signature, pip_requirements=needs,
                params=params, metrics=metrics,
            )  # fmt: skip
            return "skops"
    try:
        mlflow.sklearn.log_model(
            found.model,
            name="model",
            serialization_format="cloudpickle",
            signature=signature,
            pip_requirements=needs,
        )
    except Exception as error:
        raise MlopsError(f"'{found.name}' cannot be stored: {error_line(error)}") from error
    return "pickle"


def _log_torch(found: Fitted, params: list[Param], metrics: list[Metric], format: str) -> str:
    import mlflow.pytorch
    import torch

    needs = pinned("torch", "numpy")
    if found.sample is not None and format not in {"pickle", "safetensors"}:
        with torch.no_grad():
            was_training = found.model.training
            found.model.eval()
            device = next((p.device for p in found.model.parameters()), torch.device("cpu"))
            try:
                example = found.sample[:8]
                output = found.model(torch.from_numpy(example).to(device))
                signature = mlflow.models.infer_signature(example, output.cpu().numpy())
                # What it cannot trace it shows whole on stderr.
                with contextlib.redirect_stderr(io.StringIO()):
                    mlflow.pytorch.log_model(
                        found.model.cpu(), name="model", serialization_format="pt2",
                        input_example=example, signature=signature, pip_requirements=needs,
                    )  # fmt: skip
            except Exception:  # noqa: S110 - what torch.export cannot trace is many kinds
                pass
            else:
                return "pt2"
            finally:
                found.model.to(device).train(was_training)
    if format != "pickle":
        with contextlib.suppress(torch_flavor.NotKept):
            torch_flavor.log_model(
                found.model, None if found.sample is None else found.sample[:8],
                needs=[*needs, *pinned("safetensors")], params=params, metrics=metrics,
            )  # fmt: skip
            return "safetensors"
    try:
        mlflow.pytorch.log_model(
            found.model, name="model", serialization_format="pickle", pip_requirements=needs
        )
    except Exception as error:
        raise MlopsError(f"'{found.name}' cannot be stored: {error_line(error)}") from error
    return "pickle"


@contextmanager
def quiet() -> Iterator[None]:
    """Keep MLflow's and torch.export's advice out of the user's cell."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "torch")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
