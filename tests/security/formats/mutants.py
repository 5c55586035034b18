"""Thousands of changed model files, read one after another in a process of its own.

Run as a script: `mutants.py FORMAT SEED COUNT CANARY`. It writes one JSON line before each file and one at the
end, so that whoever started it sees which file a crash, a hang or a payload belongs to.
"""

from __future__ import annotations

import copy
import io
import json
import os
import random
import resource
import signal
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SECONDS = 30
#: What a changed value in JSON becomes: wrong types, wrong places, numbers out of range, names of functions.
VALUES: list[Any] = [
    None, True, -1, 0, 1, 2**31, 2**63, 10**30, 1e308, "", "x", "os.system", "torch.hub.load", "builtins.eval", "../../x", [], {}, [[]],
    {"a": 1}, "__import__('os').system('touch CANARY')", "numpy.ctypeslib.load_library", "sklearn.tree._tree.Tree", "data/weights",
]  # fmt: skip


class Payload:
    """A pickle that writes the canary."""

    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return (os.system, (f"touch {self.canary}",))


def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(60, 4))


def skops_seeds() -> list[bytes]:
    import skops.io
    from sklearn.ensemble import (
        GradientBoostingClassifier,
        HistGradientBoostingClassifier,
        IsolationForest,
        RandomForestClassifier,
    )
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeRegressor

    given = rows()
    y = (given[:, 0] > 0).astype(int)
    models = [
        make_pipeline(StandardScaler(), LogisticRegression()),
        RandomForestClassifier(3, random_state=0),
        DecisionTreeRegressor(max_depth=4),
        HistGradientBoostingClassifier(max_iter=3),
        GradientBoostingClassifier(n_estimators=3),
        KNeighborsClassifier(algorithm="kd_tree"),
        KNeighborsClassifier(algorithm="ball_tree"),
        SVC(),
        MLPClassifier((4,), max_iter=10),
        IsolationForest(n_estimators=3),
    ]
    return [skops.io.dumps(model.fit(given, y)) for model in models]


def booster_seeds() -> list[bytes]:
    import skops.io
    from lightgbm import LGBMClassifier
    from xgboost import XGBClassifier

    given = rows()
    y = (given[:, 0] > 0).astype(int)
    models: list[Any] = [
        LGBMClassifier(n_estimators=3, verbose=-1),
        XGBClassifier(n_estimators=3, n_jobs=1),
    ]
    return [skops.io.dumps(model.fit(given, y)) for model in models]


def pt2_seeds(canary: str) -> list[bytes]:
    import torch

    torch.manual_seed(0)
    seeds = []
    for net in (
        torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 2)),
        torch.nn.Sequential(torch.nn.Unflatten(1, (1, 4)), torch.nn.Conv1d(1, 2, 3), torch.nn.Flatten(), torch.nn.Softmax(1)),
    ):  # fmt: skip
        program = torch.export.export(
            net.eval(), (torch.rand(4, 4),), dynamic_shapes=({0: torch.export.Dim.AUTO},)
        )
        buffer = io.BytesIO()
        torch.export.save(program, buffer)
        seeds.append(buffer.getvalue())
        sample = io.BytesIO()
        torch.save(Payload(canary), sample)
        seeds.append(with_member(seeds[-1], "data/sample_inputs/model.pt", sample.getvalue()))
    return seeds


def onnx_seeds() -> list[bytes]:
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    given = rows()
    y = (given[:, 0] > 0).astype(int)
    return [
        skl2onnx.to_onnx(
            model.fit(given, y), initial_types=[("X", FloatTensorType([None, 4]))], options={"zipmap": False}
        ).SerializeToString()
        for model in (LogisticRegression(), RandomForestClassifier(3))
    ]  # fmt: skip


def with_member(archive: bytes, ends: str, content: bytes) -> bytes:
    """Return a zip archive with other content in one member."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, content if info.filename.endswith(ends) else old.read(info))
    return out.getvalue()


def flipped(content: bytes, pick: random.Random) -> bytes:
    """Return bytes with some changed, cut, doubled or moved."""
    changed = bytearray(content)
    kind = pick.randrange(6)
    if kind == 0 and changed:
        return bytes(changed[: pick.randrange(len(changed))])
    if kind == 1 and changed:
        at = pick.randrange(len(changed))
        changed[at:at] = changed[at : at + pick.randrange(1, 64)]
        return bytes(changed)
    if kind == 2 and len(changed) > 8:
        at = pick.randrange(len(changed) - 8)
        changed[at : at + 8] = pick.choice(
            [b"\xff" * 8, b"\0" * 8, b"\xff\xff\xff\x7f" * 2, b"\0\0\0\0\0\0\0\x80"]
        )
        return bytes(changed)
    for _ in range(pick.choice([1, 1, 2, 8])):
        if changed:
            changed[pick.randrange(len(changed))] = pick.randrange(256)
    return bytes(changed)


def json_changed(content: bytes, pick: random.Random) -> bytes:
    """Return JSON with one value exchanged, removed, or put in another's place."""
    tree = json.loads(content)
    places: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        keys = item.keys() if isinstance(item, dict) else range(len(item))
        for key in keys:
            places.append((item, key))
            if isinstance(item[key], (dict, list)):
                waiting.append(item[key])
    for _ in range(pick.choice([1, 1, 3])):
        holder, key = pick.choice(places)
        other, there = pick.choice(places)
        try:
            if pick.random() < 0.5:
                holder[key] = copy.deepcopy(other[there])
            elif pick.random() < 0.9:
                holder[key] = pick.choice(VALUES)
            else:
                del holder[key]
        except (KeyError, IndexError):
            continue
    return json.dumps(tree).encode()


def mutated(content: bytes, pick: random.Random) -> bytes:
    """Return a changed file: its bytes, or a member of it with the archive around it whole."""
    if not content.startswith(b"PK") or pick.random() < 0.25:
        return flipped(content, pick)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        texts = [name for name in names if name.endswith(".json")]
        name = pick.choice(texts) if texts and pick.random() < 0.6 else pick.choice(names)
        member = archive.read(name)
    if name.endswith(".json") and pick.random() < 0.85:
        member = json_changed(member, pick)
    elif name.endswith(".npy") and len(member) > 136 and pick.random() < 0.7:
        member = member[:128] + flipped(member[128:], pick)[: len(member) - 128].ljust(len(member) - 128, b"\1")  # fmt: skip
    else:
        member = flipped(member, pick)
    return with_member(content, name, member)


def readers(format: str, folder: Path) -> Callable[[bytes], None]:
    """Return what reads a file as our loaders do, and asks the model once, as a service does when it starts."""
    from jupyter_mlops import formats

    given = rows()[:5]

    def skops(content: bytes) -> None:
        (folder / "model.skops").write_bytes(content)
        model = formats.load(folder, "skops", allow_pickle=False)
        asked(model.predict)

    def pt2(content: bytes) -> None:
        import torch

        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / "model.pt2").write_bytes(content)
        model = formats.load(folder, "pt2", allow_pickle=False)
        asked(lambda rows: model(torch.from_numpy(rows.astype("float32"))))

    def onnx(content: bytes) -> None:
        (folder / "MLmodel").write_text("flavors: {onnx: {data: model.onnx}}\n")
        (folder / "model.onnx").write_bytes(content)
        model = formats.load(folder, "onnx", allow_pickle=False)
        asked(model.predict)

    def safetensors(content: bytes) -> None:
        header, _, rest = content.partition(b"\n\0STRUCTURE\0\n")
        (folder / "model.safetensors").write_bytes(header)
        (folder / "structure.json").write_bytes(rest)
        model = formats.load(folder, "safetensors", allow_pickle=False)
        import torch

        asked(lambda rows: model(torch.from_numpy(rows.astype("float32"))))

    def asked(predict: Any) -> None:
        try:
            predict(given)
        except Exception as error:  # a model may fail on rows, as long as it fails in Python
            del error

    return {"skops": skops, "boosters": skops, "pt2": pt2, "onnx": onnx, "safetensors": safetensors}[format]  # fmt: skip


def safetensors_seeds(folder: Path) -> list[bytes]:
    import torch
    from safetensors.torch import save_file

    from jupyter_mlops.formats.libraries import torch_structure

    seeds = []
    for net in (torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 2)), torch.nn.LSTM(4, 3)):  # fmt: skip
        structure, tensors = torch_structure.describe(net)
        save_file(tensors, folder / "seed.safetensors")
        text = json.dumps(structure).encode()
        seeds.append((folder / "seed.safetensors").read_bytes() + b"\n\0STRUCTURE\0\n" + text)
    return seeds


def safetensors_mutated(content: bytes, pick: random.Random) -> bytes:
    weights, mark, structure = content.partition(b"\n\0STRUCTURE\0\n")
    if pick.random() < 0.5:
        return flipped(weights, pick) + mark + structure
    return weights + mark + (json_changed if pick.random() < 0.8 else flipped)(structure, pick)


def main() -> None:
    format, seed, count, canary = (
        sys.argv[1],
        int(sys.argv[2]),
        int(sys.argv[3]),
        sys.argv[4],
    )
    from jupyter_mlops.errors import MlopsError

    warnings.simplefilter("ignore")
    say = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    folder = Path(tempfile.mkdtemp())
    seeds = {
        "skops": skops_seeds,
        "boosters": booster_seeds,
        "pt2": lambda: pt2_seeds(canary),
        "onnx": onnx_seeds,
        "safetensors": lambda: safetensors_seeds(folder),
    }[format]()
    read = readers(format, folder)
    good = 0
    for content in seeds:
        try:
            read(content)
            good += 1
        except MlopsError:
            continue
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pick = random.Random(seed)
    change = safetensors_mutated if format == "safetensors" else mutated
    VALUES[VALUES.index("__import__('os').system('touch CANARY')")] = f"__import__('os').system('touch {canary}')"  # fmt: skip
    refused = loaded = 0
    odd: list[str] = []
    for number in range(count):
        content = change(pick.choice(seeds), pick)
        (folder / "now").write_bytes(content)
        say.write(json.dumps({"number": number, "file": str(folder / "now")}) + "\n")
        signal.alarm(SECONDS)
        try:
            read(content)
            loaded += 1
        except MlopsError as error:
            refused += 1
            if "\n" in str(error):
                odd.append(f"{number}: more than one line: {error}")
        except Exception as error:  # this is what the test is for
            odd.append(f"{number}: {type(error).__name__}: {error}"[:300])
        signal.alarm(0)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    say.write(json.dumps({"good": good, "refused": refused, "loaded": loaded, "odd": odd[:20], "grown_kb": grown}) + "\n")  # fmt: skip


if __name__ == "__main__":
    main()
