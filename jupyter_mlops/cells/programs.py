"""Compare two histories of cells as programs: a difference is a parameter, a data file, or code.

- If two statements are equal except for literals, a different literal is a parameter. So is a
  keyword argument with a literal value that only one of them has.
- If a statement also changed otherwise, the literal of an assigned name, a keyword argument, a
  default or an item of a dict is a parameter, if it occurs once in each history.
- A string (also an f-string) that names one of the data files is data.
- Everything else is code: statements that only one history has, their order, and cells that are
  not Python.

Statements are paired by their shape, at any position. Of several with the same shape, the latest
ones are paired, because the last execution of a cell is the valid one.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from jupyter_mlops.cells import literals, source
from jupyter_mlops.cells.literals import Line, Opposite
from jupyter_mlops.text import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

Kind = Literal["parameters", "data"]
_LONGEST = 40


@dataclass(frozen=True)
class Program:
    """The cells of a history, in execution order."""

    cells: tuple[source.Cell, ...]

    @classmethod
    def of(cls, sources: Iterable[str]) -> Program:
        """Parse cells from their original source."""
        # No shared trees: a cell may occur twice, and its nodes must differ by identity.
        return cls(tuple(map(source.parse, sources)))

    @cached_property
    def lines(self) -> list[Line]:
        """All statements, in order."""
        found = []
        for cell in self.cells:
            if cell.tree is not None:
                found += [*literals.lines(cell.tree.body)]
            elif cell.source.strip():
                found.append(Line(None, f"cell {cell.source.strip()!r}"))
        return found

    def same_code(self, other: Program) -> bool:
        """Whether the two programs differ only in literals."""
        return [(item.depth, item.shape) for item in self.lines] == [
            (item.depth, item.shape) for item in other.lines
        ]


@dataclass
class Exchange:
    """The literals of `x` that `y` can replace; `is_data` says whether a string names a data file."""

    x: Program
    y: Program
    is_data: Callable[[str], bool]
    found: dict[Kind, list[Opposite]] = field(init=False)

    def __post_init__(self) -> None:
        self.found = {"parameters": [], "data": []}
        for pair in _pairs(self.x.lines, self.y.lines):
            if not pair.same:
                self.found[self._kind(pair)].append(pair)

    def sources(self, kinds: Collection[Kind]) -> list[str]:
        """Return the cells of `x` with the literals of `y` of these kinds."""
        new = {id(pair.x): pair.y for kind in kinds for pair in self.found[kind]}
        return [_rewritten(cell, new) for cell in self.x.cells]

    def differences(self, kind: Kind) -> list[str]:
        """Return each difference of a kind as text: `max_depth 4 → 6`."""
        found: dict[str, None] = {}
        for pair in self.found[kind]:
            for line in _words(pair):
                found[line] = None
        return [*found]

    def _kind(self, pair: Opposite) -> Kind:
        if pair.calls:
            return "parameters"
        strings = literals.texts(pair.x) + literals.texts(pair.y)
        return "data" if any(map(self.is_data, strings)) else "parameters"


def _pairs(x: list[Line], y: list[Line]) -> Iterable[Opposite]:
    by_shape: dict[tuple[str, ...], list[Line]] = {}
    for line in y:
        by_shape.setdefault((*line.context, line.shape), []).append(line)
    alone: list[Line] = []
    together: list[tuple[Line, Line]] = []
    taken: dict[tuple[str, ...], int] = {}
    for line in reversed(x):
        key = (*line.context, line.shape)
        if key not in by_shape:
            alone.append(line)
            continue
        # If `x` has more than `y`, all earlier ones are paired with the first of `y`.
        taken[key] = taken.get(key, 0) + 1
        opposite = by_shape[key][max(0, len(by_shape[key]) - taken[key])]
        together.append((line, opposite))
    for line, opposite in reversed(together):
        if line.node is not None:
            yield from literals.opposites(line.node, opposite.node)
    shapes = {(*line.context, line.shape) for line in x}
    mine = _once(alone)
    others = _once([line for line in y if (*line.context, line.shape) not in shapes])
    for name, (value, label) in mine.items():
        if name in others:
            yield Opposite(value, others[name][0], label)


def _once(lines: list[Line]) -> dict[tuple[str, ...], tuple[ast.expr, str]]:
    """Return the named literals that occur once."""
    found: dict[tuple[str, ...], list[tuple[ast.expr, str]]] = {}
    for line in lines:
        for key, value, label in literals.named(line):
            found.setdefault(key, []).append((value, label))
    return {key: items[0] for key, items in found.items() if len(items) == 1}


def _rewritten(cell: source.Cell, new: dict[int, ast.expr]) -> str:
    if cell.tree is None:
        return cell.source
    changed: list[tuple[ast.expr, str]] = []
    waiting: list[ast.AST] = [cell.tree]
    while waiting:
        node = waiting.pop()
        if id(node) in new and isinstance(node, ast.expr):
            changed.append((node, _text(_rebuilt(node, new))))
        else:
            waiting += ast.iter_child_nodes(node)
    if not changed:
        return cell.source
    raw = cell.text.encode()
    starts = [0]
    for line in raw.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node, text in sorted(changed, key=lambda item: _start(item[0]), reverse=True):
        first, column = _start(node)
        begin = starts[first - 1] + column
        end = starts[(node.end_lineno or first) - 1] + (node.end_col_offset or 0)
        raw = raw[:begin] + text.encode() + raw[end:]
    # A replacement that does not parse (an expression in a `case`) is not made.
    new_source = cell.head + raw.decode()
    return new_source if source.parse(new_source).tree else cell.source


def _start(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _text(node: ast.expr) -> str:
    text = ast.unparse(node)
    return f"({text})" if isinstance(node, (ast.BinOp, ast.UnaryOp)) else text


def _rebuilt(node: Any, new: dict[int, ast.expr]) -> Any:
    """Return a copy of `node` with all replacements."""
    if isinstance(node, list):
        return [_rebuilt(item, new) for item in node]
    if not isinstance(node, ast.AST):
        return node
    other = new.get(id(node))
    if other is not None and not isinstance(node, ast.Call):
        return other
    copy = type(node)(**{name: _rebuilt(value, new) for name, value in ast.iter_fields(node)})
    if isinstance(copy, ast.Call) and isinstance(other, ast.Call):
        own, theirs = literals.literal_keywords(copy), literals.literal_keywords(other)
        kept = [item for item in copy.keywords if item.arg not in own or item.arg in theirs]
        copy.keywords = kept + [item for name, item in theirs.items() if name not in own]
    return copy


def _words(pair: Opposite) -> list[str]:
    if isinstance(pair.x, ast.Call) and isinstance(pair.y, ast.Call):
        own, theirs = literals.literal_keywords(pair.x), literals.literal_keywords(pair.y)
        return [
            f"{name} {_short(item.value)} → —" for name, item in own.items() if name not in theirs
        ] + [f"{name} — → {_short(item.value)}" for name, item in theirs.items() if name not in own]
    change = f"{_short(pair.x)} → {_short(pair.y)}"
    return [f"{pair.label} {change}" if pair.label else change]


def _short(node: ast.expr) -> str:
    return cut(ast.unparse(node), _LONGEST)
