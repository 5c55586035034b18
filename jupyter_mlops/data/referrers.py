"""Who else refers to data versions: what is above this room says so through a function that it names here.

`data` knows only `.dvc` files. A name is loaded when it is asked for, so that `data.gc` called by itself
keeps the versions of the runs too.
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

#: What each says: the (path, version) of every version that it refers to.
_KNOWN: dict[str, str | Referrer] = {"runs": "jupyter_mlops.runs.retention:data_versions"}


def register(name: str, referrer: str | Referrer) -> None:
    """Let `referrer`, a function or `module:function`, say what `name` refers to."""
    _KNOWN[name] = referrer


def versions(project: Project) -> list[tuple[str, str]]:
    """Return every (path, version) that anybody refers to.

    Raises:
        BackendFailed: somebody cannot say; nobody may then conclude that a version is not needed.
    """
    found: dict[tuple[str, str], None] = {}
    for name, referrer in _KNOWN.items():
        try:
            found |= dict.fromkeys(_loaded(referrer)(project))
        except MlopsError:
            raise
        except Exception as error:  # whatever stands between us and the answer
            raise BackendFailed(
                f"What {name} refer to cannot be read: {error_line(error)}", "Nothing was deleted"
            ) from error
    return [*found]


def _loaded(referrer: str | Referrer) -> Referrer:
    if not isinstance(referrer, str):
        return referrer
    module, _, function = referrer.partition(":")
    loaded: Referrer = getattr(import_module(module), function)
    return loaded
