"""A run's manifest: its parameters, files, seeds, hardware and packages, one JSON artifact of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_mlops import files
from jupyter_mlops.errors import NotFound
from jupyter_mlops.runs import query
from jupyter_mlops.runs.signatures import MANIFEST

if TYPE_CHECKING:
    from jupyter_mlops.project import Project


def read(run_id: str, *, project: Project) -> dict[str, Any]:
    """Return the manifest of a run; empty if it is missing or cannot be read."""
    try:
        found = files.json_in(query.artifact(run_id, MANIFEST, project=project))
    except (NotFound, OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
