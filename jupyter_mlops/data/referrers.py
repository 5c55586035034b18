"""Rooms above `data` that refer to data versions, each by a function that returns those versions.

`data` itself knows only `.dvc` files. A function named as text is imported at its first call, so that
`data.gc` keeps the versions of runs even if `runs` was never imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from jupyter_mlops.errors import BackendFailed, MlopsError
from jupyter_mlops.text import error_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.project import Project

    Referrer = Callable[[Project], list[tuple[str, str]]]

#: By name: a function that returns the (path, version) of every version that is referred to.
_KNOWN: dict[str, str | Referrer] = {"runs": "jupyter_mlops.runs.retention:data_versions"}


def register(name: str, referrer: str | Referrer) -> None:
    """Add a referrer, given as a function or as `module:function`."""
    _KNOWN[name] = referrer


def versions(project: Project) -> list[tuple[str, str]]:
    """Return every (path, version) that a registered noun refers to.

    Raises:
        BackendFailed: a referrer fails. No version may then be deleted.
    """
    found: dict[tuple[str, str], None] = {}
    for name, referrer in _KNOWN.items():
        try:
            found |= dict.fromkeys(_loaded(referrer)(project))
        except MlopsError:
            raise
        except Exception as error:  # of the store or of a damaged file
            raise BackendFailed(
                f"The data versions of {name} cannot be read: {error_line(error)}",
                "Nothing was deleted",
            ) from error
    return [*found]


def _loaded(referrer: str | Referrer) -> Referrer:
    if not isinstance(referrer, str):
        return referrer
    module, _, function = referrer.partition(":")
    loaded: Referrer = getattr(import_module(module), function)
    return loaded
