"""Hidden state: named when it is certain, and never in a notebook that ran from top to bottom."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from jupyter_mlops.cells import names
from jupyter_mlops.runs.capsules import hidden_state
from jupyter_mlops.runs.capsules.history import History


def _ran(*cells: tuple[str, str] | str, deleted: list[str] | None = None) -> History:
    """Return a history of (id, source) cells; the last one is still running."""
    history = History()
    for index, cell in enumerate(cells):
        cell_id, source = cell if isinstance(cell, tuple) else ("", cell)
        last = index == len(cells) - 1
        history.begin(source, cell_id, deleted if last else None)
        if not last:
            history.end()
    return history


def _saved(tmp_path: Path, *cells: tuple[str, str]) -> hidden_state.SavedNotebook | None:
    path = tmp_path / "n.ipynb"
    content = [{"id": key, "cell_type": "code", "source": text} for key, text in cells]
    path.write_text(json.dumps({"cells": content}))
    return hidden_state.saved(path)


class _Everything(set[str]):
    def __contains__(self, name: object) -> bool:
        return True


ANY = _Everything()


def test_an_edited_cell_is_named() -> None:
    history = _ran(("a", "x = 1"), ("a", "y = 2"), ("b", "%%mlops run r\nz = x + y"))
    assert hidden_state.find(history, ANY) == ["`x` comes from cell [1], edited since"]


def test_an_edited_cell_is_named_through_the_cells_between() -> None:
    history = _ran(("a", "x = 1"), ("b", "y = x * 2"), ("a", "w = 0"), ("c", "z = y"))
    assert hidden_state.find(history, ANY) == ["`x` comes from cell [1], edited since"]


def test_a_deleted_cell_is_named_and_a_restored_one_is_not() -> None:
    history = _ran(("a", "x = 1"), ("b", "z = x"), deleted=["a"])
    assert hidden_state.find(history, ANY) == ["`x` comes from cell [1], deleted since"]
    history.end()
    history.begin("x = 1", "a")
    history.end()
    history.begin("z = x", "b")
    assert hidden_state.find(history, ANY) == []


def test_a_name_that_no_cell_made_is_named() -> None:
    history = _ran("y = 1", "z = ghost + y")
    assert hidden_state.find(history, {"ghost", "y"}) == ["no executed cell defines `ghost`"]
    # Without it the cell fails by itself, with a NameError.
    assert hidden_state.find(history, {"y"}) == []


def test_a_cell_run_twice_on_its_own_result_is_named() -> None:
    history = _ran(("a", "x = 1"), ("b", "x += 1"), ("b", "x += 1"), ("c", "z = x"))
    assert hidden_state.find(history, ANY) == [
        "`x` comes from cell [3], which changed its own result 2 times"
    ]
    fresh = _ran(("a", "x = 1"), ("b", "x += 1"), ("a", "x = 1"), ("b", "x += 1"), ("c", "z = x"))
    assert hidden_state.find(fresh, ANY) == []


def test_the_saved_notebook_tells_of_edits_deletions_and_order(tmp_path: Path) -> None:
    history = _ran(("a", "x = 1"), ("b", "y = 2"), ("d", "w = 3"), ("c", "z = x + y + w"))
    time.sleep(0.02)
    notebook = _saved(tmp_path, ("a", "x = 10"), ("c", "z = x + y + w"), ("d", "w = 3  # same"))
    assert hidden_state.find(history, ANY, notebook) == [
        "`w` comes from cell [3], which is below this one",
        "`x` comes from cell [1], edited since",
        "`y` comes from cell [2], deleted since",
    ]


def test_a_notebook_saved_before_the_cell_ran_tells_nothing(tmp_path: Path) -> None:
    notebook = _saved(tmp_path, ("c", "z = x"))
    time.sleep(0.02)
    history = _ran(("a", "x = 1"), ("c", "z = x"))
    assert hidden_state.find(history, ANY, notebook) == []


def test_ids_that_are_not_the_files_tell_nothing(tmp_path: Path) -> None:
    history = _ran(("vscode:1", "x = 1"), ("vscode:2", "z = x"))
    time.sleep(0.02)
    assert hidden_state.find(history, ANY, _saved(tmp_path, ("a", "x = 1"), ("b", "z = x"))) == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cells": [{"cell_type": "code"}]}', "null"])
def test_a_file_that_is_no_notebook_tells_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "n.ipynb"
    path.write_text(content)
    assert hidden_state.saved(path) is None
    assert hidden_state.saved(tmp_path / "none.ipynb") is None


ORDINARY = [
    "import numpy as np\nfrom pathlib import Path as P\nimport os.path",
    "def f(a, *, b=1, **kw):\n    global counter\n    counter = a\n    return a + b + len(kw)",
    "f(1)\ndisplay(counter)",
    "class Net:\n    size = 3\n    def go(self, x):\n        return self.size * x",
    "rows = [n for n in range(3) if (seen := n)]\npairs = {k: v for k, v in zip(rows, rows)}",
    "for i, row in enumerate(rows):\n    total = i if i == 0 else total + row",
    "try:\n    import nothing_here as nh\nexcept ImportError as error:\n    nh = None",
    "with open(os.devnull) as sink:\n    text = sink.read()",
    "match rows:\n    case [first, *rest]:\n        pass\n    case {'a': inner, **others}:\n        pass",
    "values = [1]\nvalues += [2]\nvalues[0] = 3\nnp.random.seed(0)",
    "%matplotlib inline\n!echo hello\nnames = !ls\nP?",
    "%%time\nslow = sum(range(10))",
    "async def g():\n    return 1\nawaited = await g()",
    "squares = list(map(lambda n: n ** 2, rows))",
    "rows = rows[::-1]",
    "a = b = 1\na, *c = rows\n(d := 4)",
    "_ = 5",
]
RECORDED = (
    "%%mlops run r\nscore = f(total) + Net().go(seen) + slow + awaited + len(squares + values + c + rest)"
    "\nscore += a + b + d + len(text) + len(pairs) + len(names) + (nh is None) + np.pi\nscore"
)


def test_an_ordinary_notebook_gives_no_line(tmp_path: Path) -> None:
    cells = [(f"id{n}", source) for n, source in enumerate([*ORDINARY, RECORDED])]
    time.sleep(0.02)
    history = _ran(*cells)
    time.sleep(0.02)
    assert hidden_state.find(history, ANY, _saved(tmp_path, *cells)) == []
    assert hidden_state.find(_ran(*(source for _, source in cells)), ANY) == []


@pytest.mark.parametrize(
    "source",
    [
        "from math import *",
        "exec('x = 1')",
        "globals()['x'] = 1",
        "%run other.py",
        "%load_session",
        "%%sql\nselect 1",
        "get_ipython().push({'x': 1})",
    ],
)
def test_where_names_cannot_be_seen_nothing_is_said(source: str) -> None:
    assert hidden_state.find(_ran(source, "z = x"), ANY) == []


@pytest.mark.parametrize(
    ("source", "makes", "takes"),
    [
        ("x = x + 1", {"x"}, {"x"}),
        ("x = 1\nx += 1", {"x"}, set()),
        ("x += 1", {"x"}, {"x"}),
        ("for x in xs:\n    y = x", {"x", "y"}, {"xs"}),
        ("def f():\n    return g + 1", {"f"}, {"g"}),
        ("[i for i in data]", set(), {"data"}),
        ("if flag:\n    x = 1\nprint(x)", {"x"}, {"flag"}),
        ("not python at all", set(), set()),
        ("", set(), set()),
        ("async with pool() as p:\n    r = await p.go(k)", {"p", "r"}, {"pool", "k"}),
        ("%%bash\necho $x", set(), set()),
    ],
)
def test_what_a_cell_makes_and_takes(source: str, makes: Any, takes: Any) -> None:
    read = names.read(source)
    assert (set(read.makes), set(read.takes)) == (makes, takes)
