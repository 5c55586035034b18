"""`run export`: the history as a clean notebook that is a job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from jupyter_mlops import jobs, runs
from jupyter_mlops.cells.constants import hoist
from jupyter_mlops.errors import Conflict, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def test_an_exported_run_is_a_notebook_that_runs_as_a_job(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell("rate = 0.5  # of learning\nbase = 2.0")
    cell("1 / 0")
    cell("%mlops run list")
    cell("total = base\ntotal += 1.0")
    cell("%%mlops run case\nsteps: int = 3\nscore = total * steps * rate")
    written = runs.export("case")
    assert written.parameters == ["rate", "base", "steps"]
    assert written.left_out == ["cell [2] failed (ZeroDivisionError)"]
    notebook = nbformat.read(project.root / "case.ipynb", as_version=4)
    nbformat.validate(notebook)
    texts = [item.source for item in notebook.cells]
    assert texts[0].startswith("# case\n\nRun `")
    assert notebook.cells[1].metadata["tags"] == ["parameters"]
    assert texts[1:] == [
        "rate = 0.5  # of learning\nbase = 2.0\nsteps: int = 3",
        "%load_ext jupyter_mlops",
        "total = base\ntotal += 1.0",
        "%%mlops run case\nscore = total * steps * rate",
    ]
    execution = jobs.run("case.ipynb", params={"steps": "10"})
    assert execution.status == "finished"
    assert execution.metrics["score"] == 15.0


def test_an_export_never_overwrites(project: Project, cell: Callable[[str], Any]) -> None:
    cell("%%mlops run case\nscore = 1.0 * 2")
    Path("case.ipynb").write_text("mine")
    with pytest.raises(Conflict, match="exists already"):
        runs.export("case")
    with pytest.raises(UsageError, match=r"--output case\.py\.ipynb"):
        runs.export("case", output="case.py")
    assert Path("case.ipynb").read_text() == "mine"


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["a = 1", "b = a"], ["a"]),
        (["a = 1", "a = 2"], []),
        (["a = 1\na += 1"], []),
        (["a = 1", "del a"], []),
        (["def f():\n    return a", "a = 1"], []),
        (["for a in range(3): pass", "b = 'x'"], ["b"]),
        (["if True:\n    a = 1"], []),
        (["a = 1; b = 2"], []),
        (["from math import *", "e = 1"], []),
        (["a = (1, 2)", "b = [1, 2]", "c = -3.5"], ["b", "c"]),
        (["%time\na = 1"], []),
    ],
)
def test_only_constants_that_nothing_else_sets_become_parameters(
    cells: list[str], found: list[str]
) -> None:
    parameters, rest = hoist(cells)
    assert [*parameters] == found
    assert len(rest) == len(cells)
