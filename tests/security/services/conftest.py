"""The packaged line, started for the tests of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_mlops.project import Project


@pytest.fixture(scope="session")
def line(line_project: Project) -> Iterator[services.Service]:
    """Return the line, started; it also answers to ml.example.org."""
    yield services.start("line", allow_host=["ML.example.org."], project=line_project)
    services.stop("line", project=line_project)
