"""LightGBM and XGBoost models: try them in a child process first.

Both parse their trees in C++ without checks of the input: a changed number can crash the process. So a child process
loads the file first, walks every tree, and predicts some rows. A file that crashes the child is refused.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .refused import Refused, one_line

#: Packages whose estimators are tried in a child process.
PACKAGES = ("lightgbm", "xgboost")
_SECONDS = 180
_ROWS = 64
_WHAT = "The model"
_REFUSED = "refused: "
#: By a file's hash, why it was refused in this process; empty if it was not.
_tried: dict[str, str] = {}


def check(content: bytes, names: set[str], reader: str) -> None:
    """Raise unless a child process can load a file with a booster and predict with it.

    Args:
        content: the file.
        names: the types in it; without a booster, no process is started.
        reader: the module that loads the file: with its path as argument it calls `walk`, and `report` if it refuses.

    Raises:
        Refused: the child process crashed or refused the file.
    """
    if any(name.partition(".")[0] in PACKAGES for name in names):
        digest = hashlib.sha256(content).hexdigest()
        if digest not in _tried:
            _tried[digest] = _try(content, reader)
        if _tried[digest]:
            raise Refused(_tried[digest])


def _try(content: bytes, reader: str) -> str:
    """Try a file in a child process; return why it is refused, or an empty string."""
    with tempfile.TemporaryDirectory(prefix="mlops-") as folder:
        file = Path(folder, "model")
        file.write_bytes(content)
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", reader, str(file)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"{_WHAT} took longer than {_SECONDS} s to try"
    if done.returncode == 0:
        return ""
    refusals = [line for line in done.stdout.splitlines() if line.startswith(_REFUSED)]
    if refusals:
        return refusals[-1].removeprefix(_REFUSED)
    return f"{_WHAT} ends the process that reads it"


def report(refusal: Refused) -> None:
    """Report a refusal from the child process, and end it."""
    print(f"{_REFUSED}{refusal}")
    sys.exit(1)


def walk(model: Any) -> None:
    """Walk the trees of every booster in an estimator, and predict rows with each booster.

    Raises:
        Refused: a tree uses a feature that the booster does not have.
    """
    from .compiled import parts

    with one_line(_WHAT):
        for item in parts(model):
            kind = f"{type(item).__module__}.{type(item).__qualname__}"
            if kind == "lightgbm.basic.Booster":
                _walk_lightgbm(item)
            elif kind == "xgboost.core.Booster":
                _walk_xgboost(item)


def _walk_lightgbm(booster: Any) -> None:
    import numpy as np

    width = booster.num_feature()
    _refuse_beyond(width, "split_feature", booster.dump_model()["tree_info"])
    booster.predict(np.random.default_rng(0).normal(scale=100, size=(_ROWS, width)))


def _walk_xgboost(booster: Any) -> None:
    import numpy as np
    import xgboost

    width = booster.num_features()
    names = {name: place for place, name in enumerate(booster.feature_names or [])}
    trees = [json.loads(text) for text in booster.get_dump(dump_format="json")]
    waiting: list[Any] = list(trees)
    while waiting:
        item = waiting.pop()
        waiting += item.get("children", [])
        split = item.get("split")
        if split is None:
            continue
        place = names.get(split, int(split[1:]) if str(split)[1:].isdigit() else width)
        if place >= width:
            raise Refused(f"{_WHAT} uses a feature that does not exist")
    rows = np.random.default_rng(0).normal(scale=100, size=(_ROWS, width))
    booster.predict(xgboost.DMatrix(rows, feature_names=booster.feature_names, feature_types=booster.feature_types))  # fmt: skip


def _refuse_beyond(width: int, key: str, trees: Any) -> None:
    waiting = [trees]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        elif isinstance(item, dict):
            waiting += item.values()
            if not 0 <= int(item.get(key, 0)) < width:
                raise Refused(f"{_WHAT} uses a feature that does not exist")
