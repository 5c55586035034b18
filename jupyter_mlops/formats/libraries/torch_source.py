"""The source of a torch module's classes that are defined in a notebook's cells.

A class of a cell cannot be imported, so its source is stored with the names that it uses: other classes and
functions of cells, imports, constants. A class that uses anything else (an object, a closure) is refused.
"""

from __future__ import annotations

import ast
import inspect
import linecache
from typing import Any

from jupyter_mlops.errors import MlopsError
from jupyter_mlops.secrets.redaction import redact

_HERE = "__main__"


class NoSource(MlopsError):
    """The source of a class is not known, or uses a value that cannot be stored."""


def of(classes: list[type[Any]]) -> str:
    """Return the source of those of `classes` that are defined in cells; empty if there are none.

    Raises:
        NoSource: the source is not known, or uses a value that cannot be stored.
    """
    lines: dict[str, str] = {}
    for kind in classes:
        if kind.__module__ == _HERE:
            _define(kind, kind.__name__, lines, set())
    return redact("\n\n".join(lines.values()) + "\n") if lines else ""


def _define(value: Any, name: str, lines: dict[str, str], open_names: set[str]) -> None:
    """Add the statements that define `name`, after those for the names that it uses."""
    if name in lines or name in open_names:
        return
    open_names.add(name)
    if inspect.ismodule(value):
        lines[name] = f"import {value.__name__} as {name}"
    elif getattr(value, "__module__", "") != _HERE and hasattr(value, "__qualname__"):
        if "<" in value.__qualname__ or "." in value.__qualname__:
            raise NoSource(f"its class uses '{name}', which cannot be imported")
        lines[name] = f"from {value.__module__} import {value.__qualname__} as {name}"
    elif inspect.isclass(value) or inspect.isfunction(value):
        text, names_used, variables = _source(value)
        for used in sorted(names_used & variables.keys()):
            if used != name:
                _define(variables[used], used, lines, open_names)
        lines[name] = text
    else:
        try:
            same = ast.literal_eval(repr(value)) == value
        except (ValueError, SyntaxError, TypeError):
            same = False
        if same is not True:
            raise NoSource(f"its class uses '{name}', a {type(value).__name__} of the notebook")
        lines[name] = f"{name} = {value!r}"


def _source(value: Any) -> tuple[str, set[str], dict[str, Any]]:
    """Return the source of a class or function, the names in it, and its global variables."""
    functions = (
        [value]
        if inspect.isfunction(value)
        else [*filter(inspect.isfunction, vars(value).values())]
    )
    for function in functions:
        text = "".join(linecache.getlines(function.__code__.co_filename))
        try:
            tree = ast.parse(text)
        except SyntaxError:
            continue
        for node in tree.body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == value.__name__:
                lines = text.splitlines()
                first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
                names = {item.id for item in ast.walk(node) if isinstance(item, ast.Name)}
                return "\n".join(lines[first - 1 : node.end_lineno]), names, function.__globals__
    raise NoSource(f"the source of '{value.__name__}' is not known")
