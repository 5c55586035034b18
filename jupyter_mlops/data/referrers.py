"""Rooms above `data` that refer to data versions, each by a function that returns those versions.

`data` knows only `.dvc` files. A name is loaded when it is asked for, so that `data.gc` called by itself
keeps the versions of the runs too.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from jupyter_mlops.errors import BackendFailed, MlopsError

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
    """Return every (path, version) that anybody refers to.

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
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise BackendFailed(
                f"What {name} refer to cannot be read: {first}", "Nothing was deleted"
            ) from error
    return [*found]


def _loaded(referrer: str | Referrer) -> Referrer:
    if not isinstance(referrer, str):
        return referrer
    module, _, function = referrer.partition(":")
    loaded: Referrer = getattr(import_module(module), function)
    return loaded
