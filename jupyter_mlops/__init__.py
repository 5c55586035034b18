"""Everything MLOps asks of a notebook, one line away: `%load_ext jupyter_mlops`.

Importing this loads nothing but the version. The nouns are sub-packages, each loaded by name:
`from jupyter_mlops import runs; runs.compare("baseline", "forest")`.
"""

from __future__ import annotations

from typing import Any

from jupyter_mlops._version import __version__

__all__ = ["__version__", "load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(shell: Any) -> None:
    """Register `%mlops` and `%%mlops`; start nothing."""
    from jupyter_mlops.magics.shell import register

    register(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take back what `load_ipython_extension` registered."""
    from jupyter_mlops.magics.shell import unregister

    unregister(shell)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "jupyter-mlops"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from jupyter_mlops.server.app import MlopsServer

    return [{"module": "jupyter_mlops.server", "app": MlopsServer}]
