"""How a model travels in a Bento: skops, torch.export and ONNX as they are, pickle only when allowed."""

from __future__ import annotations

import re
import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import MlopsError

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.services.served_model import Source

#: What the packaged runtime imports, whatever the model.
_RUNTIME = (
    "bentoml",
    "numpy",
    "pandas",
    "pyarrow",
    "orjson",
    "uvloop",
    "httptools",
    "prometheus-client",
)
_BY_FORMAT = {
    "skops": ("scikit-learn", "scipy", "skops"),
    "pickle": ("scikit-learn", "scipy", "cloudpickle"),
    "onnx": ("onnxruntime",),
    "torch-pt2": ("torch",),
    "torch-pickle": ("torch", "cloudpickle"),
}
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def write(source: Source, folder: Path) -> dict[str, Any]:
    """Write the model's file below `folder` and return what `model.json` says of it."""
    (folder / "model").mkdir()
    about: dict[str, Any] = {
        "kind": source.kind,
        "input": "frame" if source.framed else "array",
        "dtype": source.dtype,
        "shape": source.shape,
    }
    if source.kind == "torch":
        return about | _write_torch(source, folder)
    if source.kind == "onnx":
        (folder / "model" / "model.onnx").write_bytes(source.model.content)
        return about | {"format": "onnx", "file": "model/model.onnx", "of_torch": source.of_torch}
    if source.format == "skops":
        path = folder / "model" / "model.skops"
        shutil.copyfile(source.folder / "model.skops", path)
        return about | {"format": "skops", "file": "model/model.skops"}
    import cloudpickle  # type: ignore[import-untyped]

    with (folder / "model" / "model.pkl").open("wb") as file:
        cloudpickle.dump(source.model, file)
    return about | {"format": "pickle", "file": "model/model.pkl"}


def _write_torch(source: Source, folder: Path) -> dict[str, Any]:
    if source.format == "pt2":
        shutil.copyfile(source.folder / "data" / "model.pt2", folder / "model" / "model.pt2")
        kind = "torch-pickle" if source.consented else "torch-pt2"
        return {"format": kind, "file": "model/model.pt2"}
    import torch

    # It came as a pickle; torch.export gives a form without code, where it can trace the model.
    example = torch.from_numpy(source.features(source.reference.head(2)))
    model = source.model.eval()
    try:
        exported = torch.export.export(
            model, (example,), dynamic_shapes=({0: torch.export.Dim.AUTO},)
        )
        torch.export.save(exported, folder / "model" / "model.pt2")
    except Exception as error:  # what torch.export cannot trace is many kinds
        if not source.consented:
            # It was loaded without anybody's consent, so none was given to a pickle.
            raise MlopsError(
                f"The model cannot be exported: {error}", "Record it with --format onnx"
            ) from None
        import cloudpickle

        try:
            torch.save(model, folder / "model" / "model.pth", pickle_module=cloudpickle)
        except Exception as error:
            raise MlopsError(f"The model cannot be stored: {error}") from None
        return {"format": "torch-pickle", "file": "model/model.pth"}
    return {"format": "torch-pt2", "file": "model/model.pt2"}


def requirements(source: Source, format: str) -> list[str]:
    """Return the pinned requirements: as the run recorded them, the rest as installed here."""
    pins = {}
    for name in dict.fromkeys((*_RUNTIME, *_BY_FORMAT[format])):
        try:
            # A local build such as 2.13.0+cpu is on no index.
            pins[name] = f"{name}=={version(name).partition('+')[0]}"
        except PackageNotFoundError:
            continue
    recorded = source.folder / "requirements.txt"
    for line in recorded.read_text(encoding="utf-8").splitlines() if recorded.exists() else ():
        found = _NAME.match(line.strip())
        if found and found[0].lower() not in {"mlflow", "jupyter-mlops", "jupyter_mlops"}:
            pins[found[0].lower()] = re.sub(r"\+\w+$", "", line.strip())
    return sorted(pins.values())
