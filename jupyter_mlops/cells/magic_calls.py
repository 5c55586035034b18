"""The calls that IPython makes of magics and shell lines: what they run, and which names they may assign."""

from __future__ import annotations

import ast
import copy
import itertools
import shlex
from typing import Any

from jupyter_mlops.cells import magics, parser
from jupyter_mlops.cells.magics import Body

_SHELL_CALLS = {"system", "getoutput"}
# Code that may assign any name.
_ANY_NAME = {"exec", "eval", "globals", "locals", "vars", "setattr", "__import__"}
_ANY_ATTRIBUTE = {
    "user_ns", "push", "run_cell", "run_code", "load_session", "ev", "ex", "run_path",
}  # fmt: skip


def is_magic(node: ast.AST) -> bool:
    """Whether an expression is IPython's call for `%magic`, `!command` or `name?`."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Call)
        and isinstance(node.func.value.func, ast.Name)
        and node.func.value.func.id == "get_ipython"
    )


def words(line: str) -> list[str]:
    """Return the words of a magic's line, without quotes."""
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def outputs(line: str) -> frozenset[str]:
    """Return the names that `%%bash --out a --err b` assigns."""
    parts = [part for word in words(line) for part in word.split("=", 1)]
    return frozenset(
        value
        for option, value in itertools.pairwise(parts)
        # argparse also accepts a shortened option.
        if len(option) > 2 and any(name.startswith(option) for name in magics.PROGRAM_OUTPUTS)
    )


def statement(name: str, line: str) -> list[ast.stmt] | None:
    """Return the Python in a magic's line, without its options; None if it is not Python."""
    options = magics.STATEMENT[name]
    while line.startswith("-"):
        word, _, line = line.partition(" ")
        if len(word) == 2 and f"{word[1]}:" in options:
            _, _, line = line.lstrip().partition(" ")
        line = line.lstrip()
    try:
        return parser.tree(line).body
    except parser.CellSyntaxError:
        return None


def expanded(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return statements with the Python of magics' lines; the given statements are not changed."""
    found: list[ast.stmt] = []
    for one in body:
        inside = _with_blocks_expanded(one)
        alone = False
        if inside is one:
            for call in filter(is_magic, ast.walk(one)):
                name, line = _line_magic(call)
                code = statement(name, line) if name in magics.STATEMENT else None
                if code is not None:
                    found += [function(code)] if in_function(name) else code
                    alone = isinstance(one, ast.Expr) and one.value is call
        if not alone:
            found.append(inside)
    return found


def _with_blocks_expanded(node: Any) -> Any:
    """Return a copy of a compound statement with expanded blocks; a simple statement unchanged."""
    blocks = {
        name: expanded(value)
        if isinstance(value[0], ast.stmt)
        else [_with_blocks_expanded(item) for item in value]
        for name, value in ast.iter_fields(node)
        if isinstance(value, list)
        and value
        and isinstance(value[0], (ast.stmt, ast.ExceptHandler, ast.match_case))
    }
    if not blocks:
        return node
    copied = copy.copy(node)
    for name, value in blocks.items():
        setattr(copied, name, value)
    return copied


def function(body: list[ast.stmt]) -> ast.stmt:
    """Return statements as the body of a function."""
    made = parser.tree("def _(): ...").body[0]
    assert isinstance(made, ast.FunctionDef)
    made.body = body or made.body
    return made


def in_function(name: str) -> bool:
    """Whether a cell magic runs its body in a function, as `%%timeit` does."""
    return magics.CELL.get(name) is Body.FUNCTION


def _line_magic(call: ast.AST) -> tuple[str, str]:
    """Return the name and the line of a `%magic`; empty strings for any other call."""
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
        texts = _texts(call)
        if call.func.attr == "run_line_magic" and len(texts) == 2:
            return texts[0], texts[1]
    return "", ""


def _texts(call: ast.Call) -> list[str]:
    values = [item.value for item in call.args if isinstance(item, ast.Constant)]
    return [value for value in values if isinstance(value, str)]


def command(call: ast.AST) -> str:
    """Return a `%magic` or a `!command` as a line; empty if the line is Python."""
    name, line = _line_magic(call)
    if name:
        python = name in magics.STATEMENT and statement(name, line) is not None
        return "" if python else f"%{name} {line}"
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
        texts = _texts(call)
        if call.func.attr in _SHELL_CALLS and texts:
            return f"!{texts[0]}"
    return ""


def may_define(node: ast.AST) -> bool:
    """Whether an expression or import may assign names that it does not show."""
    if isinstance(node, ast.ImportFrom):
        return any(alias.name == "*" for alias in node.names)
    if isinstance(node, ast.Name):
        return node.id in _ANY_NAME
    if isinstance(node, ast.Attribute):
        return node.attr in _ANY_ATTRIBUTE
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr == "run_line_magic":
            name, line = _line_magic(node)
            if name in magics.STATEMENT:
                return not in_function(name) and statement(name, line) is None
            return name not in magics.INERT
        if node.func.attr == "run_cell_magic":
            texts = _texts(node)
            kind = magics.CELL.get(texts[0]) if len(texts) > 1 else None
            return kind is not Body.TEXT and (kind is not Body.PROGRAM or bool(outputs(texts[1])))
    return False
