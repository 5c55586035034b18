"""`model gate`, and `model promote` that obeys it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from sklearn.datasets import load_breast_cancer

from jupyter_mlops import models
from jupyter_mlops.errors import Conflict, NotFound, UsageError
from jupyter_mlops.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

_CELL = """%%mlops run {name}
import pandas as pd
from sklearn.tree import DecisionTreeClassifier
frame = pd.read_csv("train.csv")
model = DecisionTreeClassifier(max_depth={depth}, random_state=0)
model.fit(frame.drop(columns="target"), frame["target"])
accuracy = model.score(frame.drop(columns="target"), frame["target"])
"""


@pytest.fixture
def trees(project: Project, cell: Callable[[str], Any]) -> Callable[..., Project]:
    """Record a good tree and a bad one, registered as versions 1 and 2; return how to set a gate."""
    frame = load_breast_cancer(as_frame=True).frame
    kept = frame[[*frame.columns[:8], "target"]]
    kept.iloc[::2].to_csv("train.csv", index=False)
    kept.iloc[1::2].to_csv("test.csv", index=False)
    for name, depth in (("good", 4), ("bad", 1)):
        cell(_CELL.format(name=name, depth=depth))
        models.register(name, name="tree")

    def declare(*lines: str) -> Project:
        file = project.root / "mlops.toml"
        text = file.read_text().partition("[gate]")[0]
        file.write_text("\n".join([text, "[gate]", *lines, ""]))
        return Project.find(project.root)

    return declare


def test_bounds_hold_for_the_recorded_numbers(trees: Callable[..., Project]) -> None:
    with pytest.raises(UsageError, match="declares no gate"):
        models.gate("tree")
    trees('accuracy = ">= 0.95"', 'f1 = ">= 0.5"')
    found = models.gate("tree", version=1)
    assert [(rule.metric, rule.status) for rule in found.rules] == [
        ("accuracy", "ok"), ("f1", "failed"),
    ]  # fmt: skip
    assert found.error.startswith("f1 >= 0.5 (no metric 'f1'")
    models.evaluate("good", on="test.csv")
    found = models.gate("tree", version=1)
    assert found.rules[1].status == "ok"
    assert "evaluated as" in found.rules[1].note
    assert _rising(found.rules[1].low, found.rules[1].found, found.rules[1].high)


def test_bounds_hold_for_rows_that_are_scored_now(trees: Callable[..., Project]) -> None:
    trees('data = "test.csv"', 'accuracy = ">= 0.999"', 'log_loss = "<= 100"')
    found = models.gate("good")
    assert (found.status, found.version) == ("failed", None)
    assert [rule.status for rule in found.rules] == ["failed", "ok"]
    assert found.error.startswith("accuracy >= 0.999 (found 0.9")
    assert "<table>" in found._repr_html_()
    assert "good" in str(found)


def test_promote_obeys_the_gate(trees: Callable[..., Project]) -> None:
    project = trees('data = "test.csv"', 'accuracy = ">= 0.999"')
    with pytest.raises(Conflict, match=r"refuses tree version 2: accuracy >= 0\.999.*--force"):
        models.promote("tree", project=project)
    assert [item.aliases for item in models.list()] == [[], []]
    assert models.promote("tree", alias="challenger").aliases == ["challenger"]
    made = models.promote("tree", force=True)
    assert made.aliases == ["challenger", "champion"]
    assert made.gate.startswith("forced: accuracy >= 0.999")
    trees('data = "test.csv"', 'accuracy = ">= 0.5"')
    assert models.promote("tree", version=1).gate == "passed"
    with pytest.raises(NotFound, match="no version 9"):
        models.promote("tree", version=9, force=True)


def test_a_worse_model_does_not_replace_the_champion(trees: Callable[..., Project]) -> None:
    trees('data = "test.csv"', 'against = "champion"', 'metric = "log_loss"', "margin = 0.5")
    assert "there is no champion yet" in models.gate("tree", version=2).rules[0].note
    assert models.promote("tree", version=2).gate == "passed"
    assert "this version already has the alias" in models.gate("tree", version=2).rules[0].note
    trees('data = "test.csv"', 'against = "champion"', "margin = 0.05")
    found = models.gate("tree", version=1).rules[0]
    assert found.rule == "accuracy not worse than champion by 0.05"
    assert _rising(found.low, found.found, found.high)
    assert found.status == "ok", found
    models.promote("tree", version=1)
    trees('data = "test.csv"', 'against = "champion"', "margin = 0")
    assert models.gate("tree", version=2).status == "failed"
    with pytest.raises(UsageError, match="model register good"):
        models.gate("good")


def test_a_gate_that_lacks_something_is_one_line(
    trees: Callable[..., Project], cell: Callable[[str], Any]
) -> None:
    trees('against = "champion"')
    with pytest.raises(UsageError, match="no rows to compare on"):
        models.gate("tree")
    trees('data = "gone.csv"', 'accuracy = ">= 0.5"')
    with pytest.raises(NotFound, match=r"No file .*gone\.csv"):
        models.promote("tree")
    assert "No file" in models.promote("tree", force=True).gate
    trees('acuracy = ">= 0.5"')
    assert "Did you mean 'accuracy'" in models.gate("tree").rules[0].note
    with pytest.raises(NotFound, match="No registered model 'three'"):
        models.gate("three", version=1)
    done = cell("%mlops model gate tree")
    assert "model gate: failed" in str(done.error_in_exec)


@pytest.mark.slow
def test_two_promotions_at_once_each_pass_the_gate(trees: Callable[..., Project]) -> None:
    project = trees('data = "test.csv"', 'against = "champion"', "margin = 0.5")
    program = "import sys; from jupyter_mlops import models; models.promote('tree', version=int(sys.argv[1]))"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, version], cwd=project.root, stderr=subprocess.PIPE
        )
        for version in ("1", "2")
    ]
    failures = [process.communicate(timeout=600)[1].decode()[-600:] for process in running]
    assert [process.returncode for process in running] == [0, 0], failures
    found = models.list()
    assert sorted(alias for item in found for alias in item.aliases) == ["champion"]
    assert [item.gate for item in found] == ["passed", "passed"]


def _rising(*values: float | None) -> bool:
    """Whether each value is there and larger than the one before it."""
    present = [value for value in values if value is not None]
    return len(present) == len(values) and present == sorted(set(present))
