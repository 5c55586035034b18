"""A service ends with its kernel, survives nothing it should not, and loses no acknowledged row."""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from jupyter_mlops import services
from jupyter_mlops.errors import BackendFailed, Conflict, MlopsError
from jupyter_mlops.processes.identity import process_start
from jupyter_mlops.services import seal
from jupyter_mlops.services.http_client import Client
from tests.waiting import eventually

if TYPE_CHECKING:
    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
Python = Callable[[str], "subprocess.Popen[str]"]
Told = Callable[["subprocess.Popen[str]"], dict[str, Any]]

START = """
import json, time
from jupyter_mlops import services
started = services.start("line", {options})
print(json.dumps({{"url": started.url, "pid": started.pid}}), flush=True)
{after}
"""


def listens(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as asked:
        asked.settimeout(1)
        return asked.connect_ex((parts.hostname, parts.port)) == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_service_is_gone_when_its_kernel_is_killed(
    project: Project,
    line: services.Service,
    python: Python,
    told: Told,
    number: int,
) -> None:
    kernel = python(START.format(options="", after="time.sleep(600)"))
    at = told(kernel)
    assert listens(at["url"])
    kernel.send_signal(number)
    eventually(lambda: not listens(at["url"]))
    eventually(lambda: process_start(at["pid"]) is None)
    kernel.wait(600)
    assert services.get("line", project=project).status == "stopped"


def test_a_fork_that_holds_the_pipe_does_not_keep_the_service(
    project: Project, line: services.Service, python: Python, told: Told
) -> None:
    fork = "import os\nif os.fork() == 0:\n    time.sleep(9)\n    os._exit(0)\ntime.sleep(600)"
    kernel = python(START.format(options="", after=fork))
    at = told(kernel)
    kernel.kill()
    eventually(lambda: not listens(at["url"]))
    kernel.wait(600)


def test_a_kernel_killed_while_it_starts_leaves_no_process(
    project: Project, line: services.Service, python: Python
) -> None:
    noted = project.state / "services" / "line.json"
    kernel = python(START.format(options="", after=""))
    eventually(noted.exists)
    kernel.kill()
    kernel.wait(600)
    pid = json.loads(noted.read_text())["pid"]
    eventually(lambda: process_start(pid) is None)
    assert services.get("line", project=project).status == "stopped"
    with pytest.raises(Conflict, match="line is not running"):
        services.stop("line", project=project)
    assert not noted.exists()


def test_a_detached_service_outlives_its_shell_and_is_stopped_from_anywhere(
    project: Project, line: services.Service, python: Python, told: Told
) -> None:
    shell = python(START.format(options="detach=True", after=""))
    at = told(shell)
    assert shell.wait(600) == 0
    assert listens(at["url"])
    found = services.get("line", project=project)
    assert (found.status, found.pid, found.url) == ("ready", at["pid"], at["url"])
    services.stop("line", project=project)
    assert not listens(at["url"])
    assert process_start(at["pid"]) is None


def test_nothing_acknowledged_is_lost_when_the_service_is_killed_under_load(
    project: Project, line: services.Service
) -> None:
    import pandas as pd

    started = services.start("line", project=project)
    assert started.pid is not None
    acknowledged: list[float] = []
    enough = threading.Event()

    def ask(number: int) -> None:
        with Client(started.url, timeout=120) as client:
            for index in range(100_000):
                value = float(number * 1_000_000 + index)
                try:
                    said = client.predict(pd.DataFrame({"x": [value], "z": [0.0]}))
                except MlopsError:
                    return
                assert abs(said["prediction"][0] - 2 * value) < 1e-3
                acknowledged.append(value)
                if len(acknowledged) > 1500:
                    enough.set()

    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        asking = [clients.submit(ask, number) for number in range(8)]
        assert enough.wait(600)
        os.kill(started.pid, signal.SIGKILL)
        for item in asking:
            item.result(30)
    logged = services.predictions("line", project=project)
    assert len(acknowledged) > 1500
    assert set(acknowledged) <= set(logged["x"])
    assert services.get("line", project=project).status == "stopped"


def test_two_starts_at_once_start_one(
    project: Project, line: services.Service, python: Python, told: Told
) -> None:
    shells = [python(START.format(options="detach=True", after="")) for _ in range(2)]
    answers = [told(shell) for shell in shells]
    assert [shell.wait(600) for shell in shells] == [0, 0]
    assert answers[0] == answers[1]
    services.stop("line", project=project)
    assert not listens(answers[0]["url"])


def test_a_service_that_cannot_start_says_why_and_is_gone(
    project: Project, line: services.Service
) -> None:
    name, _, version = line.tag.partition(":")
    bento = project.state / "bentoml" / "bentos" / name / version
    (bento / "src" / "model" / "model.skops").write_bytes(b"damaged")
    # Sealed as it is: otherwise the seal refuses it before a process is started.
    seal.seal(bento, allow_pickle=False)
    with pytest.raises(
        BackendFailed, match=r"did not start: The skops file cannot be read \(BadZipFile"
    ):
        services.start("line", project=project)
    assert services.get("line", project=project).pid is None
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(str(project.root).encode() in command for command in commands)


def test_a_full_disk_answers_503_and_not_a_prediction_that_is_not_logged(
    project: Project, line: services.Service
) -> None:
    import httpx

    folder = project.state / "predictions"
    folder.mkdir(exist_ok=True)
    (folder / "line").write_text("not a folder")
    started = services.start("line", project=project)
    try:
        answer = httpx.post(f"{started.url}/predict", json={"rows": [{"x": 1.0, "z": 0.0}]})
        assert answer.status_code == 503
        assert answer.json() == {
            "error": "The prediction was not sent, because it cannot be logged"
        }
    finally:
        services.stop("line", project=project)


def test_an_unfinished_build_leaves_no_service(
    project: Project, line: services.Service, python: Python
) -> None:
    before = {path.name for path in (project.state / "bentoml" / "bentos").iterdir()}
    build = python("from jupyter_mlops import services; services.build('line', name='half')")
    place = project.state / "building"
    eventually(lambda: any(Path(place).rglob("service.py")))
    build.kill()
    build.wait(600)
    assert {path.name for path in (project.state / "bentoml" / "bentos").iterdir()} == before
    assert [item.name for item in services.list(project=project)] == ["line"]
