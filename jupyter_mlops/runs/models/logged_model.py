"""What MLflow's own files say of a run's model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops.runs.records import ModelInfo
from jupyter_mlops.runs.stores.store import import_mlflow

if TYPE_CHECKING:
    import mlflow.entities

    from jupyter_mlops.runs.stores.store import Store


def describe(store: Store, run: mlflow.entities.Run) -> ModelInfo | None:
    """Return what is known of a run's model, or None when it has none."""
    logged = _logged(
        store, [item.model_id for item in run.outputs.model_outputs] if run.outputs else []
    )
    if logged is None:
        return None
    local = import_mlflow().artifacts.download_artifacts(
        artifact_uri=f"{logged.artifact_location}/MLmodel", tracking_uri=store.uri
    )
    flavors, inputs = _read_mlmodel(Path(local))
    flavor = next(
        (name for name in ("sklearn", "pytorch", "onnx") if name in flavors),
        next(iter(flavors), ""),
    )
    code = bool(flavors.get("safetensors", {}).get("code"))
    flavor = "pytorch" if flavor == "safetensors" else flavor
    # MLflow does not write down that a torch model is a pt2; the recorder does.
    format = run.data.tags.get("mlops.model_format") or _format(flavor, flavors.get(flavor, {}))
    return ModelInfo(
        model_id=logged.model_id,
        uri=logged.artifact_location,
        flavor=flavor,
        format=format,
        safe=format in {"skops", "pt2", "onnx"} or (format == "safetensors" and not code),
        inputs=inputs,
    )


def _logged(store: Store, ids: list[str]) -> mlflow.entities.LoggedModel | None:
    """Return the newest model that was written to its end; a format that failed leaves one that was not."""
    found = [store.client.get_logged_model(model_id) for model_id in ids]
    whole = [item for item in found if str(item.status).rpartition(".")[2] != "FAILED"]
    return max(whole or found, key=lambda item: item.creation_timestamp, default=None)


def _read_mlmodel(path: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    import yaml

    content = yaml.safe_load(path.read_text())
    raw = (content.get("signature") or {}).get("inputs")
    return content.get("flavors", {}), [_input(item) for item in json.loads(raw)] if raw else []


def _input(item: dict[str, Any]) -> dict[str, str]:
    if item.get("type") == "tensor":
        spec = item["tensor-spec"]
        shape = "×".join(str(size) for size in spec["shape"])
        return {"name": str(item.get("name", "")), "type": f"{spec['dtype']}[{shape}]"}
    return {"name": str(item.get("name", "")), "type": str(item.get("type", ""))}


def _format(flavor: str, conf: dict[str, Any]) -> str:
    if flavor == "sklearn":
        stored = str(conf.get("serialization_format", "pickle"))
        return "skops" if stored == "skops" else "pickle"
    if flavor == "pytorch":
        return "pt2" if conf.get("serialization_format") == "pt2" else "pickle"
    return flavor or "unknown"
