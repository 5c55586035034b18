"""Literals in Python code: their values, and pairs of literals in statements of the same shape.

A literal is a constant, or an expression of constants only: `-1`, `10**-3`, `[64, 32]`, `{"a": 1}`.
The shape of a statement is the statement without its literals and without keyword arguments whose
value is a literal (`max_depth=4`): a call with an additional one has the same shape. Comments, layout,
docstrings and statements that only display something have no shape.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_mlops.cells import magic_calls, own_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING = object()
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_NO_SHAPE = {"ctx", "kind", "type_comment", "type_ignores", *_BLOCKS}
# Functions and methods that display a table and change nothing.
_LOOKS = {
    "corr",
    "describe",
    "display",
    "head",
    "hist",
    "info",
    "plot",
    "print",
    "tail",
    "value_counts",
}
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Line:
    """One statement, without the statements inside it; `context` names the functions around it.

    `node` is None for a cell that is not Python; its shape is its text.
    """

    node: ast.AST | None
    shape: str
    context: tuple[str, ...] = ()
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Opposite:
    """Two literals in the same place of two statements; `label` is the name of the place, if any.

    Or two calls with different literal keyword arguments.
    """

    x: ast.expr
    y: ast.expr
    label: str = ""

    @property
    def calls(self) -> bool:
        """Whether these are calls with different literal keyword arguments."""
        return isinstance(self.x, ast.Call)

    @property
    def same(self) -> bool:
        """Whether both literals are equal in source."""
        return not self.calls and ast.dump(self.x) == ast.dump(self.y)


def lines(body: list[Any], context: tuple[str, ...] = (), depth: int = 0) -> Iterator[Line]:
    """Yield every statement of `body`, each before those inside it."""
    for node in body:
        if is_look(node) or own_lines.is_own(node):
            continue
        yield Line(node, _shape_of_head(node), context, depth)
        inside = (*context, node.name) if isinstance(node, _SCOPES) else context
        for block in _BLOCKS:
            content = getattr(node, block, None)
            if isinstance(content, list):
                yield from lines(content, inside, depth + 1)


def opposites(x: Any, y: Any, label: str = "") -> Iterator[Opposite]:
    """Yield the pairs of literals in two statements (or parts of them) of the same shape."""
    if isinstance(x, list):
        for item_x, item_y in zip(x, y, strict=True):
            yield from opposites(item_x, item_y, label)
    elif not isinstance(x, ast.AST) or magic_calls.is_magic(x):
        return
    elif is_literal(x) or isinstance(x, ast.JoinedStr):
        yield Opposite(x, y, label)  # type: ignore[arg-type]
    elif isinstance(x, ast.Call):
        yield from _in_calls(x, y, label)
    else:
        label = _target(x) or label
        for field in _fields(x):
            yield from opposites(getattr(x, field), getattr(y, field), label)


def named(line: Line) -> Iterator[tuple[tuple[str, ...], ast.expr, str]]:
    """Yield (key, literal, label) of the literals that can be found again in a changed statement.

    They are the value of an assigned name, a keyword argument, a parameter's default, or an item of
    a dict.
    """
    node = line.node
    if node is None:
        return
    name = _target(node)
    value = getattr(node, "value", None)
    if name and isinstance(value, ast.expr) and is_literal(value):
        yield ("name", *line.context, name), value, name
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield from _defaults(node)
    waiting: list[ast.AST] = [
        child
        for field in node._fields
        if field not in _BLOCKS
        for child in _nodes(getattr(node, field))
    ]
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, ast.JoinedStr) or magic_calls.is_magic(item):
            continue
        if isinstance(item, ast.Call):
            for keyword in item.keywords:
                if keyword.arg and is_literal(keyword.value):
                    yield ("keyword", _callee(item), keyword.arg), keyword.value, keyword.arg
        elif isinstance(item, ast.Dict) and not is_literal(item):
            for key, entry in zip(item.keys, item.values, strict=True):
                if isinstance(key, ast.Constant) and is_literal(entry):
                    yield ("item", repr(key.value)), entry, str(key.value)
        waiting += ast.iter_child_nodes(item)


def value(node: ast.expr) -> Any:
    """Return the value of a literal; MISSING for any other expression, arithmetic included."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return MISSING


def is_literal(node: Any) -> bool:
    """Whether an expression has only constants."""
    if isinstance(node, ast.Constant):
        return node.value is not Ellipsis
    if isinstance(node, ast.UnaryOp):
        return is_literal(node.operand)
    if isinstance(node, ast.BinOp):
        return is_literal(node.left) and is_literal(node.right)
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        # `a, b = …` and `[] = …` are targets.
        loads = not isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del))
        return loads and all(is_literal(item) for item in node.elts)
    if isinstance(node, ast.Dict):
        return all(map(is_literal, node.keys)) and all(map(is_literal, node.values))
    return False


def is_look(node: ast.AST) -> bool:
    """Whether a statement only displays something, or is a docstring."""
    if not isinstance(node, ast.Expr):
        return False
    if isinstance(node.value, ast.Call):
        called = node.value
        while isinstance(called.func, ast.Attribute) and isinstance(called.func.value, ast.Call):
            called = called.func.value
        return _callee(called) in _LOOKS or _callee(node.value) in _LOOKS
    return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def literal_keywords(call: ast.Call) -> dict[str, ast.keyword]:
    """Return the keyword arguments of a call that are not part of its shape."""
    return {item.arg: item for item in call.keywords if item.arg and is_literal(item.value)}


def texts(node: ast.AST) -> list[str]:
    """Return the strings in a literal; for an f-string, its fixed parts."""
    return [
        item.value
        for item in ast.walk(node)
        if isinstance(item, ast.Constant) and isinstance(item.value, str)
    ]


def _shape_of_head(node: ast.AST) -> str:
    return f"{type(node).__name__}({','.join(_shape(getattr(node, f)) for f in _fields(node))})"


def _fields(node: ast.AST) -> list[str]:
    """Return the fields that are part of a shape."""
    whole = isinstance(node, (ast.Lambda, ast.IfExp))  # their `body` is not a block
    return [name for name in node._fields if whole or name not in _NO_SHAPE]


def _shape(node: Any) -> str:
    if isinstance(node, list):
        return f"[{','.join(map(_shape, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if magic_calls.is_magic(node):
        return ast.dump(node)
    if is_literal(node):
        return "·"
    if isinstance(node, ast.JoinedStr):
        parts = [_shape(part.value) for part in node.values if isinstance(part, ast.FormattedValue)]
        return f"f({','.join(parts)})"
    if isinstance(node, ast.Call):
        kept = [item for item in node.keywords if not (item.arg and is_literal(item.value))]
        return f"Call({_shape(node.func)},{_shape(node.args)},{_shape(kept)})"
    return _shape_of_head(node)


def _in_calls(x: ast.Call, y: Any, label: str) -> Iterator[Opposite]:
    yield from opposites(x.func, y.func, label)
    yield from opposites(x.args, y.args, _callee(x))
    own, other = literal_keywords(x), literal_keywords(y)
    for name in own:
        if name in other:
            yield Opposite(own[name].value, other[name].value, name)
    if own.keys() != other.keys():
        yield Opposite(x, y, label)
    rest_x = [item for item in x.keywords if item.arg not in own]
    rest_y = [item for item in y.keywords if item.arg not in other]
    for item_x, item_y in zip(rest_x, rest_y, strict=True):
        yield from opposites(item_x.value, item_y.value, item_x.arg or label)


def _defaults(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Any]:
    positional = [*node.args.posonlyargs, *node.args.args]
    given = [
        *zip(
            positional[len(positional) - len(node.args.defaults) :], node.args.defaults, strict=True
        ),
        *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True),
    ]
    for argument, value in given:
        if value is not None and is_literal(value):
            yield ("default", node.name, argument.arg), value, argument.arg


def _target(node: ast.AST) -> str:
    """Return the name that a statement assigns, if it is one; else an empty string."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        target = node.target
    else:
        return ""
    return target.id if isinstance(target, ast.Name) else ""


def _callee(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _nodes(value: Any) -> list[ast.AST]:
    if isinstance(value, list):
        return [item for item in value if isinstance(item, ast.AST)]
    return [value] if isinstance(value, ast.AST) else []
