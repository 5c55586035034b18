"""A service that needs no training: a linear model, packaged straight from its files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import services, trust
from jupyter_mlops.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LINE = """
import pandas as pd
from sklearn.linear_model import LinearRegression

train = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "z": [1.0, 0.0, 1.0, 0.0]})
model = LinearRegression().fit(train[["x", "z"]], [0.0, 2.0, 4.0, 6.0])
"""


@pytest.fixture(scope="session")
def _built(_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project in which the line is packaged; each test gets a copy."""
    from jupyter_mlops import runs

    root = tmp_path_factory.mktemp("line") / "screening"
    shutil.copytree(_template, root, symlinks=True)
    trust.grant(root, "init")
    project = Project.find(root)
    namespace: dict[str, Any] = {}
    with runs.record_cell("line", LINE, namespace, project=project):
        exec(LINE, namespace)
    services.build("line", project=project)
    return root


@pytest.fixture
def project(_built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project of its own for each test."""
    root = tmp_path / "screening"
    shutil.copytree(_built, root, symlinks=True)
    trust.grant(root, "init")
    monkeypatch.chdir(root)
    return Project.find(root)


@pytest.fixture
def line(project: Project) -> services.Service:
    """Return the packaged line, whose answer to x is 2x."""
    return services.get("line", project=project)


@pytest.fixture
def python(project: Project) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Return what runs a script in another process, in the project."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=project.root,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def told() -> Callable[[subprocess.Popen[str]], dict[str, Any]]:
    """Return what reads one JSON line from such a process."""

    def read(process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout is not None
        found: dict[str, Any] = json.loads(process.stdout.readline())
        return found

    return read


@pytest.fixture
def within() -> Callable[[float, Callable[[], bool]], bool]:
    """Return what waits until something is true, for so many seconds at most."""

    def wait(seconds: float, happened: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if happened():
                return True
            time.sleep(0.05)
        return happened()

    return wait
