"""Python's and IPython's parsers for notebook source; no other module calls them for it."""

from __future__ import annotations

import ast
import copy
import io
import symtable
import tokenize
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType


class CellSyntaxError(Exception):
    """The cell is not Python; `line` counts from 1 in the cell."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def transformed(body: str) -> str:
    """Return a cell as the Python that IPython makes of it.

    Raises:
        CellSyntaxError: IPython cannot read it.
    """
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        return str(TransformerManager().transform_cell(body))
    except SyntaxError as error:
        raise CellSyntaxError(error.msg, error.lineno or 1) from None
    except RuntimeError:  # IPython stops after 500 magics
        raise CellSyntaxError("more magics than IPython reads in one cell", 1) from None


def tree(text: str) -> ast.Module:
    """Parse Python, in which `await` may stand at the top level.

    Raises:
        CellSyntaxError: it does not parse.
    """
    try:
        with _quiet():
            parsed = compile(text, "<cell>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)  # fmt: skip
    except SyntaxError as error:
        raise CellSyntaxError(error.msg, error.lineno or 1) from None
    except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes, absurd nesting
        raise CellSyntaxError(str(error) or type(error).__name__, 1) from None
    assert isinstance(parsed, ast.Module)
    return parsed


def compiled(tree: ast.Module, flags: int) -> CodeType:
    """Compile a tree.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: it does not compile.
    """
    with _quiet():
        code: CodeType = compile(tree, "<cell>", "exec", flags, dont_inherit=True)
    return code


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress warnings, such as for an invalid escape in the user's cell."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


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


def comments(text: str) -> dict[int, str]:
    """Return the trailing comment of each line of Python; a `#` in a string does not count."""
    found: dict[int, str] = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                found[token.start[0]] = token.string.lstrip("#:! ").strip()
    except (tokenize.TokenError, SyntaxError):
        pass  # keep the comments found so far
    return found


class _Await(ast.NodeTransformer):
    def visit_Await(self, node: ast.Await) -> ast.AST:
        return self.visit(node.value)  # type: ignore[no-any-return]
