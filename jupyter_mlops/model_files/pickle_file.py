"""A pickle, or a torch file loaded as a pickle: loading runs the code in it.

Only a service loads it, and only if its Bento was built with --allow-pickle: the runtime checks `RUNS_CODE` first.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from . import pt2_file

if TYPE_CHECKING:
    from pathlib import Path

RUNS_CODE = True


def serve(file: Path, about: dict[str, Any], device: str) -> Any:
    """Return the estimator, or the module on a device."""
    if file.suffix == ".pkl":
        with file.open("rb") as opened:
            return pickle.load(opened)
    import torch

    if file.suffix == ".pt2":
        return pt2_file.on_device(torch.export.load(file), device)
    return torch.load(file, map_location=device, weights_only=False).to(device).eval()
