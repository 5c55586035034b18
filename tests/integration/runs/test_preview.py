"""`%mlops status` in a notebook says what the next recorded cell would capture, and keeps to it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from jupyter_mlops import runs
from jupyter_mlops.runs.capsules import history
from jupyter_mlops.runs.preview import Preview, preview

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.project import Project

TRAIN = """\
import pandas as pd
from sklearn.tree import DecisionTreeClassifier
depth = 3
api_token = "not-for-the-store"
train = pd.read_csv("train.csv")
tree = DecisionTreeClassifier(max_depth=depth).fit(train[["a", "b"]], train["y"])
accuracy = tree.score(train[["a", "b"]], train["y"])
{"rows": float(len(train))}
"""


@pytest.fixture
def status(project: Project, cell: Callable[[str], Any]) -> Callable[..., Any]:
    """Give a function that runs cells as a notebook does, `%mlops status` last, and returns its value."""
    rows = "\n".join(f"{i % 7},{i % 3},{i % 2}" for i in range(60))
    (project.root / "train.csv").write_text(f"a,b,y\n{rows}\n")
    shell = cell.shell  # type: ignore[attr-defined]

    def run(*sources: str, ids: list[str] | None = None) -> Any:
        for number, source in enumerate([*sources, "%mlops status"]):
            result = shell.run_cell(
                source, store_history=True, cell_id=ids[number] if ids else f"c{number}"
            )
            result.raise_error()
        return result.result

    return run


def test_what_status_previews_is_what_the_recorded_cell_keeps(
    project: Project, status: Callable[..., Any], cell: Callable[[str], Any]
) -> None:
    shown: Preview = status(TRAIN).next_run
    cell(f"%%mlops run tree\n{TRAIN}").raise_error()
    kept = runs.get("tree")
    assert shown.parameters == kept.params
    assert shown.parameters["api_token"] == "***"
    assert shown.metrics == {name: f"{value:.4g}" for name, value in kept.metrics.items()}
    assert [*shown.metrics] == ["accuracy", "rows"]
    assert shown.model == "tree (DecisionTreeClassifier)"
    assert [use.path for use in kept.data] == ["train.csv"]
    assert shown.files == ["train.csv (366 B)"]


def test_a_recorded_cell_below_is_previewed_before_it_ever_ran(
    project: Project, status: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = ["shift = 1", "%mlops status", "x = 5", f"%%mlops run tree\n{TRAIN}"]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), "train.ipynb")
    monkeypatch.setenv("MLOPS_NOTEBOOK", "train.ipynb")
    shown = status("shift = 1", ids=[cells[0].id, cells[1].id])
    preview = shown.next_run
    assert preview.cell == "the cell 'tree' below"
    assert preview.parameters == {"depth": "3", "api_token": "***"}
    assert preview.metrics == {"accuracy": "…"}
    assert preview.model == "tree"
    assert preview.files == ["train.csv (366 B)"]
    text = str(shown)
    assert "Recorded, the cell 'tree' below would keep:" in text
    assert "depth = 3" in text
    assert "not-for-the-store" not in text + shown._repr_html_()


def test_hidden_state_is_told_before_the_cell_is_recorded(status: Callable[..., Any]) -> None:
    shown = status("scale = 2", "scale = 3", "z = scale * 1.5", ids=["a", "a", "b", "s"]).next_run
    assert shown.hidden_state == []
    edited = status("scale = 4", "z = scale * 1.5", "scale = 5", "z = 1.5 * scale",
                    ids=["k", "b", "k", "b", "s"]).next_run  # fmt: skip
    assert edited.hidden_state == []
    own = status("total = 1", "total += 1", "total += 1", "z = total * 1.5",
                 ids=["t", "u", "u", "v", "s"]).next_run  # fmt: skip
    assert own.hidden_state == [
        "`total` comes from cell [12], which changed its own result 2 times"
    ]


def test_status_changes_nothing(project: Project, status: Callable[..., Any]) -> None:
    status(TRAIN)
    before = {path: path.stat().st_mtime_ns for path in (project.root / ".git").rglob("*")}
    kept = set((project.root / ".dvc").rglob("*"))
    for _ in range(3):
        status()
    assert {path: path.stat().st_mtime_ns for path in (project.root / ".git").rglob("*")} == before
    assert set((project.root / ".dvc").rglob("*")) == kept
    assert len(runs.list()) == 0


def test_what_the_snapshot_leaves_out_is_named(
    project: Project, status: Callable[..., Any]
) -> None:
    subprocess.run(["git", "add", "-A"], check=True)
    subprocess.run(["git", "commit", "-qm", "first"], check=True)
    (project.root / "model.py").write_text("SIZE = 1\n")
    (project.root / "huge.bin").write_bytes(b"\0" * 6_000_000)
    shown = status("x = 1").next_run
    assert shown.left_out == ["huge.bin"]
    assert shown.code.endswith("and 1 file changed since")


def test_in_a_terminal_there_is_no_cell_to_preview(project: Project) -> None:
    assert history.here() is None
    assert preview() is None


def test_a_cell_that_is_not_python_is_no_reason_to_fail(status: Callable[..., Any]) -> None:
    shown = status("x = 1", "%%html\n<b>bold</b>").next_run
    assert shown.parameters == {}
    assert shown.metrics == {}
