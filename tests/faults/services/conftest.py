"""The packaged line in a project of its own for each test, and processes to kill."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import services, trust
from jupyter_mlops.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def project(line_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project of its own for each test."""
    root = tmp_path / "screening"
    shutil.copytree(line_project.root, root, symlinks=True)
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
