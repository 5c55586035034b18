"""Two recorded runs, packaged once: a forest on a table, and a small torch network on images."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import services, trust
from jupyter_mlops.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOREST = """
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

train = pd.read_parquet("train.parquet")
X, y = train.drop(columns="target"), train["target"]
model = RandomForestClassifier(n_estimators=20, n_jobs=-1, random_state=0).fit(X, y)
"""
DIGITS = """
import torch
from sklearn.datasets import load_digits

torch.manual_seed(0)
digits = load_digits()
X, y = torch.tensor(digits.data, dtype=torch.float32), torch.tensor(digits.target)
net = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in range(30):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(net(X), y)
    loss.backward()
    optimizer.step()
"""


@pytest.fixture(scope="session")
def service_project(_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project of the session with the training table."""
    from sklearn.datasets import load_breast_cancer

    root = tmp_path_factory.mktemp("services") / "screening"
    shutil.copytree(_template, root, symlinks=True)
    trust.grant(root, "init")
    load_breast_cancer(as_frame=True).frame.to_parquet(root / "train.parquet")
    return Project.find(root)


@pytest.fixture(scope="session")
def record(service_project: Project) -> Callable[..., str]:
    """Return what records a cell under a name, as `%%mlops run NAME` does."""
    from jupyter_mlops import runs

    def record_cell(name: str, cell: str, format: str = "auto") -> str:
        before = Path.cwd()
        os.chdir(service_project.root)
        namespace: dict[str, object] = {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with runs.record_cell(
                    name, cell, namespace, format=format, project=service_project
                ) as done:
                    exec(cell, namespace)
        finally:
            os.chdir(before)
        return done.run_id

    return record_cell


@pytest.fixture(scope="session")
def forest(service_project: Project, record: Callable[[str, str], str]) -> services.Service:
    """Return the forest, packaged as `screening`."""
    record("forest", FOREST)
    return services.build("forest", name="screening", project=service_project)


@pytest.fixture(scope="session")
def digits(service_project: Project, record: Callable[[str, str], str]) -> services.Service:
    """Return the torch network, packaged as `digits`."""
    record("digits", DIGITS)
    return services.build("digits", project=service_project)


@pytest.fixture(scope="session")
def screening(service_project: Project, forest: services.Service) -> Iterator[services.Service]:
    """Return the forest, started for the session."""
    yield services.start("screening", project=service_project)
    services.stop("screening", project=service_project)
