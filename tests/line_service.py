"""A service that needs no training: a linear model, packaged once for each process of the tests."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import trust
from jupyter_mlops.project import Project

if TYPE_CHECKING:
    from pathlib import Path

CELL = """
import pandas as pd
from sklearn.linear_model import LinearRegression

train = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "z": [1.0, 0.0, 1.0, 0.0]})
model = LinearRegression().fit(train[["x", "z"]], [0.0, 2.0, 4.0, 6.0])
"""


@pytest.fixture(scope="session")
def line_project(_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project in which the service `line` is packaged, whose answer to x is 2x."""
    from jupyter_mlops import runs, services

    root = tmp_path_factory.mktemp("line") / "screening"
    shutil.copytree(_template, root, symlinks=True)
    trust.grant(root, "init")
    project = Project.find(root)
    namespace: dict[str, Any] = {}
    with runs.record_cell("line", CELL, namespace, project=project):
        exec(CELL, namespace)
    services.build("line", project=project)
    return project
