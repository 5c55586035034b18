"""The notebook of each noun runs from top to bottom, and shows what it promises."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient

from jupyter_mlops import data, models, runs

if TYPE_CHECKING:
    from jupyter_mlops.project import Project

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def shown(project: Project, name: str, *, whole: bool = True) -> dict[str, str]:
    """Run a notebook in the project; return what each cell showed as text, by its first line.

    Unless it is run whole, cells that are tagged `slow` are left out.
    """
    shutil.copyfile(NOTEBOOKS / name, project.root / name)
    notebook = nbformat.read(project.root / name, as_version=4)
    notebook.cells = [
        cell for cell in notebook.cells if whole or "slow" not in cell.metadata.get("tags", [])
    ]
    resources = {"metadata": {"path": str(project.root)}}
    NotebookClient(notebook, timeout=1200, resources=resources).execute()
    return {
        cell.source.splitlines()[0]: "\n".join(map(_text, cell.outputs))
        for cell in notebook.cells
        if cell.cell_type == "code"
    }


def _text(output: Any) -> str:
    return str(output.get("text") or output.get("data", {}).get("text/plain", ""))


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_runs_from_the_first_cell_to_a_model_with_a_name(project: Project, whole: bool) -> None:
    said = shown(project, "runs.ipynb", whole=whole)
    compared = said["%mlops run compare slow fast"]
    assert "loss by step" in compared
    assert '+rate, penalty, epochs = 0.01, "elasticnet", 40' in compared
    assert "no executed cell defines `keep`" in said["%%mlops run narrow --experiment wine"]
    if whole:
        why = said["%mlops run why slow fast --metric loss"]
        (most,) = [line for line in why.splitlines() if "100 %" in line]
        assert most.split()[0] == "parameters"
    exported = said["%mlops run export forest --output wine-forest.ipynb"]
    assert "REPRODUCED · forest" in exported
    (model,) = models.list(project=project)
    assert (model.name, model.aliases, model.gate) == ("wine", ["champion"], "passed")
    listed = [run.name for run in runs.list(experiment="wine", project=project)]
    assert listed == ["fast", "slow", "forest"]
    assert (project.root / "wine-forest.ipynb").exists()


def test_data_from_a_version_to_who_read_it(project: Project) -> None:
    said = shown(project, "data.ipynb")
    assert (
        "40 added, 3 removed, 439 changed"
        in said["%mlops data diff data/patients.csv --key patient"]
    )
    assert "Columns: 1 moved" in said["%mlops run compare spring summer"]
    assert "443 data/patients.csv" in said['%%bash -s "{clone}" "{remote}" "{sys.executable}"']
    readers = next(text for line, text in said.items() if line.startswith("%mlops run list"))
    assert "spring" in readers
    assert "summer" in readers
    (kept,) = data.list(project=project)
    assert (kept.path, kept.status) == ("data/patients.csv", "ok")
    assert "1 object to delete" in said['draft = Path("data/draft.csv")']


@pytest.mark.parametrize("name", ["runs", "data"])
def test_notebooks_are_kept_short_and_without_outputs(name: str) -> None:
    content = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())
    assert len(content["cells"]) < 25
    assert not any(cell.get("outputs") for cell in content["cells"])
