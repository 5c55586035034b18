"""The packages that a Bento needs, each with its version."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.formats import PackedModel

#: What the packaged runtime imports for every model.
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
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def pinned(packed: PackedModel, model: Path) -> list[str]:
    """Return the pinned requirements of a Bento: as the run recorded them, the rest as installed here.

    Args:
        packed: how the model lies in the Bento.
        model: its MLflow folder.
    """
    pins = {}
    for name in dict.fromkeys((*_RUNTIME, *packed.packages)):
        try:
            # A local build such as 2.13.0+cpu is on no index.
            pins[name] = f"{name}=={version(name).partition('+')[0]}"
        except PackageNotFoundError:
            continue
    recorded = model / "requirements.txt"
    for line in recorded.read_text(encoding="utf-8").splitlines() if recorded.exists() else ():
        found = _NAME.match(line.strip())
        if found and found[0].lower() not in {"mlflow", "jupyter-mlops", "jupyter_mlops"}:
            pins[found[0].lower()] = re.sub(r"\+\w+$", "", line.strip())
    return sorted(pins.values())
