"""Names that a notebook uses before it defines them, if its cells run from top to bottom.

They refuse a job, so only a sure NameError is reported. If names are unknown (star imports, `exec`,
some magics, names that a function looks up at its call), nothing is reported.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_mlops.cells.names import COMPREHENSIONS, GIVEN, bound, defaults, mentioned

if TYPE_CHECKING:
    from collections.abc import Iterable

_GUARDS = {"NameError", "Exception", "BaseException", "UnboundLocalError"}


@dataclass(frozen=True, slots=True)
class Undefined:
    """An undefined name in a cell (by number); `later` is the cell that defines it, if any."""

    name: str
    cell: int
    later: int | None = None
    deleted: int | None = None


@dataclass
class Notebook:
    """The module-level names while the cells are visited in order."""

    everywhere: dict[str, int] = field(default_factory=dict)
    defined: set[str] = field(default_factory=set)
    deleted: dict[str, int] = field(default_factory=dict)
    anything: bool = False
    found: dict[str, Undefined] = field(default_factory=dict)
    deferred: list[tuple[str, int]] = field(default_factory=list)

    def cell(
        self, number: int, tree: ast.Module, *, defines: Iterable[str] = (), report: bool = True
    ) -> None:
        """Visit one cell; without `report` (a cell that may fail) it only defines names."""
        for statement in tree.body:
            _Visit(self, number, silent=not report).statement(statement, top=True)
        self.defined.update(defines)

    def finish(self) -> list[Undefined]:
        """Return the undefined names, after all cells were visited."""
        for name, cell in self.deferred:
            if name not in self.everywhere and not known(name) and not self.anything:
                self.found.setdefault(name, Undefined(name, cell))
        return sorted(self.found.values(), key=lambda item: item.cell)


def known(name: str) -> bool:
    """Whether every notebook has this name: a builtin, a name of IPython, `_3`, `_i3`."""
    return name in GIVEN or name.lstrip("_i").isdigit()


class _Visit:
    """Visitor of one statement: it checks uses of names in Python's evaluation order."""

    def __init__(self, notebook: Notebook, cell: int, *, silent: bool) -> None:
        self.notebook = notebook
        self.cell = cell
        self.silent = silent
        self.scopes: list[set[str]] = []  # class bodies and comprehensions, which run immediately
        self.within: list[set[str]] = []  # functions, which look up names at the call

    def statement(self, node: ast.stmt, *, top: bool = False) -> None:
        notebook = self.notebook
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self._definition(node)
        elif isinstance(node, ast.Delete):
            self._uses(node)
            if top:
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        notebook.defined.discard(target.id)
                        notebook.deleted[target.id] = self.cell
            return
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            self._uses(node.iter if not isinstance(node, ast.While) else node.test)
            # A later line of the body may define a name for an earlier line's next iteration.
            self._define(bound(node))
            self._block([*node.body, *node.orelse])
        elif isinstance(node, ast.If):
            self._uses(node.test)
            self._define(bound(node.test))
            self._block([*node.body, *node.orelse])
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                self._uses(item.context_expr)
                self._define(bound(item))
            self._block(node.body)
        elif isinstance(node, (ast.Try, getattr(ast, "TryStar", ast.Try))):
            self._try(node)  # type: ignore[arg-type]
        elif isinstance(node, ast.Match):
            self._uses(node.subject)
            self._define(bound(node))
            for case in node.cases:
                self._uses(case.pattern)
                if case.guard:
                    self._uses(case.guard)
                self._block(case.body)
        else:
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                self._use(node.target.id)
            self._uses(node)
        self._define(bound(node))

    def _block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self.statement(statement)

    def _try(self, node: ast.Try) -> None:
        guarded = any(
            handler.type is None or mentioned(handler.type) & _GUARDS for handler in node.handlers
        )
        was, self.silent = self.silent, self.silent or guarded
        self._block(node.body)
        self.silent = was
        self._define(bound(node))
        for handler in node.handlers:
            if handler.type:
                self._uses(handler.type)
            self._block(handler.body)
        self._block([*node.orelse, *node.finalbody])

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        for expression in [*node.decorator_list, *defaults(node)]:
            self._uses(expression)
        if isinstance(node, ast.ClassDef):
            own = {"__module__", "__qualname__", node.name}
            own |= {name for statement in node.body for name in bound(statement)}
            self.scopes.append(own)
            self._block(node.body)
            self.scopes.pop()
        else:
            self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        arguments = node.args
        names = {
            item.arg for item in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        }
        names |= {item.arg for item in (arguments.vararg, arguments.kwarg) if item}
        names |= {getattr(item, "name", "") for item in getattr(node, "type_params", ())}
        names |= {"__class__"}
        body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else [*node.body]
        shared: set[str] = set()
        for item in body:
            names |= set(bound(item))
            shared |= {
                name for sub in ast.walk(item) if isinstance(sub, ast.Global) for name in sub.names
            }
        self.within.append(names - shared)
        hidden, self.scopes = self.scopes, []  # a function cannot read its class's names
        for item in body:
            if isinstance(item, ast.stmt):
                self.statement(item)
            else:
                self._uses(item)
        self.scopes = hidden
        self.within.pop()

    def _uses(self, node: ast.AST) -> None:
        """Check every name that the evaluation of `node` looks up."""
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Store):
                self._use(node.id)
        elif isinstance(node, ast.Lambda):
            for default in [
                *node.args.defaults,
                *(value for value in node.args.kw_defaults if value),
            ]:
                self._uses(default)
            self._function(node)
        elif isinstance(node, COMPREHENSIONS):
            self._comprehension(node)
        elif isinstance(node, ast.NamedExpr):
            self._uses(node.value)
            self._define(bound(node))
        elif isinstance(node, ast.AnnAssign):
            if node.value:
                self._uses(node.value)
            if not self.within:
                self._uses(node.annotation)
            if not isinstance(node.target, ast.Name):
                self._uses(node.target)
        else:
            for child in ast.iter_child_nodes(node):
                self._uses(child)

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ) -> None:
        self._uses(node.generators[0].iter)
        targets = {name for part in node.generators for name in bound(part.target)}
        lazy = isinstance(node, ast.GeneratorExp)
        (self.within if lazy else self.scopes).append(targets)
        for position, part in enumerate(node.generators):
            if position:
                self._uses(part.iter)
            for condition in part.ifs:
                self._uses(condition)
        for value in [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]:
            self._uses(value)
        (self.within if lazy else self.scopes).pop()

    def _use(self, name: str) -> None:
        notebook = self.notebook
        if (
            self.silent
            or known(name)
            or any(name in scope for scope in (*self.scopes, *self.within))
        ):
            return
        if self.within:
            notebook.deferred.append((name, self.cell))
        elif name not in notebook.defined and not notebook.anything:
            later = notebook.everywhere.get(name)
            gone = notebook.deleted.get(name)
            later = later if later is not None and later >= self.cell else None
            notebook.found.setdefault(name, Undefined(name, self.cell, later, gone))

    def _define(self, names: Iterable[str]) -> None:
        if self.within:
            return  # a function's local names; `bound` yields its `global` ones
        if self.scopes:
            self.scopes[-1].update(names)
        else:
            self.notebook.defined.update(names)
