"""Which notebook a kernel belongs to."""

from __future__ import annotations

import os
from typing import Any


def path(namespace: dict[str, Any]) -> str:
    """Return the notebook's path if the front-end or the job provides it, else an empty string."""
    given = namespace.get("__vsc_ipynb_file__") or os.environ.get("MLOPS_NOTEBOOK")
    if given:
        return str(given)
    session = os.environ.get("JPY_SESSION_NAME", "")
    return session if session.endswith(".ipynb") else ""
