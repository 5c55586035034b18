"""Parameter values: convert text to the parameter's type, and allow only JSON values.

In papermill a tuple, bytes or a date changes its type on the way to the kernel, or fails at the end
of the job when the notebook is saved. Here it is converted or refused before the job starts.
"""

from __future__ import annotations

import ast
import json
import math
from typing import Any

from jupyter_mlops.text import cut

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_SIMPLE = {"int", "float", "str", "bool", "list", "dict", "None", "any"}
_ALIASES = {
    "typing.Any": "any", "Any": "any", "object": "any", "string": "str", "integer": "int", "number": "float",
    "boolean": "bool", "tuple": "list", "Tuple": "list", "List": "list", "set": "list", "Sequence": "list",
    "Iterable": "list", "Dict": "dict", "Mapping": "dict", "Path": "str", "NoneType": "None",
}  # fmt: skip


class ValueRefused(Exception):
    """The value does not fit; the message completes `NAME …`."""


def typed(value: Any, annotation: str) -> Any:
    """Return `value` in the parameter's type; text is parsed as that type.

    Raises:
        ValueRefused: it does not fit.
    """
    alternatives = kinds(annotation)
    value = to_json(value) if not isinstance(value, str) else value
    for alternative in alternatives:
        try:
            return _as(value, alternative)
        except (ValueError, TypeError, SyntaxError, RecursionError):
            continue
    raise ValueRefused(f"expects {annotation}, not {shown(value)}")


def kinds(annotation: str) -> list[str | tuple[Any, ...]]:
    """Return the types that an annotation allows, the narrowest first; a tuple holds a Literal's choices.

    An unknown annotation allows any type: the notebook's own checks decide.
    """
    try:
        found = _kinds(ast.parse(annotation, mode="eval").body)
    except (SyntaxError, ValueError):
        found = ["any"]
    order = ["None", "bool", "int", "float", "list", "dict", "any", "str"]
    # `int | str`: text that parses as an int becomes an int; other text stays a str.
    return sorted(found, key=lambda kind: -1 if isinstance(kind, tuple) else order.index(kind))


def _kinds(node: ast.expr) -> list[str | tuple[Any, ...]]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*_kinds(node.left), *_kinds(node.right)]
    if isinstance(node, ast.Constant):
        if node.value is None:
            return ["None"]
        return (
            _kinds(ast.parse(node.value, mode="eval").body)
            if isinstance(node.value, str)
            else ["any"]
        )
    if isinstance(node, ast.Subscript):
        name = ast.unparse(node.value).rpartition(".")[2]
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name == "Optional":
            return ["None", *_kinds(parts[0])]
        if name == "Union":
            return [kind for part in parts for kind in _kinds(part)]
        if name == "Literal":
            return [tuple(ast.literal_eval(part) for part in parts)]
        if name in {"Annotated", "Final", "ClassVar"}:
            return _kinds(parts[0])
        return [_plain(name)]
    return [_plain(ast.unparse(node))]


def _plain(name: str) -> str:
    name = name if name in _ALIASES else name.rpartition(".")[2]
    name = _ALIASES.get(name, name)
    return name if name in _SIMPLE else "any"


def _as(value: Any, kind: str | tuple[Any, ...]) -> Any:
    text = isinstance(value, str)
    if isinstance(kind, tuple):
        for choice in kind:
            if value == choice or (text and value == str(choice)):
                return choice
        raise ValueError
    if kind == "any":
        return _literal(value) if text else value
    if kind == "str":
        if not text:
            raise TypeError
        return value
    if kind == "None":
        if value is None or (text and value.strip() in {"None", "null"}):
            return None
        raise ValueError
    if kind == "bool":
        if isinstance(value, bool):
            return value
        if text and value.strip().lower() in _TRUE | _FALSE:
            return value.strip().lower() in _TRUE
        raise ValueError
    if kind == "int":
        if text or (isinstance(value, int) and not isinstance(value, bool)):
            return int(value)
        raise TypeError
    if kind == "float":
        if text or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            return float(value)
        raise TypeError
    read = _literal(value) if text else value
    if type(read).__name__ != kind:
        raise TypeError
    return read


def _literal(text: str) -> Any:
    """Return `text` parsed as JSON, else as a Python literal, else unchanged."""
    for read in (json.loads, ast.literal_eval):
        try:
            return to_json(read(text))
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, ValueRefused):
            continue
    return text


def to_json(value: Any) -> Any:
    """Return `value` in JSON's types: tuples and sets as lists, numpy scalars as numbers, paths and dates as text.

    Raises:
        ValueRefused: it has no JSON form.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ValueRefused("has keys that are not text: write them in quotes")
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((to_json(item) for item in value), key=repr)
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        return to_json(value.item())  # numpy's and torch's scalars
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if hasattr(value, "__fspath__"):
        return str(value.__fspath__())
    if hasattr(value, "value") and hasattr(type(value), "__members__"):
        return to_json(value.value)  # an Enum
    raise ValueRefused(
        f"is of type {type(value).__name__}: a job's parameters are numbers, text, lists and dicts"
    )


def python(value: Any) -> str:
    """Return a JSON value as Python source."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, list):
        return f"[{', '.join(map(python, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {python(item)}" for key, item in value.items()) + "}"
    return repr(value)


def shown(value: Any) -> str:
    """Return a short form of a value for an error message."""
    return cut(repr(value), 60)
