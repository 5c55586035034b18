"""Propose the cells that a recorded cell needs. This is a static analysis, so a replay decides.

`wide` selects all cells that may matter: aliases, mutations, module state, random numbers, files.
`narrow` selects only the last cell that assigns each name.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from jupyter_mlops.cells import names, source

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Functions that do not change their arguments.
_CHANGES_NOTHING = {
    "print", "len", "sum", "min", "max", "abs", "round", "sorted", "range", "enumerate", "zip", "str",
    "int", "float", "bool", "repr", "type", "isinstance", "list", "tuple", "dict", "set", "display",
}  # fmt: skip
# Functions and methods that may use a global random generator.
_USES_RANDOM = {
    "random", "rand", "randn", "randint", "randrange", "uniform", "normal", "choice", "choices",
    "sample", "shuffle", "permutation", "seed", "manual_seed", "fit", "fit_transform", "fit_predict",
    "train_test_split", "cross_val_score", "Linear", "Conv2d", "DataLoader",
}  # fmt: skip
_WRITES_FILES = ("to_", "write", "save", "dump", "mkdir", "rename", "unlink", "remove")
_BUILTINS = frozenset(dir(builtins))


@dataclass(frozen=True, slots=True)
class Effects:
    """Effects of a cell other than its assigned names.

    `changes` are names whose objects it may change, `links` pairs of names that may share an object.
    `late` are names that are read at a function's call, not at its definition. `modules` are the
    names of imported modules, `commands` the names whose attributes it calls or sets without using a
    result. With `beyond` it may change state outside of names: files, random generators.
    """

    changes: frozenset[str] = frozenset()
    commands: frozenset[str] = frozenset()
    links: frozenset[tuple[str, str]] = frozenset()
    late: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()
    beyond: bool = False


def wide(sources: Sequence[str], failed: Iterable[int] = ()) -> list[int]:
    """Return the numbers (from 0) of all cells that the last cell may need, and its own.

    Args:
        sources: the cells in execution order.
        failed: the numbers of the cells that ended with an error.
    """
    read = [names.read(text) for text in sources]
    done = [effects(text) for text in sources]
    modules = frozenset().union(*(item.modules for item in done))
    last = len(sources) - 1
    if read[last].unknown:  # it may take any name
        return [*range(last + 1)]
    kept = {last, *failed}
    kept |= {
        number
        for number, item in enumerate(done)
        if item.beyond or read[number].unknown or item.commands & modules
    }
    linked = _linked(item.links for item in done)
    while True:
        needed = frozenset().union(*(read[number].takes | done[number].late for number in kept))
        shared = frozenset().union(*(linked.get(name, {name}) for name in needed))
        more = {
            number
            for number in range(last)
            if read[number].makes & needed or done[number].changes & shared
        }
        if more <= kept:
            return sorted(kept)
        kept |= more


def narrow(sources: Sequence[str]) -> list[int]:
    """Return the numbers of the cells that last assigned the needed names, and of the last cell."""
    read = [names.read(text) for text in sources]
    late: frozenset[str] = frozenset()
    while True:
        kept = [len(sources) - 1]
        needed = set(read[-1].takes | late)
        for number in range(len(sources) - 2, -1, -1):
            item = read[number]
            if item.makes & needed or (item.unknown and needed):
                kept.append(number)
                needed = (needed - item.makes) | item.takes
        # A function reads its names at the call, not at the definition.
        more = late.union(*(effects(sources[number]).late for number in kept))
        if more == late:
            return sorted(kept)
        late = more


def lacks(sources: Sequence[str], kept: Iterable[int]) -> bool:
    """Whether the kept cells take a name that only another cell makes."""
    read = [names.read(text) for text in sources]
    chosen = [read[number] for number in kept]
    made = frozenset().union(*(item.makes for item in chosen))
    takes = frozenset().union(*(item.takes for item in chosen))
    anywhere = frozenset().union(*(item.makes for item in read))
    return bool((takes - made) & anywhere)


@lru_cache(maxsize=4096)
def effects(text: str) -> Effects:
    """Return the effects of a cell other than its assigned names."""
    cell = source.read(text)
    if cell.tree is None:
        return Effects(beyond=True)
    reader = _Reader()
    reader.visit(cell.program)
    return Effects(
        frozenset(reader.changes - _BUILTINS),
        frozenset(reader.commands),
        frozenset(reader.links),
        frozenset(reader.late),
        frozenset(reader.modules),
        reader.beyond or cell.has_magics,
    )


def _linked(links: Iterable[Iterable[tuple[str, str]]]) -> dict[str, set[str]]:
    """Return for each name all names that may refer to its object, the name included."""
    groups: dict[str, set[str]] = {}
    for pairs in links:
        for one, other in pairs:
            group = groups.setdefault(one, {one}) | groups.setdefault(other, {other})
            for name in group:
                groups[name] = group
    return groups


class _Reader(ast.NodeVisitor):
    def __init__(self) -> None:
        self.changes: set[str] = set()
        self.commands: set[str] = set()
        self.links: set[tuple[str, str]] = set()
        self.late: set[str] = set()
        self.modules: set[str] = set()
        self.beyond = False

    def visit_Import(self, node: ast.Import) -> None:
        self.modules |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        function = node.func
        if isinstance(function, ast.Name) and function.id in _CHANGES_NOTHING:
            return
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        touched = {name for part in (function, *given) for name in _names(part)}
        self.changes |= touched
        base = _base(function)
        if base is not None:
            # `rows.append(x)`: a later change of x also changes the content of rows.
            self.links |= {(base, name) for part in given for name in _names(part)}
        called = getattr(function, "attr", getattr(function, "id", ""))
        if called in _USES_RANDOM or called == "open" or called.startswith(_WRITES_FILES):
            self.beyond = True

    def visit_Expr(self, node: ast.Expr) -> None:
        self.generic_visit(node)
        if isinstance(node.value, ast.Call) and (base := _base(node.value)) is not None:
            self.commands.add(base)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            self._bind(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.generic_visit(node)
        if node.value is not None:
            self._bind(node.target, node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.generic_visit(node)
        if (base := _base(node.target)) is not None:
            self.changes.add(base)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.generic_visit(node)
        self._bind(node.target, node.value)

    def visit_For(self, node: ast.For) -> None:
        self.generic_visit(node)
        self._bind(node.target, node.iter)

    def visit_With(self, node: ast.With) -> None:
        self.generic_visit(node)
        for item in node.items:
            if item.optional_vars is not None:
                self._bind(item.optional_vars, item.context_expr)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if (base := _base(target)) is not None:
                self.changes.add(base)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.generic_visit(node)
        taken = names.of_program(ast.Module([node], [])).takes
        self.late |= taken
        # A call of the function changes the same objects.
        self.links |= {(node.name, name) for name in taken}

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.generic_visit(node)
        self.late |= names.of_program(ast.Module([ast.Expr(node)], [])).takes

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        made = _names(target)
        if isinstance(target, (ast.Attribute, ast.Subscript)):
            self.changes |= made
            self.commands |= made
        self.links |= {(name, other) for name in made for other in _names(value)}


def _names(node: ast.AST) -> set[str]:
    return names.mentioned(node) - _BUILTINS


def _base(node: ast.expr) -> str | None:
    """Return `a` for `a.b[0].c`."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None
