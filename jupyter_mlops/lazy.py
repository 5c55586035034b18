"""The names of a package, each imported at its first use (PEP 562).

A package lists its names once, in its `__init__.pyi`, a line for each: `from MODULE import NAME as NAME`.
mypy, editors and `attributes` read the same lines. A line may name a module of a higher room: the
package then shows that name to its users, and no module of the package imports it.
"""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def attributes(
    package: str, file: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` for a package.

    Args:
        package: its `__name__`.
        file: its `__file__`; the stub lies beside it.
    """
    modules = listed(Path(file).with_suffix(".pyi"))
    names = sorted(modules)

    def load(name: str) -> Any:
        if name in modules:
            return getattr(import_module(modules[name]), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return load, lambda: names, names


def listed(stub: Path) -> dict[str, str]:
    """Return the names that a stub imports, and the module of each."""
    return {
        alias.name: line.module
        for line in ast.parse(stub.read_bytes()).body
        if isinstance(line, ast.ImportFrom) and line.module
        for alias in line.names
    }
