"""Module-level names that a cell assigns (makes), and names that it takes from earlier cells.

They come from Python's symbol table, which handles scopes, comprehensions and `global`. If a cell may
define other names (star imports, `exec`, some magics), its names are unknown.

This module analyses a cell as a whole, for proposals and explanations. `undefined_names`, which
refuses notebooks, follows the execution order of the lines and reports only certain errors.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from jupyter_mlops.cells import parser, source

if TYPE_CHECKING:
    import symtable
    from collections.abc import Iterator

#: Names that every notebook has: builtins, and IPython's own names.
GIVEN = frozenset(dir(builtins)) | {
    "get_ipython", "display", "In", "Out", "exit", "quit", "open", "_", "__", "___", "_i", "_ii",
    "_iii", "_ih", "_oh", "_dh", "_sh", "_exit_code", "__name__", "__doc__", "__builtin__",
    "__builtins__", "__package__", "__loader__", "__spec__", "__annotations__", "__session__",
    "__vsc_ipynb_file__",
}  # fmt: skip
#: Nodes with a scope of their own but no name.
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True, slots=True)
class Names:
    """Names that one cell makes and takes; with `unknown` it may make any name."""

    makes: frozenset[str] = frozenset()
    takes: frozenset[str] = frozenset()
    unknown: bool = False


@lru_cache(maxsize=4096)
def read(text: str) -> Names:
    """Return the names of one cell from its original source, with magics."""
    cell = source.read(text)
    if cell.tree is None:
        return Names(
            makes=cell.made, unknown=cell.may_define
        )  # source that is not Python did not run
    program = cell.program
    found = of_program(program, cell.text if program is cell.tree else "")
    return replace(found, makes=found.makes | cell.made, unknown=cell.may_define)


def of_program(program: ast.Module, text: str = "") -> Names:
    """Return the names of parsed code; `text` is its source, if available."""
    try:
        table = parser.symbols(program, text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Names()  # such code did not run
    makes, uses = _of_table(table)
    # `x += 1` reads x, which the symbol table does not count as a use.
    uses |= {
        node.target.id
        for statement in program.body
        for node in _same_scope(statement)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)
    }
    late = makes & uses & _taken_first(program)
    takes = {
        name for name in (uses - makes) | late if name not in GIVEN and not name.startswith("_")
    }
    return Names(frozenset(makes), frozenset(takes))


def mentioned(node: ast.AST) -> set[str]:
    """Return every name in a node, in whatever scope."""
    return {item.id for item in ast.walk(node) if isinstance(item, ast.Name)}


def bound(node: ast.AST) -> Iterator[str]:
    """Yield the names that one statement (or a part of it) assigns in its own scope.

    Unlike the symbol table, it includes names that may have no value: `x: int`, a `global` in a
    function that is never called.
    """
    stack: list[ast.AST] = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield item.name
            stack += [*item.decorator_list, *defaults(item)]
            # A function's `global x` binds in the module when the function is called.
            yield from (
                name for sub in ast.walk(item) if isinstance(sub, ast.Global) for name in sub.names
            )
            continue
        if isinstance(item, ast.Lambda):
            stack += [*item.args.defaults, *(value for value in item.args.kw_defaults if value)]
            continue
        if isinstance(item, COMPREHENSIONS):
            # Only a walrus assigns outside of a comprehension.
            for sub in ast.walk(item):
                if isinstance(sub, ast.NamedExpr) and isinstance(sub.target, ast.Name):
                    yield sub.target.id
            continue
        if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store):
            yield item.id
        elif isinstance(item, ast.alias):
            yield item.asname or item.name.partition(".")[0]
        elif (isinstance(item, ast.ExceptHandler) and item.name) or (
            isinstance(item, (ast.MatchAs, ast.MatchStar)) and item.name
        ):
            yield item.name
        elif isinstance(item, ast.MatchMapping) and item.rest:
            yield item.rest
        stack += ast.iter_child_nodes(item)


def defaults(item: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[ast.AST]:
    """Return the expressions evaluated at a definition: defaults, or bases; without decorators and body."""
    if isinstance(item, ast.ClassDef):
        return [*item.bases, *item.keywords]
    return [*item.args.defaults, *(value for value in item.args.kw_defaults if value)]


def _of_table(table: symtable.SymbolTable) -> tuple[set[str], set[str]]:
    makes: set[str] = set()
    uses: set[str] = set()
    for symbol in table.get_symbols():
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
            makes.add(symbol.get_name())
        if symbol.is_referenced():
            uses.add(symbol.get_name())
    waiting = [*table.get_children()]
    while waiting:
        child = waiting.pop()
        waiting += child.get_children()
        for symbol in child.get_symbols():
            if symbol.is_global():
                if symbol.is_assigned() or symbol.is_imported():
                    makes.add(symbol.get_name())
                if symbol.is_referenced():
                    uses.add(symbol.get_name())
    return makes, uses


def _taken_first(tree: ast.Module) -> set[str]:
    """Return the names whose earlier value a cell that makes them may read first: `x = x + 1`, `x += 1`."""
    found: set[str] = set()
    seen: set[str] = set()
    for statement in _in_order(tree.body):
        loads: set[str] = set()
        stores: set[str] = set()
        for node in _same_scope(statement):
            if isinstance(node, ast.Name):
                if isinstance(node.ctx, ast.Load):
                    loads.add(node.id)
                elif isinstance(node.ctx, ast.Store):
                    stores.add(node.id)
            elif isinstance(node, ast.alias):
                stores.add(node.asname or node.name.partition(".")[0])
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                stores.add(node.name)
        if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            loads.add(statement.target.id)
        # In `for x in xs` and `with a as x` the name is assigned before the body reads it.
        block = isinstance(statement, (ast.For, ast.With, ast.AsyncFor, ast.AsyncWith))
        found |= (loads - stores if block else loads) - seen
        seen |= loads | stores
    return found


def _in_order(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield simple statements, and the header of each compound one before its content."""
    for statement in body:
        parts = [
            getattr(statement, part, []) for part in ("body", "handlers", "orelse", "finalbody")
        ]
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) or not any(
            parts
        ):
            yield statement
            continue
        yield _header(statement) or ast.Pass()
        for part in parts:
            for item in part:
                if isinstance(item, ast.ExceptHandler):
                    yield from _in_order(item.body)
                else:
                    yield from _in_order([item])


def _header(statement: ast.stmt) -> ast.stmt | None:
    """Return a compound statement without its blocks."""
    if isinstance(statement, (ast.If, ast.While)):
        return ast.Expr(statement.test)
    if isinstance(statement, (ast.For, ast.AsyncFor)):
        return ast.For(statement.target, statement.iter, body=[], orelse=[])
    if isinstance(statement, (ast.With, ast.AsyncWith)):
        return ast.With(statement.items, body=[])
    return None


def _same_scope(node: ast.AST) -> Iterator[ast.AST]:
    """Walk `node` without the inside of functions, classes and comprehensions."""
    waiting = [node]
    while waiting:
        item = waiting.pop()
        yield item
        if not isinstance(
            item,
            (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, *COMPREHENSIONS),
        ):
            waiting += ast.iter_child_nodes(item)
