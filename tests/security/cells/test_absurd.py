"""A notebook from somebody else may have cells on which IPython's reader works for minutes, or gives up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops.cells import own_lines, parser, source

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
    monkeypatch.setattr(parser, "transformed", lambda body: asked.append(body) or body)
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
