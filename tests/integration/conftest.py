"""A shell in a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.shell import Cells, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_mlops.project import Project


@pytest.fixture
def cell(project: Project) -> Iterator[Cells]:
    """Return what runs one cell in a fresh shell with the extension loaded."""
    with started() as cells:
        yield cells
