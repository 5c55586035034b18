"""Find a notebook's parameters (declared in the tagged cell, or proposed) and inject other values.

Injection replaces the constants in a copy of the notebook. papermill instead adds a cell after the
tagged one, or before all cells if none is tagged. Then values derived from a default stay stale,
and an untagged notebook's `z = 1` overrides the injected value.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_mlops.cells import literals, names, parser, source
from jupyter_mlops.jobs import values
from jupyter_mlops.jobs.notebook import PARAMETERS_TAG, CodeCell
from jupyter_mlops.jobs.records import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator

_TYPE_COMMENT = re.compile(r"^type:\s*(?P<type>[^\s#]+(?:\[[^\]]*\])?)\s*(?P<help>.*)$")


@dataclass(frozen=True, slots=True)
class DeclaredParameter:
    """A parameter with its location: the cell, and the value's expression in the cell's source."""

    parameter: Parameter
    cell: CodeCell
    value: ast.expr


def find(cells: list[CodeCell]) -> tuple[list[DeclaredParameter], bool]:
    """Return the parameters and whether a tagged cell declares them (else they are a proposal)."""
    tagged = [cell for cell in cells if PARAMETERS_TAG in cell.tags]
    if tagged:
        return _unique(_declared(tagged[0], constants_only=False)), True
    return _proposed(cells), False


def _proposed(cells: list[CodeCell]) -> list[DeclaredParameter]:
    """Return the constants from the first cell with one, up to the first cell that is not only setup."""
    bindings = _bindings(cells)
    found: list[DeclaredParameter] = []
    for cell in cells:
        here = [
            item
            for item in _declared(cell, constants_only=True)
            if bindings.get(item.parameter.name) == 1 and not item.parameter.name.startswith("_")
        ]
        found += here
        if found and not _only_sets_up(cell):
            break
    return _unique(found)


def _bindings(cells: list[CodeCell]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for cell in cells:
        for statement in top_level(cell):
            for name in names.bound(statement):
                counts[name] = counts.get(name, 0) + 1
    return counts


def _only_sets_up(cell: CodeCell) -> bool:
    return all(
        isinstance(node, (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Pass))
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (isinstance(node, ast.Expr) and "get_ipython" in ast.dump(node))
        for node in top_level(cell)
    )


def top_level(cell: CodeCell) -> list[ast.stmt]:
    """Return a cell's statements; none if it is not Python."""
    try:
        return source.checked(cell.source).body
    except parser.CellSyntaxError:
        return []


def is_constant(node: ast.expr) -> bool:
    """Whether an expression is a constant that can be a parameter's default."""
    return literals.value(node) is not literals.MISSING


def _declared(cell: CodeCell, *, constants_only: bool) -> Iterator[DeclaredParameter]:
    try:
        parsed = source.checked(cell.source)
    except parser.CellSyntaxError:
        return
    comments = parsed.comments()
    for statement in parsed.body:
        comment = comments.get(statement.end_lineno or 0, "")
        for name, value, annotation in _assignments(statement):
            literal = literals.value(value)
            if literal is literals.MISSING and constants_only:
                continue
            noted, help = _type_comment(comment)
            constant = literal is not literals.MISSING
            inferred = type(literal).__name__ if constant and literal is not None else "any"
            parameter = Parameter(
                name=name,
                type=annotation
                or noted
                or {"tuple": "list", "set": "list", "bytes": "str"}.get(inferred, inferred),
                default=_json(literal) if constant else None,
                expression="" if constant else ast.unparse(value),
                help=help,
            )
            yield DeclaredParameter(parameter, cell, value)


def _assignments(statement: ast.stmt) -> Iterator[tuple[str, ast.expr, str]]:
    if isinstance(statement, ast.AnnAssign):
        if isinstance(statement.target, ast.Name) and statement.value:
            annotation = statement.annotation
            text = (
                annotation.value
                if isinstance(annotation, ast.Constant)
                else ast.unparse(annotation)
            )
            yield statement.target.id, statement.value, str(text)
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name):
                yield target.id, statement.value, ""
            elif (
                isinstance(target, (ast.Tuple, ast.List))
                and isinstance(statement.value, (ast.Tuple, ast.List))
                and len(target.elts) == len(statement.value.elts)
            ):
                for part, value in zip(target.elts, statement.value.elts, strict=True):
                    if isinstance(part, ast.Name):
                        yield part.id, value, ""


def _unique(
    declared: Iterator[DeclaredParameter] | list[DeclaredParameter],
) -> list[DeclaredParameter]:
    """Return the last declaration of each name (the last assignment wins), in order of the first."""
    return list({item.parameter.name: item for item in declared}.values())


def _json(value: Any) -> Any:
    try:
        return values.to_json(value)
    except values.ValueRefused:
        return repr(value)


def _type_comment(comment: str) -> tuple[str, str]:
    match = _TYPE_COMMENT.match(comment)
    if match is None:
        return "", comment
    return match["type"], match["help"].lstrip("# ").strip()


def inject(notebook: Any, cells: list[CodeCell], given: dict[str, Any]) -> None:
    """Replace the constants in `notebook` (a copy) with the given values.

    If the same cell also binds a parameter in another way (in an `if`, by `a = b = 1`), an
    assignment is added after the cell's last line, so that the given value wins.
    """
    declared, tagged = find(cells)
    by_cell: dict[int, list[DeclaredParameter]] = {}
    for item in declared:
        if item.parameter.name in given:
            by_cell.setdefault(item.cell.index, []).append(item)
    for index, items in by_cell.items():
        cell = notebook.cells[index]
        cell.source = _rewritten(items[0].cell, {item.parameter.name for item in items}, given)
    notebook.metadata.setdefault("papermill", {})["parameters"] = dict(given)
    if given and not tagged:
        for index in by_cell:
            tags = notebook.cells[index].metadata.setdefault("tags", [])
            notebook.cells[index].metadata["tags"] = [*tags, "overridden-parameters"]


def _rewritten(cell: CodeCell, chosen: set[str], given: dict[str, Any]) -> str:
    parsed = source.checked(cell.source)
    original = cell.source.splitlines(keepends=True)
    text = parsed.text.splitlines(keepends=True)
    edits: list[tuple[ast.expr, str]] = []
    bound: dict[str, int] = {}
    for statement in parsed.body:
        for name in names.bound(statement):
            bound[name] = bound.get(name, 0) + 1
        chained = isinstance(statement, ast.Assign) and len(statement.targets) > 1
        for name, value, _ in _assignments(statement):
            if name in chosen and not chained:
                edits.append((value, values.python(given[name])))
                bound[name] -= 1
    # Use the original lines if IPython's transformation did not change the edited ones.
    shift = parsed.offset
    same = all(
        text[line - 1].rstrip("\n") == original[line - 1 + shift].rstrip("\n")
        if line - 1 + shift < len(original)
        else False
        for value, _ in edits
        for line in range(value.lineno, (value.end_lineno or value.lineno) + 1)
    )
    same = same and len(text) + shift == len(original)
    lines, move = (original, shift) if same else (text, 0)
    for value, replacement in sorted(
        edits, key=lambda edit: (edit[0].lineno, edit[0].col_offset), reverse=True
    ):
        first, last = value.lineno - 1 + move, (value.end_lineno or value.lineno) - 1 + move
        head = lines[first].encode()[: value.col_offset].decode()
        tail = lines[last].encode()[value.end_col_offset :].decode()
        lines[first : last + 1] = [f"{head}{replacement}{tail}"]
    left = [name for name in sorted(chosen) if bound.get(name)]
    result = "".join(lines) if same else parsed.head + "".join(lines)
    if left:
        result = result.rstrip("\n") + "".join(
            f"\n{name} = {values.python(given[name])}" for name in left
        )
    return result
