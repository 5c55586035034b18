"""Notebook source is read as IPython runs it: each cell here is also run by a real IPython."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import jobs
from jupyter_mlops.cells import magics, names, own_lines, parser, recorded_values, slices, source
from jupyter_mlops.cells.magics import Body
from jupyter_mlops.cells.programs import Program

if TYPE_CHECKING:
    from collections.abc import Callable

# Runs each cell in an empty namespace; prints the names that it leaves, or the error's type.
REAL = """
import contextlib, io, json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "autoreload")
answers, known = [], {*shell.user_ns}
for cell in json.load(sys.stdin):
    for name in {*shell.user_ns} - known:
        del shell.user_ns[name]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        done = shell.run_cell(cell)
    error = done.error_before_exec or done.error_in_exec
    made = sorted(name for name in {*shell.user_ns} - known if not name.startswith("_"))
    answers.append(type(error).__name__ if error else made)
print("ANSWERS" + json.dumps(answers))
"""

# The cells on which the eight readers of before disagreed, with what IPython makes of them.
MADE: dict[str, list[str] | str] = {
    # The bodies of cell magics.
    "%%time\nx = 1": ["x"],
    "%%prun -q\nx = 1": ["x"],
    "%%prun -q y = 1\nx = y": ["x", "y"],
    "%%capture out\nx = 1": ["out", "x"],
    "%%capture --no-stderr out\n%%time\nx = 1": ["out", "x"],
    "%%capture out\nimport asyncio\nawait asyncio.sleep(0)": ["asyncio", "out"],
    "%%timeit -n1 -r1\nx = 1": [],
    "%%timeit -n1 -r1 y = 2\nx = y": [],
    "%%timeit -n1 -r1\nglobal x\nx = 1": ["x"],
    "%%timeit -n1 -r1\n%%time\nx = 1": ["x"],
    "%%bash --out a --err b\necho 1": ["a", "b"],
    "%%sh --out=a\necho 1": ["a"],
    "%%bash --ou a\necho 1": ["a"],
    "%%sx --out a\necho 1": ["a"],
    "%%!\necho 1": [],
    "%%html\n<b>x</b>": [],
    # Where a cell magic is one.
    "\n\n%%time\nx = 1": ["x"],
    "   %%time\n   x = 1": ["x"],
    "%%time?\nx = 1": ["x"],
    "%%time\n!true\n%cd .\nx = 1": ["x"],
    # Line magics that run Python.
    "%time x = 1": ["x"],
    "%prun -q x = 1": ["x"],
    "%timeit -n 1 -r 1 x = 1": [],
    "y = %timeit -o -q -n 1 -r 1 x = 1": ["y"],
    "if True:\n    %time x = 1": ["x"],
    "x = %env HOME": ["x"],
    "x = !echo a": ["x"],
    # What IPython makes Python before it parses.
    "  x = 1\n  y = 2": ["x", "y"],
    ">>> x = 1\n>>> y = 2": ["x", "y"],
    "In [1]: x = 1": ["x"],
    "x = 7 % 2 != 1  # is it?": ["x"],
    "x = '''\n%cd nowhere\n!false\n'''": ["x"],
    "x = 1 \\\n  + 2\n%time y = (1 + \\\n  2)": ["x", "y"],
    "import asyncio\nawait asyncio.sleep(0)\nasync def f():\n    pass": ["asyncio", "f"],
    # A cell of one line may leave the % out.
    "time x = 1": ["x"],
    "cd .": [],
    "pwd": [],
}  # fmt: skip

# Cells that may make any name: what they make is not read from them.
UNKNOWN: dict[str, list[str] | str] = {
    "%sc x=echo 1": ["x"],
    "%aimport json": ["json"],
    "%alias_magic t time\n%t x = 1": ["x"],
    "eval('(x := 1)')": ["x"],
    "exec('x = 1')": ["x"],
    "get_ipython().run_cell_magic('time', '', 'x = 1')": ["x"],
}

# Cells that fail before their first line runs.
REFUSED: dict[str, list[str] | str] = {
    "x = 1\ncd .": "SyntaxError",
    "%%time\nimport asyncio\nawait asyncio.sleep(0)": "SyntaxError",
    "%time x = (1,\n 2)": "IndentationError",
    "return 1": "SyntaxError",
}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a real IPython makes of the cells."""
    cells = [*MADE, *UNKNOWN, *REFUSED]
    folder = tmp_path_factory.mktemp("ipython")
    done = subprocess.run(
        [sys.executable, "-c", REAL],
        input=json.dumps(cells),
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={**os.environ, "IPYTHONDIR": str(folder)},
    )
    answers = json.loads(done.stdout.rpartition("ANSWERS")[2])
    return dict(zip(cells, answers, strict=True))


@pytest.mark.parametrize("cell", MADE)
def test_the_names_of_a_cell_are_those_that_ipython_makes(cell: str, real: dict[str, Any]) -> None:
    assert real[cell] == MADE[cell]
    read = names.read(cell)
    assert sorted(name for name in read.makes if not name.startswith("_")) == MADE[cell]
    assert not read.unknown
    source.checked(cell)  # raises nothing


@pytest.mark.parametrize("cell", UNKNOWN)
def test_a_cell_that_may_make_any_name_is_said_to(cell: str, real: dict[str, Any]) -> None:
    assert real[cell] == UNKNOWN[cell]
    assert names.read(cell).unknown
    assert source.checked(cell).may_define


@pytest.mark.parametrize("cell", REFUSED)
def test_a_cell_that_ipython_refuses_is_refused(cell: str, real: dict[str, Any]) -> None:
    assert real[cell] == REFUSED[cell]
    with pytest.raises(parser.CellSyntaxError):
        source.checked(cell)


@pytest.mark.parametrize(
    ("cell", "takes"),
    [
        ("%time x = f(y)", {"f", "y"}),
        ("%timeit -n 10 f(y)", {"f", "y"}),
        ("%%timeit rows = made()\nf(rows)", {"made", "f"}),
        ("%%memit\nx = f(y)", {"f", "y"}),
        ("%%time\n%time x = f(y)", {"f", "y"}),
        ("%%heat\nx = f(y)", set()),
        ("%%python\nx = f(y)", set()),
        ("%%sql\nselect y", set()),
    ],
)
def test_what_a_cell_with_magics_takes(cell: str, takes: set[str]) -> None:
    assert names.read(cell).takes == takes


@pytest.mark.parametrize(
    "cells",
    [
        ("%time rows = [1]", "print(rows)"),
        ("%time rows = [1]\nprint(rows)",),
        ("%%timeit rows = [1]\nlen(rows)",),
        ("%%memit\nrows = [1]", "print(rows)"),
        ("%%bash --out text\necho 1", "print(text)"),
        ("pip install surely_not_installed",),
        ("ls", "cd ..", "pwd"),
        ("%aimport json", "json.loads('1')"),
    ],
)
def test_a_job_is_not_refused_for_names_that_magics_make(
    cells: tuple[str, ...], check: Callable[..., list[str]]
) -> None:
    assert check(*cells) == []


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (("%%timeit\nrows = [1]", "print(rows)"), "2: 'rows' is not defined"),
        (("%%heat\nrows = [1]", "print(rows)"), "2: 'rows' is not defined"),
        (("%%bash --out text\necho 1", "print(err)"), "2: 'err' is not defined"),
        (("%time print(rows)",), "1: 'rows' is not defined"),
        (("x = 1", "lss"), "2: 'lss' is not defined"),
        (("%%time\nx = 1\nx = (",), "1: syntax error: '(' was never closed in `x = (`"),
        (("%%bash\ncd data", "open('none.csv')"), "2: reads 'none.csv', which does not exist"),
        (("%time t = open('none.csv').read()",), "1: reads 'none.csv', which does not exist"),
    ],
)
def test_a_job_is_refused_for_what_fails(
    cells: tuple[str, ...], problem: str, check: Callable[..., list[str]]
) -> None:
    assert check(*cells) == [problem]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return what `job check` says about a notebook of these cells."""
    import nbformat

    (tmp_path / "mlops.toml").touch()
    monkeypatch.chdir(tmp_path)

    def checked(*cells: str) -> list[str]:
        spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": spec}
        )
        nbformat.write(notebook, "n.ipynb")
        return [f"{item.cell}: {item.what}" for item in jobs.check("n.ipynb").problems]

    return checked


def test_every_cell_magic_of_ipython_has_a_place_in_the_list() -> None:
    from IPython.core.interactiveshell import InteractiveShell

    found = InteractiveShell().magics_manager.lsmagic()["cell"]
    # `code_wrap` changes how later cells run, so nothing is known.
    assert set(found) - magics.CELL.keys() == {"code_wrap"}
    assert {name for name, kind in magics.CELL.items() if kind is Body.UNKNOWN} == set()


def test_recorded_values_are_seen_through_magics() -> None:
    read = recorded_values.read("%%time\ndepth = 4\n%time model.fit(X, y)\nscore = model.score(X)")
    assert (read.constants, read.computed) == ({"depth": 4}, ["score"])
    assert read.fitted == {"model": "X"}
    assert recorded_values.read("%time model.score(X)").last_name == "score"
    timed = recorded_values.read("%%timeit\nscore = model.score(X)")
    assert (timed.computed, timed.assigned) == ([], [])
    assert "model" in timed.used


def test_a_cell_that_only_the_users_shell_understands_is_read_as_the_shell_runs_it() -> None:
    assert recorded_values.read("rate := 1", "rate = 1").constants == {"rate": 1}
    with pytest.raises(SyntaxError):
        recorded_values.read("rate := 1")


def test_arithmetic_with_a_percent_sign_is_no_magic() -> None:
    assert not slices.effects("odd = n % 2").beyond
    assert slices.effects("%cd data").beyond
    assert slices.effects("get_ipython().run_line_magic('cd', 'data')").beyond
    assert not slices.effects("x = await y").beyond


def test_programs_see_the_same_bodies_as_the_other_readers() -> None:
    assert Program.of(["%%memit\nn = 1"]).same_code(Program.of(["n = 2"]))
    assert not Program.of(["%%heat\nn = 1"]).same_code(Program.of(["n = 1"]))


@pytest.mark.parametrize(
    ("cell", "rest"),
    [
        ("x = 1\n%mlops run list\ny = 2", "x = 1\ny = 2"),
        ("%load_ext jupyter_mlops\nx = 1", "x = 1"),
        ("%reload_ext jupyter_mlops", ""),
        ("%mlops run \\\n  list\nx = 1", "x = 1"),
        ("text = '''\n%mlops run list\n'''", "text = '''\n%mlops run list\n'''"),
        ("text = '''\n%mlops a\n'''\n%mlops run list", "text = '''\n%mlops a\n'''"),
        ("if x:\n    %mlops run list", "if x:\n    %mlops run list"),
        ("%load_ext autoreload", "%load_ext autoreload"),
    ],
)
def test_the_lines_of_this_tool_are_taken_out(cell: str, rest: str) -> None:
    assert own_lines.without_own_lines(cell) == rest


def test_the_line_of_a_recorded_cell() -> None:
    assert own_lines.recording("%%mlops run 'my run' --model m\nx") == [
        "run",
        "my run",
        "--model",
        "m",
    ]
    assert own_lines.recording("%mlops run list") is None
    assert own_lines.without_recording("\n%%mlops run a\n%%time\nx = 1") == "%%time\nx = 1"
    assert own_lines.without_recording("%%time\nx = 1") == "%%time\nx = 1"


def test_an_errors_line_counts_in_the_cell() -> None:
    for cell, line in [("x = (", 1), ("\n\n%%time\n\nx = (", 5), ("%%time\n%cd .\nx = (", 3)]:
        error = source.read(cell).error
        assert error is not None
        assert error.line == line, cell


def test_awaits() -> None:
    assert source.awaits("await f()")
    assert source.awaits("async with a:\n    pass")
    assert not source.awaits("async def f():\n    await g()")
    assert not source.awaits("await (")


@pytest.mark.parametrize(
    "cell", ["x = '\0'", "(" * 1000, "%time " * 1000, "%%time\n" * 1000, "", "%%", "%", "!", "?"]
)
def test_no_cell_breaks_a_reader(cell: str) -> None:
    names.read(cell)
    slices.effects(cell)
    assert isinstance(Program.of([cell]).lines, list)
    assert isinstance(source.read(cell).commands, str)
    own_lines.without_own_lines(cell)
