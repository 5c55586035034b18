"""Model files from somebody who means harm, fed to everything that loads a model: no payload runs."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from jupyter_mlops import drift, formats, models, runs, services, trust
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.project import Project
from tests.security.formats import hostile

if TYPE_CHECKING:
    from tests.trials import Trials

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::UserWarning"),
]
_TABLE = "import pandas as pd\nrows = pd.read_csv('rows.csv')\nX, y = rows[['a', 'b', 'c', 'd']], rows['y']\n"
_ARRAY = (
    f"{_TABLE}import torch\ntorch.manual_seed(0)\nX = torch.tensor(X.to_numpy(dtype='float32'))\n"
)
_NET = "torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 2))"
CELLS = {
    "skops": f"{_TABLE}from sklearn.ensemble import RandomForestClassifier\nmodel = RandomForestClassifier(3, random_state=0).fit(X, y)\n",
    "pt2": f"{_ARRAY}model = {_NET}\noutput = model(X)\n",
    "safetensors": f"{_ARRAY}model = {_NET}\noutput = model(X)\n",
    "onnx": f"{_TABLE}from sklearn.linear_model import LogisticRegression\nmodel = LogisticRegression().fit(X, y)\n",
}


@pytest.fixture(scope="module")
def home(_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with a gate and one recorded model of each format."""
    import numpy as np

    root = tmp_path_factory.mktemp("hostile") / "screening"
    shutil.copytree(_template, root, symlinks=True)
    trust.grant(root, "init")
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(80, 4)), columns=list("abcd"))
    frame["y"] = (frame["a"] > 0).astype(int)
    frame.to_csv(root / "rows.csv", index=False)
    with (root / "mlops.toml").open("a") as settings:
        settings.write('\n[gate]\naccuracy = ">= 0.1"\ndata = "rows.csv"\ntarget = "y"\n')
    project = Project.find(root)
    before = Path.cwd()
    os.chdir(root)
    try:
        for format, cell in CELLS.items():
            names: dict[str, object] = {}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with runs.record_cell(format, cell, names, format=format, project=project):
                    exec(cell, names)
    finally:
        os.chdir(before)
    for format in CELLS:
        model = runs.get(format, project=project).model
        assert model is not None
        assert (model.format, model.safe) == (format, True)
    return project


def feed(run: str, project: Project) -> dict[str, Callable[[], Any]]:
    """Return everything that a user may do with a run's model and that reads it."""
    return {
        "run show": lambda: runs.get(run, project=project),
        "load_model": lambda: models.load_model(run, project=project),
        "load_weights": lambda: models.load_weights(run, project=project),
        "model evaluate": lambda: models.evaluate(run, on="rows.csv", target="y", project=project),
        "model gate": lambda: models.gate(run, project=project),
        "service build": lambda: services.build(run, name="hostile", project=project),
        "drift check": lambda: drift.check(run=run, current="rows.csv", project=project),
    }


#: What must not read the model at all, or must refuse it.
_REFUSING = {"load_model", "model evaluate", "model gate", "service build"}


_ATTACKS = {
    "skops": hostile.SKOPS,
    "pt2": hostile.PT2,
    "safetensors": hostile.SAFETENSORS,
    "onnx": hostile.ONNX,
}


@pytest.mark.parametrize("format", _ATTACKS)
def test_a_hostile_file_is_refused_and_not_called_safe(
    home: Project, format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trials: Trials
) -> None:
    monkeypatch.chdir(home.root)
    kept, canary = models.model_files(format, project=home), tmp_path / "canary"
    wrong: list[str] = []
    for number, (name, attack) in enumerate(_ATTACKS[format].items()):
        folder = tmp_path / str(number) / "model"
        shutil.copytree(kept, folder)
        attack(folder, str(canary))
        judged = formats.judge(folder)
        act = partial(formats.load, folder, judged.format, allow_pickle=False)
        said = outcome(act)
        if said is None:
            wrong.append(f"{name}: it was taken")
        elif said:
            wrong.append(f"{name}: {said}")
        if judged.safe and name not in _HOLDS_NO_CODE:
            wrong.append(f"{name}: it is called safe")
        if canary.exists():
            wrong.append(f"{name}: RAN THE PAYLOAD")
            canary.unlink()
    assert not wrong, "\n".join(wrong)
    trials(f"hostile {format} files", len(_ATTACKS[format]), "no payload ran, one line each")


@pytest.mark.slow
@pytest.mark.parametrize("format", _ATTACKS)
def test_a_hostile_model_runs_nothing_wherever_it_is_loaded(
    home: Project, format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trials: Trials
) -> None:
    monkeypatch.chdir(home.root)
    attacks = _ATTACKS[format]
    folder = models.model_files(format, project=home)
    kept = tmp_path / "kept"
    shutil.copytree(folder, kept)
    canary = tmp_path / "canary"
    wrong: list[str] = []
    tried = 0
    try:
        for name, attack in attacks.items():
            hostile.restored(folder, kept)
            attack(folder, str(canary))
            for what, act in feed(format, home).items():
                tried += 1
                said = outcome(act)
                if said is None and what in _REFUSING:
                    wrong.append(f"{name}: {what} took it")
                elif said is None and what == "run show":
                    model = runs.get(format, project=home).model
                    if model is not None and model.safe:
                        # A tree that leads nowhere holds no code; it is found when it is loaded.
                        wrong.append(
                            f"{name}: run show calls it safe"
                        ) if name not in _HOLDS_NO_CODE else None
                elif said:
                    wrong.append(f"{name}: {what}: {said}")
                if canary.exists():
                    wrong.append(f"{name}: {what} RAN THE PAYLOAD")
                    canary.unlink()
    finally:
        hostile.restored(folder, kept)
    assert not wrong, "\n".join(wrong)
    assert models.load_model(format, project=home) is not None
    trials(f"hostile {format} files, each loaded in 7 ways", tried, "no payload ran, one line each")


_HOLDS_NO_CODE = {
    "a tree in a circle", "an unknown protocol", "an old protocol", "an operator node",
    "a negative shape", "forward exchanged", "hooks set", "a dunder set", "a function that is none of torch",
    "a type that is none", "a function of torch.nn as class", "a class that torch.nn only imports",
    "a structure of wrong types", "a graph that ends too early",
}  # fmt: skip


def outcome(act: Callable[[], Any]) -> str | None:
    """Return None if it went through, an empty text if it was refused in one line, else what is wrong."""
    try:
        act()
    except MlopsError as error:
        return "" if "\n" not in str(error) and len(str(error)) < 600 else f"not one line: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    return None


@pytest.mark.parametrize("name", hostile.PT2_HARMLESS)
def test_what_is_not_needed_of_a_pt2_file_is_not_loaded(
    home: Project, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.chdir(home.root)
    folder = models.model_files("pt2", project=home)
    kept = tmp_path / "kept"
    shutil.copytree(folder, kept)
    canary = tmp_path / "canary"
    rows = torch.rand(5, 4)
    expected = models.load_model("pt2", project=home)(rows)
    try:
        hostile.PT2_HARMLESS[name](folder, str(canary))
        assert torch.equal(models.load_model("pt2", project=home)(rows), expected)
        assert not canary.exists()
    finally:
        hostile.restored(folder, kept)


def test_a_tag_does_not_make_a_pickle_safe(
    home: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.root)
    folder = models.model_files("skops", project=home)
    kept = tmp_path / "kept"
    shutil.copytree(folder, kept)
    try:
        (folder / "model.skops").rename(folder / "model.pkl")
        run = runs.get("skops", project=home)
        assert run.tags["mlops.model_format"] == "skops"
        assert run.model is not None
        assert (run.model.format, run.model.safe) == ("pickle", False)
    finally:
        hostile.restored(folder, kept)


def test_a_pipeline_keeps_no_folder_of_pickles(tmp_path: Path) -> None:
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    steps = make_pipeline(StandardScaler(), LogisticRegression(), memory=str(tmp_path / "cache"))
    skops.io.dump(steps, tmp_path / "model.skops")
    model = formats.load(tmp_path, "skops", allow_pickle=False)
    assert model.memory is None


def test_the_checked_pt2_file_is_the_one_that_is_loaded(
    home: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a shared folder another file can take its place between the check and the load."""
    import torch

    from jupyter_mlops.model_files import pt2_file

    kept = models.model_files("pt2", project=home) / "data" / "model.pt2"
    path, other = tmp_path / "model.pt2", tmp_path / "other.pt2"
    shutil.copyfile(kept, path)
    program = pt2_file.load(path)
    for weight in program.state_dict.values():
        weight.data.zero_()
    torch.export.save(program, other)
    checked = pt2_file._checked

    def swapped(*given: Any) -> Any:
        found = checked(*given)
        shutil.copyfile(other, tmp_path / "again")
        (tmp_path / "again").replace(path)
        return found

    monkeypatch.setattr(pt2_file, "_checked", swapped)
    weights = pt2_file.load(path).state_dict.values()
    assert any(bool(weight.any()) for weight in weights)
