"""A run's model is looked up once and fetched once, whatever is done with it."""

from __future__ import annotations

import shutil
import warnings
from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from jupyter_mlops import models, runs, services
from jupyter_mlops.project import Project
from jupyter_mlops.runs import query

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::UserWarning"),
]
_CELL = """
import pandas as pd
from sklearn.tree import DecisionTreeClassifier
rows = pd.read_csv("rows.csv")
model = DecisionTreeClassifier(random_state=0).fit(rows[["a", "b"]], rows["y"])
"""


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often a run is looked up, by us and by MLflow, and what is downloaded."""
    from mlflow import MlflowClient, artifacts
    from mlflow.store.artifact.artifact_repo import ArtifactRepository
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    counted: Counter[str] = Counter()

    def count(owner: Any, name: str, label: Callable[..., str]) -> None:
        original = getattr(owner, name)

        def counting(*args: Any, **options: Any) -> Any:
            counted[label(*args)] += 1
            return original(*args, **options)

        monkeypatch.setattr(owner, name, counting)

    count(query, "find", lambda *_: "look-up")
    for owner in (MlflowClient, SqlAlchemyStore):
        count(owner, "get_run", lambda *_: "get_run")
    count(artifacts, "download_artifacts", lambda *_: "by MLflow")
    count(
        ArtifactRepository, "download_artifacts",
        lambda repository, path="", *_: f"download {repository.artifact_uri} {path}",
    )  # fmt: skip
    return counted


def _record(project: Project, name: str) -> None:
    frame = pd.DataFrame({"a": [1.0, 2, 3, 4] * 10, "b": [0.0, 1, 1, 0] * 10, "y": [0, 1, 1, 0] * 10})  # fmt: skip
    frame.to_csv(project.root / "rows.csv", index=False)
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with runs.record_cell(name, _CELL, names, project=project):
            exec(_CELL, names)


def test_a_build_looks_its_run_up_once_and_downloads_its_model_once(
    project: Project, bucket: str, tmp_path: Path, lookups: Counter[str]
) -> None:
    shutil.copyfile(project.state / "mlflow.db", tmp_path / "team.db")
    with (project.root / "mlops.toml").open("a") as settings:
        settings.write(
            f'\n[tracking]\nuri = "sqlite:///{tmp_path}/team.db"\nartifacts = "{bucket}/runs"\n'
        )
    there = Project.find(project.root)
    _record(there, "tree")
    lookups.clear()
    built = services.build("tree", project=there)
    assert built.parity is not None
    assert built.parity.equal
    downloads = {name: times for name, times in lookups.items() if name.startswith("download")}
    assert [times for name, times in downloads.items() if "/models/" in name] == [1]
    assert set(downloads.values()) == {1}
    assert lookups["look-up"] == 1
    assert lookups["get_run"] == lookups["by MLflow"] == 0
    lookups.clear()
    assert models.load_model("tree", project=there).predict([[2.0, 1.0]]) == [1]
    assert not [name for name in lookups if "/models/" in name], "it is here already"


def test_every_verb_looks_the_run_up_once_and_copies_nothing_from_this_disk(
    project: Project, lookups: Counter[str]
) -> None:
    with (project.root / "mlops.toml").open("a") as settings:
        settings.write('\n[gate]\naccuracy = ">= 0.1"\ndata = "rows.csv"\ntarget = "y"\n')
    there = Project.find(project.root)
    _record(there, "tree")
    acts: dict[str, Callable[[], object]] = {
        "load": lambda: models.load_model("tree", project=there),
        "files": lambda: models.model_files("tree", project=there),
        "training data": lambda: models.training_data("tree", project=there),
        "evaluate": lambda: models.evaluate("tree", on="rows.csv", target="y", project=there),
        "gate": lambda: models.gate("tree", project=there),
    }
    for name, act in acts.items():
        lookups.clear()
        act()
        assert lookups["look-up"] == 1, name
        assert not [item for item in lookups if item.startswith(("download", "by"))], name
    folder = models.model_files("tree", project=there)
    assert folder.is_relative_to(there.state)
