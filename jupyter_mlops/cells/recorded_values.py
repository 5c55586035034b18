"""The values of a cell that a run records: its parameters and its metrics.

Here a constant is any finite literal, because it is only recorded. The constants that `constants`
moves must also be valid parameter values.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass, field
from typing import Any

from jupyter_mlops.cells import literals, source

_LONGEST_VALUE = 250
_MOST_ITEMS = 16
_FIGURES_AND_FLAGS = {"True", "False", "None"}


@dataclass
class CellCode:
    """The names in a cell that a recorder needs, in order of appearance."""

    constants: dict[str, Any] = field(default_factory=dict)
    assigned: list[str] = field(default_factory=list)
    computed: list[str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    fitted: dict[str, str] = field(default_factory=dict)
    imports: set[str] = field(default_factory=set)
    keywords: dict[str, set[str]] = field(default_factory=dict)
    last: str = ""
    last_name: str = ""


def read(text: str, transformed: str = "") -> CellCode:
    """Parse one cell.

    Args:
        text: the cell's original source.
        transformed: the source that the shell runs, for shells with their own input transformers.

    Raises:
        SyntaxError: it is not Python.
    """
    cell = source.read(text)
    if cell.tree is None and transformed:
        cell = source.read(transformed)
    if cell.error is not None:
        raise SyntaxError(str(cell.error))
    body = cell.program.body
    code = CellCode()
    for statement in body:
        _top_level(statement, code)
    for node in ast.walk(cell.program):
        _anywhere(node, code)
    if body and isinstance(body[-1], ast.Expr):
        value = body[-1].value
        code.last = ast.unparse(value)
        code.last_name = _short_name(value)
    return code


def parameters(code: CellCode, namespace: dict[str, Any]) -> dict[str, Any]:
    """Return the cell's constants, and the simple values from the namespace that it uses."""
    found = {
        name: namespace.get(name, value)
        for name, value in code.constants.items()
        if is_simple(namespace.get(name, value))
    }
    for name in code.used:
        if name not in code.assigned and name in namespace and is_simple(namespace[name]):
            found.setdefault(name, namespace[name])
    return found


def metrics(code: CellCode, namespace: dict[str, Any], result: Any) -> dict[str, float]:
    """Return the computed numbers by name, and the number(s) of the cell's last expression.

    A name counts if it is assigned at the top level by a call, a subscript or arithmetic, and its
    value is a float (Python, numpy, or a tensor of one element). The last expression counts if it
    is a number, or a dict of numbers.
    """
    found = {}
    for name in code.computed:
        value = as_float(namespace.get(name))
        if value is not None and not name.startswith("_"):
            found[name] = value
    if isinstance(result, dict):
        found |= {str(k): v for k, item in result.items() if (v := as_float(item)) is not None}
    elif code.last and (value := as_float(result, integers=True)) is not None:
        found.setdefault(code.last_name or "result", value)
    return found


def is_simple(value: Any) -> bool:
    """Whether a value can be a parameter: a number, flag, short text, or a short list of these."""
    if value is None or isinstance(value, (bool, int, float)):
        return True
    if isinstance(value, str):
        return len(value) <= _LONGEST_VALUE
    if isinstance(value, (list, tuple)):
        return len(value) <= _MOST_ITEMS and all(is_simple(item) for item in value)
    return False


def as_float(value: Any, *, integers: bool = False) -> float | None:
    """Return a float for a real number or an array of one, else None."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        return float(value) if integers else None
    kind = type(value).__module__.partition(".")[0]
    if kind in {"numpy", "torch"} and getattr(value, "ndim", None) == 0:
        item = value.item()
        return as_float(item, integers=integers)
    return None


def _top_level(statement: ast.stmt, code: CellCode) -> None:
    if isinstance(statement, ast.Assign):
        targets, value = statement.targets, statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets, value = [statement.target], statement.value
    elif isinstance(statement, (ast.With, ast.If, ast.For, ast.Try, ast.While)):
        for part in ("body", "orelse", "finalbody"):
            for inner in getattr(statement, part, []):
                _top_level(inner, code)
        return
    else:
        return
    for target in targets:
        names = [node.id for node in ast.walk(target) if isinstance(node, ast.Name)]
        code.assigned += [name for name in names if name not in code.assigned]
        constants = _constants(target, value)
        code.constants |= constants
        if not constants and isinstance(
            value, (ast.Call, ast.BinOp, ast.Subscript, ast.Tuple, ast.Attribute)
        ):
            code.computed += [name for name in names if name not in code.computed]


def _anywhere(node: ast.AST, code: CellCode) -> None:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        if node.id not in code.used and node.id not in _FIGURES_AND_FLAGS:
            code.used.append(node.id)
    elif isinstance(node, ast.Import):
        code.imports |= {alias.name.partition(".")[0] for alias in node.names}
    elif isinstance(node, ast.ImportFrom) and node.module:
        code.imports.add(node.module.partition(".")[0])
    elif isinstance(node, ast.Call):
        _call(node, code)


def _call(node: ast.Call, code: CellCode) -> None:
    called = _short_name(node.func)
    code.keywords.setdefault(called, set()).update(item.arg for item in node.keywords if item.arg)
    fits = called in {"fit", "fit_predict", "fit_transform", "partial_fit"}
    if (
        fits
        and isinstance(node.func, ast.Attribute)
        and node.args
        and isinstance(node.args[0], ast.Name)
    ):
        owner = node.func.value
        code.fitted[owner.id if isinstance(owner, ast.Name) else ""] = node.args[0].id


def _constants(target: ast.expr, value: ast.expr) -> dict[str, Any]:
    """Return the names and values of an assignment of constants: `a = 1`, and `a, b = 1, 2`."""
    constant = literals.value(value)
    if constant is literals.MISSING:
        return {}
    if isinstance(constant, float) and not math.isfinite(constant):
        return {}
    if isinstance(target, ast.Name):
        return {target.id: constant}
    if isinstance(target, (ast.Tuple, ast.List)) and isinstance(constant, (tuple, list)):
        pairs = zip(target.elts, constant, strict=False)
        return {name.id: item for name, item in pairs if isinstance(name, ast.Name)}
    return {}


def _short_name(value: ast.expr) -> str:
    """Return a metric's name for an expression: `accuracy`, or `score` for `m.score(X)`."""
    if isinstance(value, ast.Name):
        return value.id
    if isinstance(value, ast.Call):
        return _short_name(value.func)
    if isinstance(value, ast.Attribute):
        return value.attr
    return ""
