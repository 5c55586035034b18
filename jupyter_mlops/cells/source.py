"""Notebook source as Python: the only module that parses it.

A cell is parsed as IPython runs it: line magics, shell lines and help become calls; `magics` defines
the kind of the body of a cell magic (`%%time`, `%%mlops run`, …). IPython does not change valid
Python, so its slow transformer runs only for other cells.
"""

from __future__ import annotations

import ast
import copy
import itertools
import re
import shlex
import symtable
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from jupyter_mlops.cells import magics
from jupyter_mlops.cells.magics import Body

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

_COROUTINE = 0x80  # CO_COROUTINE
_HELP = re.compile(r"%%\w+\?")
# Rare in Python: lines of magics, of the shell and of help. Python parses a notebook's prompt,
# `In [1]: x`, as an annotation.
_NO_PYTHON = re.compile(r"(?m)^[ \t]*[%!]|=[ \t]*[%!]|\?[ \t]*$|\A\s*In \[")
_STATEMENT_NAME = re.compile(rf"""['"](?:{"|".join(magics.STATEMENT)})['"]""")
_SHELL_CALLS = {"system", "getoutput"}
# Code that may assign any name.
_ANY_NAME = {"exec", "eval", "globals", "locals", "vars", "setattr", "__import__"}
_ANY_ATTRIBUTE = {
    "user_ns", "push", "run_cell", "run_code", "load_session", "ev", "ex", "run_path",
}  # fmt: skip


class CellSyntaxError(Exception):
    """The cell is not Python; `line` counts from 1 in the cell."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, eq=False)
class Cell:
    """One cell as Python.

    `tree` is None if the cell is in another language, or does not parse (then `error` says why).
    `text` is the Python of the tree's positions; `offset` is the number of the cell's lines above it.
    `head` are the `%%` lines, `magics` the names in them, `setup` the Python in them. `made` are the
    names that their options assign: `%%capture out`. With `unknown` one of them may do anything.
    `automagic` is the name of a magic that the cell may be without its `%`: `ls`.
    """

    source: str
    tree: ast.Module | None = None
    text: str = ""
    head: str = ""
    offset: int = 0
    magics: tuple[str, ...] = ()
    setup: tuple[ast.stmt, ...] = ()
    made: frozenset[str] = frozenset()
    error: CellSyntaxError | None = None
    unknown: bool = False
    automagic: str = ""

    @property
    def plain(self) -> bool:
        """Whether the original source is Python without any magic."""
        return self.tree is not None and not self.head and self.text == self.source

    @property
    def has_magics(self) -> bool:
        """Whether the cell runs something that is not Python, or calls IPython itself."""
        return self.error is None and (not self.plain or "get_ipython" in self.text)

    @property
    def body(self) -> list[ast.stmt]:
        """The statements whose names remain after the cell, with their positions in `text`."""
        return [] if self.tree is None or self.in_function else self.tree.body

    @cached_property
    def program(self) -> ast.Module:
        """The executed program of the cell; empty if it is not Python.

        `%time x = f()` is `x = f()` here. The Python of a magic inside a statement is placed before the
        statement. Code that runs in a function (`%%timeit`) is in one. Positions have no meaning.
        """
        if self.tree is None:
            return ast.Module([], [])
        in_lines = "run_line_magic" in self.text and _STATEMENT_NAME.search(self.text)
        if not self.setup and not self.in_function and not in_lines:
            return self.tree
        body = [*self.setup, *_expanded(self.tree.body)]
        return ast.Module([_function(body)] if self.in_function else body, [])

    @cached_property
    def may_define(self) -> bool:
        """Whether the cell may assign names that the program does not show."""
        return self.unknown or any(map(_may_define, ast.walk(self.program)))

    @cached_property
    def commands(self) -> str:
        """The lines and bodies that are not Python: shell lines, magics, other languages."""
        if self.tree is None:
            return self.source
        lines = [_command(node) for node in ast.walk(self.tree) if is_magic(node)]
        return "\n".join([*self.head.splitlines(), *filter(None, lines)])

    @property
    def in_function(self) -> bool:
        """Whether the cell runs in a function, as with `%%timeit`."""
        return bool(self.magics) and _in_function(self.magics[-1])

    def comments(self) -> dict[int, str]:
        """Return the trailing comment of each line of `text`; a `#` in a string does not count."""
        import io
        import tokenize

        found: dict[int, str] = {}
        try:
            for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
                if token.type == tokenize.COMMENT:
                    found[token.start[0]] = token.string.lstrip("#:! ").strip()
        except (tokenize.TokenError, SyntaxError):
            pass  # keep the comments found so far
        return found


@lru_cache(maxsize=256)
def read(source: str) -> Cell:
    """Parse one cell; callers share the cached trees and must not change them."""
    return parse(source)


def parse(source: str) -> Cell:
    """Parse one cell into a new tree."""
    head, body, unknown = "", source, False
    made: frozenset[str] = frozenset()
    above: list[str] = []
    setup: list[ast.stmt] = []
    while (magic := cell_magic(body)) is not None:
        kind = magics.CELL.get(magic.name, Body.UNKNOWN)
        if kind is Body.PROGRAM:
            made |= _outputs(magic.line)
        if kind not in {Body.PYTHON, Body.FUNCTION}:
            unknown = unknown or kind is Body.UNKNOWN
            return Cell(source, made=made, unknown=unknown)
        if magic.name == "capture":
            made |= {word for word in words(magic.line) if word.isidentifier()}
        elif magic.name in magics.STATEMENT:
            before = _statement(magic.name, magic.line)
            unknown = unknown or before is None
            setup += before or []
        head += magic.head
        above.append(magic.name)
        body = magic.body
    code = _python(body)
    offset = source[: len(source) - len(body)].count("\n") + code.dropped
    error = code.error and CellSyntaxError(str(code.error), code.error.line + offset)
    return Cell(
        source, code.tree, code.text, head, offset, tuple(above), tuple(setup), made, error, unknown,
        code.automagic,
    )  # fmt: skip


@lru_cache(maxsize=256)
def _refusal(source: str) -> CellSyntaxError | None:
    cell = read(source)
    if cell.tree is None or cell.in_function:
        return cell.error
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if {*cell.magics} <= magics.AWAIT else 0
    try:
        _compiled(cell.tree, flags)
    except SyntaxError as error:
        return CellSyntaxError(error.msg, (error.lineno or 1) + cell.offset)
    except (ValueError, RecursionError, MemoryError) as error:
        return CellSyntaxError(str(error) or type(error).__name__, 1)
    return None


def checked(source: str) -> Cell:
    """Parse one cell and compile it: the compiler finds more errors than the parser.

    Raises:
        CellSyntaxError: the cell would fail before its first line runs.
    """
    if (refusal := _refusal(source)) is not None:
        raise CellSyntaxError(str(refusal), refusal.line)
    return read(source)


def awaits(source: str) -> bool:
    """Whether a cell has a top-level await; False if it does not compile."""
    if "await" not in source and "async" not in source:
        return False
    tree = read(source).tree
    try:
        code = _compiled(tree, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT) if tree else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return code is not None and bool(code.co_flags & _COROUTINE)


def same(one: str, other: str) -> bool:
    """Whether two cells are the same code, without comments, layout and `%%` lines."""
    if one.strip() == other.strip():
        return True
    trees = read(one).tree, read(other).tree
    return None not in trees and len({ast.dump(tree) for tree in trees if tree}) == 1


def symbols(program: ast.Module, text: str = "") -> symtable.SymbolTable:
    """Return Python's symbol table of a program; `text` is its source, if available.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: it does not compile.
    """
    if not text:
        text = ast.unparse(program)
    if "await" in text:
        # The symbol table refuses await outside a function; without await the names are the same.
        text = ast.unparse(_Await().visit(copy.deepcopy(program)))
    with _quiet():
        return symtable.symtable(text, "<cell>", "exec")


def is_magic(node: ast.AST) -> bool:
    """Whether an expression is IPython's call for `%magic`, `!command` or `name?`."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Call)
        and isinstance(node.func.value.func, ast.Name)
        and node.func.value.func.id == "get_ipython"
    )


class CellMagic(NamedTuple):
    """A cell magic: its original line (`head`), its name, the rest of that line, and its body."""

    head: str
    name: str
    line: str
    body: str


def cell_magic(source: str) -> CellMagic | None:
    """Return the cell magic on top of a cell; None if there is none."""
    stripped = source.lstrip()
    if not stripped.startswith("%%") or _HELP.match(stripped):
        return None
    head, end, body = stripped.partition("\n")
    name, _, line = head[2:].rstrip().partition(" ")
    return CellMagic(head + end, name, line.strip(), body)


class _Code(NamedTuple):
    """Python without cell magics; `dropped` counts the empty leading lines that IPython removes."""

    text: str
    tree: ast.Module | None = None
    error: CellSyntaxError | None = None
    dropped: int = 0
    automagic: str = ""


def _python(body: str) -> _Code:
    word = _first_word(body)
    if not _NO_PYTHON.search(body):
        try:
            return _Code(body, _tree(body), automagic=word if word in magics.INERT else "")
        except CellSyntaxError:
            pass
    if word in magics.INERT or word in magics.STATEMENT:
        body = f"%{body.lstrip()}"  # IPython does this only to a cell of one line
    dropped = body[: len(body) - len(body.lstrip())].count("\n")
    try:
        text = _transformed(body)
        if text.rstrip("\n") == body.rstrip("\n"):
            text, dropped = body, 0
        return _Code(text, _tree(text), dropped=dropped)
    except CellSyntaxError as error:
        return _Code(body, error=error, dropped=dropped)


def _transformed(body: str) -> str:
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        return str(TransformerManager().transform_cell(body))
    except SyntaxError as error:
        raise CellSyntaxError(error.msg, error.lineno or 1) from None


def _tree(text: str) -> ast.Module:
    try:
        with _quiet():
            tree = compile(text, "<cell>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)  # fmt: skip
    except SyntaxError as error:
        raise CellSyntaxError(error.msg, error.lineno or 1) from None
    except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes, absurd nesting
        raise CellSyntaxError(str(error) or type(error).__name__, 1) from None
    assert isinstance(tree, ast.Module)
    return tree


def _compiled(tree: ast.Module, flags: int) -> CodeType:
    with _quiet():
        code: CodeType = compile(tree, "<cell>", "exec", flags, dont_inherit=True)
    return code


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress warnings, such as for an invalid escape in the user's cell."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _first_word(body: str) -> str:
    """Return the first word of a cell of one line, which IPython may run as a magic."""
    line = body.strip()
    if "\n" in line:
        return ""
    word, _, rest = line.partition(" ")
    return "" if rest.lstrip().startswith("=") else word


def words(line: str) -> list[str]:
    """Return the words of a magic's line, without quotes."""
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def _outputs(line: str) -> frozenset[str]:
    """Return the names that `%%bash --out a --err b` assigns."""
    parts = [part for word in words(line) for part in word.split("=", 1)]
    return frozenset(
        value
        for option, value in itertools.pairwise(parts)
        # argparse also accepts a shortened option.
        if len(option) > 2 and any(name.startswith(option) for name in magics.PROGRAM_OUTPUTS)
    )


def _statement(name: str, line: str) -> list[ast.stmt] | None:
    """Return the Python in a magic's line, without its options; None if it is not Python."""
    options = magics.STATEMENT[name]
    while line.startswith("-"):
        word, _, line = line.partition(" ")
        if len(word) == 2 and f"{word[1]}:" in options:
            _, _, line = line.lstrip().partition(" ")
        line = line.lstrip()
    try:
        return _tree(line).body
    except CellSyntaxError:
        return None


def _expanded(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return statements with the Python of magics' lines; the given statements are not changed."""
    found: list[ast.stmt] = []
    for statement in body:
        inside = _with_blocks_expanded(statement)
        alone = False
        if inside is statement:
            for call in filter(is_magic, ast.walk(statement)):
                name, line = _line_magic(call)
                code = _statement(name, line) if name in magics.STATEMENT else None
                if code is not None:
                    found += [_function(code)] if _in_function(name) else code
                    alone = isinstance(statement, ast.Expr) and statement.value is call
        if not alone:
            found.append(inside)
    return found


def _with_blocks_expanded(node: Any) -> Any:
    """Return a copy of a compound statement with expanded blocks; a simple statement unchanged."""
    blocks = {
        name: _expanded(value)
        if isinstance(value[0], ast.stmt)
        else [_with_blocks_expanded(item) for item in value]
        for name, value in ast.iter_fields(node)
        if isinstance(value, list)
        and value
        and isinstance(value[0], (ast.stmt, ast.ExceptHandler, ast.match_case))
    }
    if not blocks:
        return node
    expanded = copy.copy(node)
    for name, value in blocks.items():
        setattr(expanded, name, value)
    return expanded


def _function(body: list[ast.stmt]) -> ast.stmt:
    """Return statements as the body of a function."""
    made = _tree("def _(): ...").body[0]
    assert isinstance(made, ast.FunctionDef)
    made.body = body or made.body
    return made


def _in_function(name: str) -> bool:
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


def _command(call: ast.AST) -> str:
    """Return a `%magic` or a `!command` as a line; empty if the line is Python."""
    name, line = _line_magic(call)
    if name:
        python = name in magics.STATEMENT and _statement(name, line) is not None
        return "" if python else f"%{name} {line}"
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
        texts = _texts(call)
        if call.func.attr in _SHELL_CALLS and texts:
            return f"!{texts[0]}"
    return ""


def _may_define(node: ast.AST) -> bool:
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
                return not _in_function(name) and _statement(name, line) is None
            return name not in magics.INERT
        if node.func.attr == "run_cell_magic":
            texts = _texts(node)
            kind = magics.CELL.get(texts[0]) if len(texts) > 1 else None
            return kind is not Body.TEXT and (kind is not Body.PROGRAM or bool(_outputs(texts[1])))
    return False


class _Await(ast.NodeTransformer):
    def visit_Await(self, node: ast.Await) -> ast.AST:
        return self.visit(node.value)  # type: ignore[no-any-return]
