"""Move constants from their cells into the parameters cell of a job.

A constant moves only if its value is valid for a parameter (JSON) and the notebook's result is
surely the same. `recorded_values` also records other literals.
"""

from __future__ import annotations

import ast
from collections import Counter

from jupyter_mlops.cells import names, source


def hoist(sources: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return the lines of the constants by name, and the cells without those lines.

    A constant moves if no other code assigns its name, its statement is at the top level and alone
    on its lines, and no cell can define names that its code does not show.
    """
    read = [names.read(text) for text in sources]
    if any(item.unknown for item in read):
        return {}, sources
    makers = Counter(name for item in read for name in item.makes)
    stores = [_stores(text) for text in sources]
    found: dict[str, str] = {}
    cleaned = []
    for text in sources:
        lines = text.splitlines()
        gone: set[int] = set()
        for name, first, last in _constants(text):
            alone = makers[name] == 1 and not _changed_elsewhere(name, read, stores)
            if alone and name not in found:
                found[name] = "\n".join(lines[first - 1 : last])
                gone |= {*range(first, last + 1)}
        kept = [line for number, line in enumerate(lines, start=1) if number not in gone]
        cleaned.append("\n".join(kept).strip("\n"))
    return found, cleaned


def _constants(text: str) -> list[tuple[str, int, int]]:
    """Return (name, first line, last line) of each top-level `name = constant` of a plain cell."""
    cell = source.read(text)
    if cell.tree is None or not cell.plain:
        return []
    tree = cell.tree
    taken = Counter(
        line
        for statement in tree.body
        for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    )
    found = []
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target, value = statement.target, statement.value
        else:
            continue
        first, last = statement.lineno, statement.end_lineno or statement.lineno
        if (
            isinstance(target, ast.Name)
            and not target.id.startswith("_")
            and _is_constant(value)
            and all(taken[line] == 1 for line in range(first, last + 1))
        ):
            found.append((target.id, first, last))
    return found


def _is_constant(value: ast.expr) -> bool:
    """Whether a value is valid for a parameter: a JSON scalar or a flat list of JSON scalars."""
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
        value = value.operand
        return isinstance(value, ast.Constant) and isinstance(value.value, (int, float))
    if isinstance(value, ast.List):
        return bool(value.elts) and all(
            not isinstance(item, ast.List) and _is_constant(item) for item in value.elts
        )
    return isinstance(value, ast.Constant) and (
        value.value is None or isinstance(value.value, (bool, int, float, str))
    )


def _stores(text: str) -> Counter[str]:
    """Return how often a cell assigns or deletes each name."""
    return Counter(
        node.id
        for node in ast.walk(source.read(text).program)
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del))
    )


def _changed_elsewhere(name: str, read: list[names.Names], stores: list[Counter[str]]) -> bool:
    """Whether a cell uses the name before its assignment, or deletes or augments it."""
    for item, stored in zip(read, stores, strict=True):
        if name in item.makes:
            return stored[name] != 1
        if name in item.takes:
            return True
    return False
