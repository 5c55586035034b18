"""What MLflow's own files say of a run's model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jupyter_mlops import safe_yaml
from jupyter_mlops.formats import safety, torch_flavor
from jupyter_mlops.runs.records import ModelInfo
from jupyter_mlops.tracking import places
from jupyter_mlops.tracking.loading import import_mlflow

if TYPE_CHECKING:
    import mlflow.entities

    from jupyter_mlops.tracking.store import Store

#: A larger model in a remote store is not fetched only to say whether it is safe; loading it looks anyway.
#: The artifact with rows that the model was trained on.
REFERENCE = "mlops/reference.parquet"
_LOOKED_AT = 64 * 1024 * 1024
#: Remote models that this process has fetched to look at: their folders by their locations.
_looked_at: dict[str, Path] = {}


def describe(store: Store, run: mlflow.entities.Run) -> ModelInfo | None:
    """Return what is known of a run's model, or None when it has none."""
    logged = _logged(
        store, [item.model_id for item in run.outputs.model_outputs] if run.outputs else []
    )
    if logged is None:
        return None
    folder, judged = _files(store, logged.artifact_location)
    flavors, inputs = _read_mlmodel(folder)
    flavor = next(
        (name for name in ("sklearn", "pytorch", "onnx") if name in flavors),
        next(iter(flavors), ""),
    )
    return ModelInfo(
        model_id=logged.model_id,
        uri=logged.artifact_location,
        flavor="pytorch" if flavor == torch_flavor.FLAVOR else flavor,
        format=judged.format,
        safe=judged.safe,
        inputs=inputs,
    )


def _files(store: Store, location: str) -> tuple[Path, safety.Verdict]:
    """Return a local folder with the model's `MLmodel`, and what its files are."""
    places.check(store.project, location)
    if urlsplit(location).scheme in {"", "file"}:
        folder = _fetched(store, location)
        return folder, safety.of(folder)
    size = _size(store, location)
    if size <= _LOOKED_AT:
        folder = _looked_at.get(location) or _fetched(store, location)
        _looked_at[location] = folder
        return folder, safety.of(folder)
    folder = _fetched(store, f"{location}/MLmodel").parent
    why = f"its {size:,} bytes are not fetched only to look at them"
    return folder, safety.Verdict(safety.told(folder), why)


def _fetched(store: Store, uri: str) -> Path:
    return Path(
        import_mlflow().artifacts.download_artifacts(artifact_uri=uri, tracking_uri=store.uri)
    )


def _size(store: Store, location: str) -> int:
    """Return how many bytes a remote model has."""
    if location in _looked_at:
        return 0
    found, waiting = 0, [location]
    artifacts = import_mlflow().artifacts
    while waiting and found <= _LOOKED_AT:
        folder = waiting.pop()
        for item in artifacts.list_artifacts(artifact_uri=folder, tracking_uri=store.uri):
            name = item.path.rpartition("/")[2]
            if item.is_dir:
                waiting.append(f"{folder}/{name}")
            found += item.file_size or 0
    return found


def _logged(store: Store, ids: list[str]) -> mlflow.entities.LoggedModel | None:
    """Return the newest model that was written to its end; a format that failed leaves one that was not."""
    found = [store.client.get_logged_model(model_id) for model_id in ids]
    whole = [item for item in found if str(item.status).rpartition(".")[2] != "FAILED"]
    return max(whole or found, key=lambda item: item.creation_timestamp, default=None)


def _read_mlmodel(folder: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Return the flavors and inputs that `MLmodel` names; nothing where it is damaged."""
    try:
        text = safety.mlmodel(folder)
        flavors = safety.flavors(text)
        whole = safe_yaml.load(text, longest=len(text)) if flavors else {}
        raw = (whole.get("signature") or {}).get("inputs")
        return flavors, [_input(item) for item in json.loads(raw)] if raw else []
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}, []


def _input(item: dict[str, Any]) -> dict[str, str]:
    if item.get("type") == "tensor":
        spec = item["tensor-spec"]
        shape = "×".join(str(size) for size in spec["shape"])
        return {"name": str(item.get("name", "")), "type": f"{spec['dtype']}[{shape}]"}
    return {"name": str(item.get("name", "")), "type": str(item.get("type", ""))}
