"""The model of a run: its files, its signature, its training data, and the model itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops import data
from jupyter_mlops.errors import MlopsError, NotFound
from jupyter_mlops.formats import reading, safety
from jupyter_mlops.project import Project
from jupyter_mlops.runs import query
from jupyter_mlops.runs.logged_model import REFERENCE
from jupyter_mlops.runs.records import ModelInfo, RunDetail
from jupyter_mlops.tracking import places
from jupyter_mlops.tracking.store import import_mlflow

if TYPE_CHECKING:
    import pandas as pd

_TABLES = {".parquet", ".pq", ".csv", ".tsv", ".feather", ".json", ".jsonl"}


def model_files(run: str, *, project: Project | None = None) -> Path:
    """Return a local folder with the run's MLflow model (`MLmodel` and the files it names).

    Raises:
        NotFound: the run has no model.
    """
    project = project or Project.find()
    info = _info(query.get(run, project=project))
    places.check(project, info.uri)
    local = import_mlflow().artifacts.download_artifacts(
        artifact_uri=info.uri, tracking_uri=project.tracking_uri
    )
    return Path(local)


def load_model(run: str, *, allow_pickle: bool = False, project: Project | None = None) -> Any:
    """Return the native model of a run: a scikit-learn estimator or a torch module.

    An ONNX model comes as a session of onnxruntime with `predict`, and `predict_proba` if it classifies.

    Raises:
        NotFound: the run has no model.
        MlopsError: loading it runs code and `allow_pickle` is False, or its files are damaged or hostile.
    """
    project = project or Project.find()
    detail = query.get(run, project=project)
    info = _info(detail)
    if info.format == "pickle":
        reading.refuse_pickle(allow_pickle)
    folder = model_files(detail.run_id, project=project)
    # What the record says came with the model; what its files are decides how they are read.
    format = safety.of(folder).format
    if info.flavor == "sklearn":
        return reading.load_sklearn(folder, format, allow_pickle=allow_pickle)
    if info.flavor == "pytorch":
        return reading.load_torch(folder, format, allow_pickle=allow_pickle)
    if info.flavor == "onnx" and format == "onnx":
        return reading.load_onnx(folder)
    if not allow_pickle:
        raise MlopsError(
            f"MLflow loads a model of the flavour '{info.flavor}' by code that it names",
            "If you trust where it comes from, add --allow-pickle",
        )
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(str(folder))


def load_weights(run: str, *, project: Project | None = None) -> dict[str, Any]:
    """Return the weights of a run's torch model by their names; no code of the model runs.

    Raises:
        NotFound: the run has no model, or none whose weights stand by themselves.
    """
    project = project or Project.find()
    detail = query.get(run, project=project)
    info = _info(detail)
    if info.format not in {"safetensors", "pt2"}:
        raise NotFound(
            f"Run '{detail.name}' keeps its model as {info.format}, not as weights",
            "torch models kept as pt2 or safetensors have them",
        )
    folder = model_files(detail.run_id, project=project)
    return reading.load_weights(folder, safety.of(folder).format)


def signature(run: str, *, project: Project | None = None) -> list[dict[str, str]]:
    """Return the model's inputs as {name, type}, in order."""
    return _info(query.get(run, project=project)).inputs


def training_data(run: str, *, project: Project | None = None) -> pd.DataFrame:
    """Return what the run's model was trained on.

    The first table among the run's input versions that has the model's columns, whole, out of the
    data cache; else the sample of at most 1,000 rows that was kept with the run.

    Raises:
        NotFound: the run read no table and kept no sample.
    """
    project = project or Project.find()
    detail = query.get(run, project=project)
    wanted = {item["name"] for item in detail.model.inputs} if detail.model else set()
    for use in detail.data:
        # A URL's content is where it was; only files have their versions in our cache.
        if (
            "://" not in use.path
            and use.role == "input"
            and Path(use.path).suffix.lower() in _TABLES
        ):
            frame = data.frame(use.version, use.path, project=project)
            if wanted <= set(map(str, frame.columns)):
                return frame
    if REFERENCE in detail.artifacts:
        return data.read_table(query.artifact(detail.run_id, REFERENCE, project=project))
    raise NotFound(
        f"Run '{detail.name}' read no table and kept no sample of its training data",
        "Read the data in the recorded cell, or train on a DataFrame",
    )


def _info(detail: RunDetail) -> ModelInfo:
    if detail.model is None:
        raise NotFound(
            f"Run '{detail.name}' ({detail.run_id[:8]}) has no model",
            "Fit an estimator in the recorded cell, or name it: %%mlops run NAME --model VARIABLE",
        )
    return detail.model
