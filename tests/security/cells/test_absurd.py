"""A notebook from somebody else may have cells on which IPython's reader works for minutes, or gives up."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops.cells import constants, names, own_lines, parser, source

if TYPE_CHECKING:
    from tests.trials import Trials

_LINES = ["%a\n", "!ls {x}\n", "a?\n", "x = %a\n", "  %a\n", "x = !ls\n"]


def test_more_magics_than_ipython_reads_are_an_error_of_the_cell(trials: Trials) -> None:
    for line in _LINES:
        cell = source.parse(line * 520)
        assert cell.tree is None
        assert cell.error is not None
        with pytest.raises(parser.CellSyntaxError):
            source.checked(line * 520)
    trials("cells with more magics than IPython reads", len(_LINES), "each refused as a cell")


def test_ipython_is_not_asked_to_read_for_minutes(
    monkeypatch: pytest.MonkeyPatch, trials: Trials
) -> None:
    asked: list[str] = []

    def read(body: str) -> str:
        asked.append(body)
        return body

    monkeypatch.setattr(parser, "transformed", read)
    sources = [line * count for line in _LINES for count in (1_000, 10_000, 50_000)]
    # Few magics, but in a cell so long that each of them costs much.
    sources += [line * 100 + "x = 1\n" * 20_000 for line in _LINES]
    for text in sources:
        assert source.parse(text).error is not None
    assert not asked
    source.parse("%a\n" * 100)
    assert len(asked) == 1
    trials("cells of up to 400 KB with magics", len(sources), "each refused as a cell")


def test_text_that_looks_like_magics_is_still_python() -> None:
    text = 'x = """\n' + "% LaTeX\n" * 5_000 + '"""\n'
    assert source.parse(text).tree is not None


def test_own_lines_are_removed_in_few_tries(
    monkeypatch: pytest.MonkeyPatch, trials: Trials
) -> None:
    tries: list[int] = []
    parse = source.parse

    def counted(text: str) -> Any:
        tries.append(len(text))
        return parse(text)

    monkeypatch.setattr(own_lines, "parse", counted)
    assert own_lines.without_own_lines("%mlops a\n" * 90 + "y = 1") == "y = 1"
    assert len(tries) < 5
    tries.clear()
    inside = "x = '''\n" + "%mlops a\n" * 90 + "'''\n"
    found = own_lines.without_own_lines(inside + "%mlops b\n" * 90 + "y = 1")
    assert found.startswith(inside.rstrip("\n"))
    assert found.endswith("y = 1")
    assert len(tries) < 70
    trials("lines of our own in one cell", 270, "removed or left in 70 tries")


def test_the_names_of_a_long_cell_are_found_in_one_walk(
    monkeypatch: pytest.MonkeyPatch, trials: Trials
) -> None:
    walked: list[int] = []
    same_scope = names._same_scope

    def counted(node: Any) -> Any:
        walked.append(1)
        return same_scope(node)

    monkeypatch.setattr(names, "_same_scope", counted)
    count = 2_000
    for line in ("x{0} += x{0}\n", "x{0} = x{0} + 1\n", "x{0} = 1; y = x{0}\n"):
        walked.clear()
        found = names.read("".join(line.format(number) for number in range(count)))
        assert len(found.makes) >= count
        assert len(found.takes) == (0 if ";" in line else count)
        assert len(walked) < 10 * count
    trials("names that a cell both makes and takes", 3 * count, "found in one walk")


def test_the_constants_of_a_long_cell_are_found_in_one_walk(
    monkeypatch: pytest.MonkeyPatch, trials: Trials
) -> None:
    text = "".join(f"x{number} = {number}\n" for number in range(2_000))
    names.read(text)
    walked: list[int] = []
    walk = ast.walk

    def counted(node: ast.AST) -> Any:
        walked.append(1)
        return walk(node)

    monkeypatch.setattr(ast, "walk", counted)
    found, _ = constants.hoist([text])
    assert len(found) == 2_000
    assert len(walked) < 10
    trials("constants of one cell", 2_000, "found in one walk")
