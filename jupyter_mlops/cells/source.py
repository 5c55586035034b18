"""Notebook source as Python: the only reader of a cell.

A cell is parsed as IPython runs it: line magics, shell lines and help become calls; `magics` defines
the kind of the body of a cell magic (`%%time`, `%%mlops run`, …). IPython does not change valid
Python, so its slow transformer runs only for other cells.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from typing import NamedTuple

from jupyter_mlops.cells import magic_calls, magics, parser
from jupyter_mlops.cells.magics import Body

_COROUTINE = 0x80  # CO_COROUTINE
_HELP = re.compile(r"%%\w+\?")
# Rare in Python: lines of magics, of the shell and of help. Python parses a notebook's prompt,
# `In [1]: x`, as an annotation.
_NO_PYTHON = re.compile(r"(?m)^[ \t]*[%!]|=[ \t]*[%!]|\?[ \t]*$|\A\s*In \[")
#: IPython reads the whole cell again for each magic: this many lines take it about ten seconds.
_MOST_READ = 600_000
_STATEMENT_NAME = re.compile(rf"""['"](?:{"|".join(magics.STATEMENT)})['"]""")


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
    error: parser.CellSyntaxError | None = None
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
        body = [*self.setup, *magic_calls.expanded(self.tree.body)]
        return ast.Module([magic_calls.function(body)] if self.in_function else body, [])

    @cached_property
    def may_define(self) -> bool:
        """Whether the cell may assign names that the program does not show."""
        return self.unknown or any(map(magic_calls.may_define, ast.walk(self.program)))

    @cached_property
    def commands(self) -> str:
        """The lines and bodies that are not Python: shell lines, magics, other languages."""
        if self.tree is None:
            return self.source
        lines = [
            magic_calls.command(node) for node in ast.walk(self.tree) if magic_calls.is_magic(node)
        ]
        return "\n".join([*self.head.splitlines(), *filter(None, lines)])

    @property
    def in_function(self) -> bool:
        """Whether the cell runs in a function, as with `%%timeit`."""
        return bool(self.magics) and magic_calls.in_function(self.magics[-1])

    def comments(self) -> dict[int, str]:
        """Return the trailing comment of each line of `text`; a `#` in a string does not count."""
        return parser.comments(self.text)


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
            made |= magic_calls.outputs(magic.line)
        if kind not in {Body.PYTHON, Body.FUNCTION}:
            unknown = unknown or kind is Body.UNKNOWN
            return Cell(source, made=made, unknown=unknown)
        if magic.name == "capture":
            made |= {word for word in magic_calls.words(magic.line) if word.isidentifier()}
        elif magic.name in magics.STATEMENT:
            before = magic_calls.statement(magic.name, magic.line)
            unknown = unknown or before is None
            setup += before or []
        head += magic.head
        above.append(magic.name)
        body = magic.body
    code = _python(body)
    offset = source[: len(source) - len(body)].count("\n") + code.dropped
    error = code.error and parser.CellSyntaxError(str(code.error), code.error.line + offset)
    return Cell(
        source, code.tree, code.text, head, offset, tuple(above), tuple(setup), made, error, unknown,
        code.automagic,
    )  # fmt: skip


@lru_cache(maxsize=256)
def _refusal(source: str) -> parser.CellSyntaxError | None:
    cell = read(source)
    if cell.tree is None or cell.in_function:
        return cell.error
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if {*cell.magics} <= magics.AWAIT else 0
    try:
        parser.compiled(cell.tree, flags)
    except SyntaxError as error:
        return parser.CellSyntaxError(error.msg, (error.lineno or 1) + cell.offset)
    except (ValueError, RecursionError, MemoryError) as error:
        return parser.CellSyntaxError(str(error) or type(error).__name__, 1)
    return None


def checked(source: str) -> Cell:
    """Parse one cell and compile it: the compiler finds more errors than the parser.

    Raises:
        parser.CellSyntaxError: the cell would fail before its first line runs.
    """
    if (refusal := _refusal(source)) is not None:
        raise parser.CellSyntaxError(str(refusal), refusal.line)
    return read(source)


def awaits(source: str) -> bool:
    """Whether a cell has a top-level await; False if it does not compile."""
    if "await" not in source and "async" not in source:
        return False
    tree = read(source).tree
    try:
        code = parser.compiled(tree, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT) if tree else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return code is not None and bool(code.co_flags & _COROUTINE)


def same(one: str, other: str) -> bool:
    """Whether two cells are the same code, without comments, layout and `%%` lines."""
    if one.strip() == other.strip():
        return True
    trees = read(one).tree, read(other).tree
    return None not in trees and len({ast.dump(tree) for tree in trees if tree}) == 1


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
    error: parser.CellSyntaxError | None = None
    dropped: int = 0
    automagic: str = ""


def _python(body: str) -> _Code:
    word = _first_word(body)
    plain, absurd = not _NO_PYTHON.search(body), _is_absurd(body)
    if plain or absurd:
        try:
            return _Code(body, parser.tree(body), automagic=word if word in magics.INERT else "")
        except parser.CellSyntaxError:
            pass
    if absurd:
        why = parser.CellSyntaxError("more magics than can be read in one cell of this length", 1)
        return _Code(body, error=why)
    if word in magics.INERT or word in magics.STATEMENT:
        body = f"%{body.lstrip()}"  # IPython does this only to a cell of one line
    dropped = body[: len(body) - len(body.lstrip())].count("\n")
    try:
        text = parser.transformed(body)
        if text.rstrip("\n") == body.rstrip("\n"):
            text, dropped = body, 0
        return _Code(text, parser.tree(text), dropped=dropped)
    except parser.CellSyntaxError as error:
        return _Code(body, error=error, dropped=dropped)


def _is_absurd(body: str) -> bool:
    """Whether IPython would need minutes to find the magics of a cell, or hours."""
    lines = body.count("\n") + 1
    most = _MOST_READ // lines
    return lines > most and len([*islice(_NO_PYTHON.finditer(body), most + 1)]) > most


def _first_word(body: str) -> str:
    """Return the first word of a cell of one line, which IPython may run as a magic."""
    line = body.strip()
    if "\n" in line:
        return ""
    word, _, rest = line.partition(" ")
    return "" if rest.lstrip().startswith("=") else word
