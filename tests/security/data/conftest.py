"""A repository that somebody else prepared, and what lies beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project


@pytest.fixture
def outside(project: Project) -> Path:
    """Return a folder beside the project; nothing in it may change."""
    folder = project.root.parent / "outside"
    folder.mkdir()
    (folder / "canary").write_text("canary")
    (folder / "id_rsa").write_text("private")
    return folder
