"""The same verbs in a terminal: detached, found and stopped by another command, one line each."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from jupyter_mlops import services
    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def mlops(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jupyter_mlops.cli", "service", *words],
        cwd=project.root,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_service_is_started_listed_tested_and_stopped_by_separate_commands(
    service_project: Project, digits: services.Service
) -> None:
    started = mlops(service_project, "start", "digits", "--json")
    assert started.returncode == 0, started.stderr
    url = json.loads(started.stdout)["url"]
    try:
        assert httpx.get(f"{url}/readyz").status_code == 200
        listed = json.loads(mlops(service_project, "list", "--json").stdout)
        assert {item["name"]: item["status"] for item in listed}["digits"] == "ready"
        tested = mlops(service_project, "test", "digits", "--rows", "5", "--json")
        assert json.loads(tested.stdout)["agree"] is True
    finally:
        stopped = mlops(service_project, "stop", "digits")
    assert stopped.returncode == 0, stopped.stderr
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/readyz")
    again = mlops(service_project, "stop", "digits")
    assert again.returncode == 2
    assert again.stderr.startswith("mlops: digits is not running")
    assert again.stderr.count("\n") == 1


def test_a_busy_port_is_one_line_and_exit_code_2(
    service_project: Project, digits: services.Service
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        busy = mlops(service_project, "start", "digits", "--port", port)
    assert busy.returncode == 2
    assert busy.stdout == ""
    assert busy.stderr.splitlines()[-1].startswith(f"mlops: Port {port} is busy")
    assert "Traceback" not in busy.stderr
