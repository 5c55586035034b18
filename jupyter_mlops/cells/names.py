"""Which module-level names a cell makes, and which it takes from the cells before it.

Read by Python's own symbol tables, so that scopes, comprehensions and `global` are what the
compiler says they are. What cannot be known (star imports, `exec`, magics that make names) is said
to be unknown, never guessed.
"""

from __future__ import annotations

import ast
import builtins
import symtable
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_GIVEN = frozenset(dir(builtins)) | {"get_ipython", "display", "In", "Out", "exit", "quit"}
# Cell magics whose body is the notebook's own Python.
_PYTHON = {"mlops", "time", "timeit", "capture", "prun"}
# Line magics that make no names. Any other may.
_INERT = {
    "alias", "autoreload", "cat", "cd", "conda", "config", "cp", "env", "history", "load_ext",
    "ls", "lsmagic", "magic", "mamba", "matplotlib", "mkdir", "mlops", "mv", "pdb", "pinfo",
    "pinfo2", "pip", "precision", "psource", "pwd", "reload_ext", "rm", "set_env", "system", "sx",
    "tb", "timeit", "unload_ext", "uv", "watermark", "who", "who_ls", "whos", "xmode",
}  # fmt: skip
_UNKNOWN_NAMES = {"exec", "eval", "globals", "locals", "vars", "setattr", "__import__"}
_UNKNOWN_ATTRIBUTES = {"user_ns", "push", "run_cell", "load_session", "ev", "ex", "run_path"}


@dataclass(frozen=True, slots=True)
class Names:
    """`makes` and `takes` of one cell; with `unknown` it may make any name at all."""

    makes: frozenset[str] = frozenset()
    takes: frozenset[str] = frozenset()
    unknown: bool = False


@lru_cache(maxsize=4096)
def read(source: str) -> Names:
    """Return the names of one cell as it was typed, magics and all."""
    body, unknown = _python(source)
    if body is None:
        return Names(unknown=unknown)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in the user's cell is not ours
            tree = compile(
                body, "<cell>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            )
            # The symbol table knows no await outside a function; without it the names are the same.
            table = symtable.symtable(ast.unparse(_without_await(tree)), "<cell>", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Names()  # it cannot have run
    makes, uses = _of_table(table)
    # `x += 1` reads x, which the symbol table does not count as a use.
    uses |= {
        node.target.id
        for statement in tree.body
        for node in _same_scope(statement)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)
    }
    late = {name for name in makes & uses if _taken_first(tree, name)}
    takes = {
        name for name in (uses - makes) | late if name not in _GIVEN and not name.startswith("_")
    }
    return Names(frozenset(makes), frozenset(takes), unknown or _may_make_more(tree))


def plain(source: str) -> str:
    """Return a cell as plain Python, its `%%mlops` line taken off; unchanged if it cannot be."""
    body, _ = _python(source)
    return source if body is None else body


def without_recording(source: str) -> str:
    """Return a cell without its `%%mlops …` line."""
    stripped = source.lstrip()
    if stripped.startswith("%%mlops"):
        return stripped.partition("\n")[2]
    return source


def _python(source: str) -> tuple[str | None, bool]:
    """Return a cell's Python (None if it is another language), and whether it may make any name."""
    unknown = False
    while source.lstrip().startswith("%%"):
        head, _, source = source.lstrip().partition("\n")
        magic, _, rest = head[2:].partition(" ")
        if magic.strip() not in _PYTHON:
            # `%%bash --out x` makes a name; what an unknown magic does is unknown.
            inert = magic.strip() in {"bash", "sh", "!", "html", "javascript", "writefile", "latex"}
            return None, not inert or "--out" in rest
        unknown = unknown or (magic == "capture" and bool(rest.strip()))
    if any(mark in source for mark in "%!?"):
        from IPython.core.inputtransformer2 import TransformerManager

        try:
            return str(TransformerManager().transform_cell(source)), unknown
        except SyntaxError:
            return None, False
    return source, unknown


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


def _taken_first(tree: ast.Module, name: str) -> bool:
    """Whether a cell that makes `name` reads the one it found first: `x = x + 1`, `x += 1`."""
    for statement in _in_order(tree.body):
        loads = stores = False
        for node in _same_scope(statement):
            if isinstance(node, ast.Name) and node.id == name:
                loads = loads or isinstance(node.ctx, ast.Load)
                stores = stores or isinstance(node.ctx, ast.Store)
            elif isinstance(node, ast.alias):
                stores = stores or (node.asname or node.name.partition(".")[0]) == name
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                stores = stores or node.name == name
        if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            loads = loads or statement.target.id == name
        if loads or stores:
            # In `for x in xs` and `with a as x` the name is made before the body reads it.
            return loads and not (
                stores and isinstance(statement, (ast.For, ast.With, ast.AsyncFor, ast.AsyncWith))
            )
    return False


def _in_order(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield simple statements, and the headers of compound ones before what is in them."""
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
    """Walk `node`, not into functions, classes and comprehensions."""
    waiting = [node]
    while waiting:
        item = waiting.pop()
        yield item
        if not isinstance(
            item,
            (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.ListComp,
             ast.SetComp, ast.DictComp, ast.GeneratorExp),
        ):  # fmt: skip
            waiting += ast.iter_child_nodes(item)


class _Await(ast.NodeTransformer):
    def visit_Await(self, node: ast.Await) -> ast.AST:
        return self.visit(node.value)  # type: ignore[no-any-return]


def _without_await(tree: ast.Module) -> ast.Module:
    outside = [n for s in tree.body for n in _same_scope(s)]
    if not any(isinstance(n, (ast.Await, ast.AsyncFor, ast.AsyncWith)) for n in outside):
        return tree
    import copy

    return _Await().visit(copy.deepcopy(tree))  # type: ignore[no-any-return]


def _may_make_more(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            return True
        if isinstance(node, ast.Name) and node.id in _UNKNOWN_NAMES:
            return True
        if isinstance(node, ast.Attribute) and node.attr in _UNKNOWN_ATTRIBUTES:
            return True
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"run_line_magic", "run_cell_magic"}
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and node.args[0].value not in _INERT
        ):
            return True
    return False
