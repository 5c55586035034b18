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
        homes: the module of each attribute, within the package.
        above: the module of each attribute that a higher room provides, as a full name. The package
            shows such a verb to its users; no module of the package uses it.
    """
    full = {name: f"{package}.{module}" for name, module in homes.items()} | (above or {})

    def load(name: str) -> Any:
        if name in full:
            return getattr(import_module(full[name]), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return load
