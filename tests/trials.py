"""The table of faults and attacks at the end of a test session: how many were tried, and what came of it.

A test says `trials("SIGKILL while recording", 50)` once it has seen 50 and asserted that none did harm. `make test`
sums the table up in one line; `--trials table`, as in `make test-all`, prints it whole. Its last column is the rule of three: with no failure in N independent trials, the true rate of failure is below 3/N with
95 % confidence (Hanley and Lippman-Hand, 1983). It is a bound for the inputs that were drawn, not for all.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

_KEY = "trials"
_HEAD = ("fault or attack", "N", "outcome", "bound 3/N")


class Trials(Protocol):
    """Writes one row of the table."""

    def __call__(self, what: str, number: int, outcome: str = "none did harm") -> None: ...


@pytest.fixture
def trials(record_property: Callable[[str, object], None]) -> Trials:
    """Give the function that writes one row; call it after the assertions."""

    def note(what: str, number: int, outcome: str = "none did harm") -> None:
        assert number > 0, "nothing was tried"
        record_property(_KEY, json.dumps([what, number, outcome]))

    return note


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--trials`: how much to print."""
    parser.addoption(
        "--trials",
        choices=("line", "table"),
        default="line",
        help="print faults and attacks as one line (the default) or as a table",
    )


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the line or the table, the rows of all workers together."""
    passed = terminalreporter.stats.get("passed", [])
    noted = [
        json.loads(value)
        for report in passed
        for key, value in report.user_properties
        if key == _KEY
    ]
    if not noted:
        return
    if config.getoption("trials") == "line":
        terminalreporter.write_line(_line(noted))
        return
    rows = [
        (what, f"{number:,}", outcome, f"{3 / number:.2g}")
        for what, number, outcome in sorted(noted)
    ]
    widths = [max(len(row[i]) for row in [_HEAD, *rows]) for i in range(4)]
    terminalreporter.write_sep("-", "faults and attacks")
    for what, number, outcome, bound in [_HEAD, *rows]:
        terminalreporter.write_line(
            f"{what:<{widths[0]}}  {number:>{widths[1]}}  {outcome:<{widths[2]}}  {bound:>{widths[3]}}"
        )


def _line(noted: list[tuple[str, int, str]]) -> str:
    kinds = len({what for what, _, _ in noted})
    tried = sum(number for _, number, _ in noted)
    return (
        f"{kinds:,} {'kind' if kinds == 1 else 'kinds'} of faults and attacks,"
        f" {tried:,} tried, all as stated"
    )
