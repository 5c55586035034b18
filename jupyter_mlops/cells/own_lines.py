"""The lines of a cell that belong to this tool: `%%mlops run`, `%mlops …`, `%load_ext jupyter_mlops`."""

from __future__ import annotations

import ast
import re

from jupyter_mlops.cells.magic_calls import is_magic, words
from jupyter_mlops.cells.source import cell_magic, parse

_OWN_LINE = re.compile(r"^\s*%(?:mlops|load_ext\s+jupyter_mlops|reload_ext\s+jupyter_mlops)\b")
#: Each try parses the whole cell; what is left after so many stays, and a replay skips it.
_MOST_TRIES = 64
_OWN_EXTENSION = (["load_ext", "jupyter_mlops"], ["reload_ext", "jupyter_mlops"])


def recording(source: str) -> list[str] | None:
    """Return the words after `%%mlops` on top of a cell; None if there is no such line."""
    magic = cell_magic(source)
    return words(magic.line) if magic is not None and magic.name == "mlops" else None


def without_recording(source: str) -> str:
    """Return a cell without the `%%mlops` line on top of it."""
    magic = cell_magic(source)
    return magic.body if magic is not None and magic.name == "mlops" else source


def without_own_lines(source: str) -> str:
    """Return a cell without its `%mlops` lines and those that load this extension.

    A line stays if its removal changes the other code: inside a string, or alone in a block.
    """
    lines = source.splitlines()
    own = [number for number, line in enumerate(lines) if _OWN_LINE.match(line)]
    if not own or (read := parse(source)).plain or read.tree is None:
        return "\n".join(lines)
    code = _rest(lines)
    gone: set[int] = set()
    # Usually all of them may go; else the groups are halved until the lines are found that stay.
    waiting = [[_whole(lines, number) for number in own]]
    for _ in range(_MOST_TRIES):
        if not waiting:
            break
        group = waiting.pop()
        without = gone.union(*group)
        if _rest([line for number, line in enumerate(lines) if number not in without]) == code:
            gone = without
        elif len(group) > 1:
            half = len(group) // 2
            waiting += [group[:half], group[half:]]
    return "\n".join(line for number, line in enumerate(lines) if number not in gone)


def is_own(statement: ast.AST) -> bool:
    """Whether a statement is a `%mlops` line, or loads this extension; a replay skips it."""
    if not isinstance(statement, (ast.Expr, ast.Assign)) or not is_magic(statement.value):
        return False
    line = " ".join(
        item.value
        for item in ast.walk(statement.value)
        if isinstance(item, ast.Constant) and isinstance(item.value, str)
    ).split()
    return line[:1] == ["mlops"] or line[:2] in _OWN_EXTENSION


def _whole(lines: list[str], first: int) -> range:
    """Return the numbers of the lines of one command, which may go on after a backslash."""
    last = first
    while lines[last].endswith("\\") and last + 1 < len(lines):
        last += 1
    return range(first, last + 1)


def _rest(lines: list[str]) -> list[str] | None:
    """Return the AST dumps of a cell's statements without this tool's; None if it is not Python."""
    tree = parse("\n".join(lines)).tree
    return None if tree is None else [ast.dump(item) for item in tree.body if not is_own(item)]
