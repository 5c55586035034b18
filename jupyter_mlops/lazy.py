"""A package's names, each imported at its first use (PEP 562)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def attributes(package: str, homes: dict[str, str]) -> Callable[[str], Any]:
    """Return a module `__getattr__` for `package`; `homes` names each attribute's module in it."""

    def load(name: str) -> Any:
        if name in homes:
            return getattr(import_module(f"{package}.{homes[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return load
