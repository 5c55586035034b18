"""A package's names, each imported at its first use (PEP 562)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def attributes(
    package: str, homes: dict[str, str], above: dict[str, str] | None = None
) -> Callable[[str], Any]:
    """Return a module `__getattr__` for `package`.

    Args:
        package: its `__name__`.
        homes: attribute name → module within the package.
        above: attribute name → full module name, for what a package above provides. Users reach it
            through this package; no module of this package uses it.
    """
    full = {name: f"{package}.{module}" for name, module in homes.items()} | (above or {})

    def load(name: str) -> Any:
        if name in full:
            return getattr(import_module(full[name]), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return load
