"""`run export --slice`: only the cells that matter, and never called verified without a replay."""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from jupyter_mlops import runs, trust
from jupyter_mlops.cells import slices
from jupyter_mlops.errors import Conflict, NotFound, UsageError
from jupyter_mlops.project import Project
from jupyter_mlops.runs import query
from tests.integration.replays import histories
from tests.integration.replays import test_reproduce as reproducing

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def test_a_slice_has_only_the_cells_that_matter_and_a_replay_verified_it(
    project: Project, cell: Callable[[str], Any]
) -> None:
    for source in (
        "rate = 0.5",
        "rows = sorted([3.0, 1.0])",
        "looked_at = len(rows)\nprint(looked_at)",
        "1 / 0",
        "%%mlops run case\nscore = rows[-1] * rate",
    ):
        cell(source)
    written = runs.export("case", slice=True)
    assert written.slice is not None
    assert (written.slice.cells, written.slice.of, written.slice.tries) == ([1, 2, 5], 5, 1)
    assert (written.slice.smallest, written.slice.generators) == (True, False)
    assert "3 of 5 cells, verified by a replay · 1 try" in str(written)
    notebook = nbformat.read(project.root / "case.ipynb", as_version=4)
    assert [item.source for item in notebook.cells][1:] == [
        "rate = 0.5",
        "%load_ext jupyter_mlops",
        "rows = sorted([3.0, 1.0])",
        "%%mlops run case\nscore = rows[-1] * rate",
    ]
    assert "3 of 5 cells of its history, **verified** by a replay on 20" in notebook.cells[0].source
    assert notebook.metadata["mlops"]["verified"] == written.slice.verified.isoformat()
    assert ("slice", "3 of 5 cells, verified") in runs.show("case").details()
    kept = query.artifact(runs.get("case").run_id, "mlops/slice.json", project=project)
    assert json.loads(kept.read_text())["cells"] == [1, 2, 5]
    assert not [*(project.state / "reproduce").iterdir()]


@pytest.mark.slow
def test_cells_that_the_code_alone_would_leave_out_are_found_by_replays(
    project: Project, cell: Callable[[str], Any]
) -> None:
    for source in (
        "rows = [3.0, 1.0]",
        "rows.reverse(); rows.reverse()",
        "alias = rows",
        "alias.append(10.0)",
        "part = 4.0\nhalf = 1 / 0",
        "%%mlops run case\nscore = rows[-1] * part",
    ):
        cell(source)
    written = runs.export("case", slice=True, seconds=600)
    assert written.slice is not None
    assert (written.slice.cells, written.slice.smallest) == ([1, 3, 4, 5, 6], True)
    notebook = nbformat.read(project.root / "case.ipynb", as_version=4)
    assert notebook.cells[5].metadata["tags"] == ["raises-exception"]


@pytest.mark.slow
def test_random_numbers_without_a_seed_are_said_to_need_the_runs_states(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell("import numpy as np")
    cell("other = np.random.rand()")
    cell("%%mlops run case\nscore = np.random.rand() * 2")
    written = runs.export("case", slice=True, seconds=600)
    assert written.slice is not None
    assert (written.slice.cells, written.slice.generators) == ([1, 3], True)
    assert "2 of 3 cells, verified with the run's random states by a replay" in str(written)
    text = (project.root / "case.ipynb").read_text()
    assert "Without a seed, this notebook gets other random numbers." in text


def test_a_run_with_nothing_to_compare_has_no_slice(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell("%%mlops run silent\nNone")
    with pytest.raises(NotFound, match="no metric and no output file to verify a slice by"):
        runs.export("silent", slice=True)
    assert not [*project.root.glob("*.ipynb")]


@pytest.mark.slow
def test_what_no_replay_verifies_is_not_written(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell("import time")
    cell("%%mlops run clock\nscore = time.time()")
    with pytest.raises(NotFound, match=r"give another result \(score: .* → "):
        runs.export("clock", slice=True)
    assert not [*project.root.glob("*.ipynb")]
    assert "mlops.slice" not in runs.get("clock").tags


@pytest.mark.slow
def test_an_interrupted_search_leaves_nothing(project: Project, cell: Callable[[str], Any]) -> None:
    cell("import time")
    cell("%%mlops run case\ntime.sleep(3)\nscore = 1.0 * 2")
    program = "from jupyter_mlops import runs; runs.export('case', slice=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, cwd=project.root
    )
    assert process.stderr is not None
    while "the recorded cell" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=600)
    assert "KeyboardInterrupt" in said
    assert not [*project.root.glob("*.ipynb")]
    assert not [*(project.state / "reproduce").iterdir()]
    assert "mlops.slice" not in runs.get("case").tags


def test_a_wrong_line_is_refused_before_anything_is_replayed(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell("%%mlops run case\nscore = 1.0 * 2")
    Path("case.ipynb").write_text("mine")
    with pytest.raises(Conflict, match="exists already"):
        runs.export("case", slice=True)
    with pytest.raises(UsageError, match="--seconds 60"):
        runs.export("case", slice=True, seconds=float("nan"))
    assert Path("case.ipynb").read_text() == "mine"


@pytest.mark.parametrize(
    ("cells", "wide", "narrow"),
    [
        (["a = 1", "b = 2", "c = a"], [0, 2], [0, 2]),
        (["a = 1", "a = 2", "c = a"], [0, 1, 2], [1, 2]),
        (["a = []", "b = a", "b.append(1)", "c = a"], [0, 1, 2, 3], [0, 3]),
        (["a = {}", "a['x'] = 1", "c = a"], [0, 1, 2], [0, 2]),
        (["import random", "random.seed(1)", "c = random.random()"], [0, 1, 2], [0, 2]),
        (["def f():\n    return s", "s = 1", "c = f()"], [0, 1, 2], [0, 1, 2]),
        (["s = 1\ndef f():\n    return s", "s = 2", "c = f()"], [0, 1, 2], [0, 1, 2]),
        (["s = 1", "t = 1", "c = 's' in globals()"], [0, 1, 2], [2]),
        (["exec('a = 1')", "b = 1", "c = a"], [0, 2], [0, 2]),
        (["a = 1", "print(a)", "c = a"], [0, 2], [0, 2]),
        (["%cd sub", "c = 1"], [0, 1], [1]),
        (["from math import *", "b = 1", "c = pi"], [0, 2], [0, 2]),
        (["a = [1]", "def g(v):\n    a.append(v)", "g(2)", "c = a[0]"], [0, 1, 2, 3], [0, 3]),
    ],
)
def test_the_code_proposes_widely_and_narrowly(
    cells: list[str], wide: list[int], narrow: list[int]
) -> None:
    assert slices.wide(cells) == wide
    assert slices.narrow(cells) == narrow


def test_a_cell_that_failed_half_way_may_matter() -> None:
    assert slices.wide(["a = 1", "b = 1 / 0", "c = a"], failed=[1]) == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_hard_notebooks_have_verified_slices(project: Project, tmp_path: Path) -> None:
    """How many slices of the hard notebooks verify, and how large they are, is printed."""
    waiting = []
    with ThreadPoolExecutor(2) as pool:
        for case in histories.CASES:
            root = tmp_path / case.name.replace(" ", "-").replace(",", "")
            subprocess.run(["cp", "-r", str(project.root), str(root)], check=True)
            trust.grant(root, "init")
            own = Project.find(root)
            reproducing._write(own, case)
            reproducing.record(own, *case.cells)
            future = pool.submit(runs.export, "case", slice=True, seconds=0, project=own)
            waiting.append((case.name, root, future))
    kept, refused = [], []
    for name, root, future in waiting:
        try:
            written = future.result()
        except NotFound as error:
            refused.append(f"{name}: {error}")
            assert not [*root.glob("*.ipynb")]
            continue
        assert written.slice is not None
        kept.append(written.slice)
    shares = [len(item.cells) / item.of for item in kept]
    total = len(histories.CASES)
    states = sum(item.generators for item in kept)
    print(
        f"{total} histories: {len(kept)} slices verified, {states} of them with the run's random "
        f"states; median size {statistics.median(shares):.2f} of the history, "
        f"{sum(item.tries for item in kept) / len(kept):.1f} tries each"
    )
    print("\n".join(["refused:", *refused]))
    assert len(kept) / total >= 0.85
