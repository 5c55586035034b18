"""Describes a run's model from MLflow's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mlops import formats
from jupyter_mlops.formats.mlflow_models import mlmodel
from jupyter_mlops.runs.records import ModelInfo
from jupyter_mlops.tracking import artifacts

if TYPE_CHECKING:
    from pathlib import Path

    import mlflow.entities

    from jupyter_mlops.tracking.store import Store

#: The artifact with a sample of the training rows.
REFERENCE = "mlops/reference.parquet"
#: A larger model in a remote store is not downloaded for the safety check; loading it checks anyway.
_LOOKED_AT = 64 * 1024 * 1024


def describe(store: Store, run: mlflow.entities.Run) -> ModelInfo | None:
    """Return the description of a run's model; None if the run has no model."""
    logged = _logged(
        store, [item.model_id for item in run.outputs.model_outputs] if run.outputs else []
    )
    if logged is None:
        return None
    folder, verdict = _files(store, logged.artifact_location)
    library, inputs = _read_mlmodel(folder, verdict.format)
    return ModelInfo(
        model_id=logged.model_id,
        uri=logged.artifact_location,
        flavor=library,
        format=verdict.format,
        safe=verdict.safe,
        inputs=inputs,
    )


def _files(store: Store, location: str) -> tuple[Path, formats.Verdict]:
    """Return a local folder with the model's `MLmodel`, and the verdict on its files."""
    size = 0 if artifacts.is_copied(location) else _size(store, location)
    if size <= _LOOKED_AT:
        folder = artifacts.local_model(store, location)
        return folder, formats.judge(folder)
    folder = artifacts.local(store, location, "MLmodel").parent
    why = f"it was not checked: {size:,} bytes would have to be downloaded"
    return folder, formats.Verdict(formats.declared(folder), why)


def _size(store: Store, location: str) -> int:
    """Return the bytes of a remote model; the count stops above the limit."""
    found = 0
    for item in artifacts.entries(store, location):
        found += max(item.file_size or 0, 0)
        if found > _LOOKED_AT:
            break
    return found


def _logged(store: Store, ids: list[str]) -> mlflow.entities.LoggedModel | None:
    """Return the newest complete model, else the newest one that failed."""
    found = [store.client.get_logged_model(model_id) for model_id in ids]
    whole = [item for item in found if str(item.status).rpartition(".")[2] != "FAILED"]
    return max(whole or found, key=lambda item: item.creation_timestamp, default=None)


def _read_mlmodel(folder: Path, format: str) -> tuple[str, list[dict[str, str]]]:
    """Return the library and the inputs of a model; both empty if `MLmodel` is damaged."""
    try:
        text = mlmodel.text(folder)
        flavors = mlmodel.flavors(text)
        library = formats.get(format).library(flavors) if flavors else ""
        return library, mlmodel.inputs(text) if flavors else []
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", []
