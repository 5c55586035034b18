"""The registry of formats: one for each file of `formats/`, and the registered ones."""

from __future__ import annotations

import pkgutil
from functools import lru_cache
from importlib import import_module

from jupyter_mlops import formats
from jupyter_mlops.errors import UsageError, nearest
from jupyter_mlops.formats.base.format import Format

#: The name that means the first format that can store the model.
AUTO = "auto"
_registered: list[str] = []


def register(module: str) -> Format:
    """Add a format from outside of this package, and return it.

    Args:
        module: a module with `FORMAT`. Its models load only in processes that registered it; a Bento has a copy of
            the module that loads them there.

    Raises:
        UsageError: the module declares no format, or another format has its name.
    """
    found = getattr(import_module(module), "FORMAT", None)
    if not isinstance(found, Format):
        raise UsageError(f"{module} has no FORMAT that is a Format", "See formats/base/format.py")
    others = {item.name for item in every() if type(item).__module__ != module}
    if found.name in others | {AUTO}:
        raise UsageError(f"There is a format '{found.name}' already", "Give it another name")
    if module not in _registered:
        _registered.append(module)
    return found


def unregister(module: str) -> None:
    """Remove a registered format."""
    _registered.remove(module)


def modules() -> tuple[str, ...]:
    """Return the modules of all formats, without importing them."""
    return (*_own(), *_registered)


def every() -> list[Format]:
    """Return all formats, in the order in which they are tried."""
    found: list[Format] = [import_module(name).FORMAT for name in modules()]
    return sorted(found, key=lambda item: item.order)


def get(name: str) -> Format:
    """Return the format with a name; for an unknown name, the one for models that MLflow itself loads."""
    last = every()[-1]
    return next((item for item in every() if item.name == name), last)


def offered() -> list[Format]:
    """Return the formats that a user can choose."""
    return [item for item in every() if item.help]


def choices() -> tuple[str, ...]:
    """Return the values of `--format`."""
    return (AUTO, *(item.name for item in offered()))


def help_text() -> str:
    """Return the help of `--format`."""
    named = "; ".join(f"{item.name}: {item.help}" for item in offered())
    return f"how to store the model. {AUTO}: the first that can hold it; {named}"


def require(name: str) -> None:
    """Raise unless models can be saved in a format here.

    Raises:
        UsageError: there is no such format.
        MissingBackend: a module that it needs is not installed.
    """
    known = choices()
    if name not in known:
        raise UsageError(
            f"No format '{name}'", nearest(name, known) or f"One of: {', '.join(known)}"
        )
    if name != AUTO:
        get(name).require()


def with_weights() -> list[str]:
    """Return the names of the formats whose weights can be read without the model."""
    return [item.name for item in every() if item.has_weights]


@lru_cache(maxsize=1)
def _own() -> tuple[str, ...]:
    return tuple(
        f"{formats.__name__}.{item.name}"
        for item in pkgutil.iter_modules(formats.__path__)
        if not item.ispkg
    )
