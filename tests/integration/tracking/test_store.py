"""The embedded store, as its first user creates it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from jupyter_mlops.project import Project
from jupyter_mlops.tracking.store import ensure_store

if TYPE_CHECKING:
    from pathlib import Path


def test_threads_create_the_stores_of_several_projects_at_once(tmp_path: Path) -> None:
    """A JupyterLab server does it: alembic mixes two migrations that run in one process."""
    projects = [Project(tmp_path / f"project{number}") for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(ensure_store, projects)] == [True] * 4
