"""Senders of the spool that are killed, meet each other, or lose an answer: each run arrives once."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import models, runs
from jupyter_mlops.project import Project
from jupyter_mlops.tracking import spool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.team import Postgres

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

_RECORD = """
import sys
from pathlib import Path
from sklearn.linear_model import LogisticRegression
from jupyter_mlops import runs
for index in range(int(sys.argv[1])):
    rows = "[[0.0], [1.0]], [0, 1]"
    source = f"model = LogisticRegression(C=0.5).fit({rows})\\nscore = float(model.score({rows}))"
    names = {}
    with runs.record_cell("forest", source, names):
        exec(source, {"LogisticRegression": LogisticRegression}, names)
"""
_SEND = """
import os, sys
from jupyter_mlops import runs
from jupyter_mlops.tracking import team
plain = team.Answering.__getattr__
def fatal(self, name):
    call = plain(self, name)
    if name != sys.argv[1]:
        return call
    def dying(*args, **options):
        call(*args, **options)
        os.kill(os.getpid(), 9)
    return dying
team.Answering.__getattr__ = fatal
runs.sync()
"""
_CALLS = (
    "create_run", "log_batch", "create_logged_model", "log_model_artifacts",
    "finalize_logged_model", "log_artifacts", "log_outputs", "set_terminated",
)  # fmt: skip


@pytest.fixture
def team(project: Project, database: str, bucket: str) -> Project:
    (project.root / "mlops.toml").write_text(
        f'[tracking]\nuri = "{database}"\nartifacts = "{bucket}/runs"\n'
    )
    return Project.find(project.root)


@pytest.fixture
def away(postgres: Postgres) -> Iterator[Postgres]:
    postgres.stop()
    yield postgres
    postgres.stop()
    postgres.start()


def _python(program: str, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program, *words], stderr=subprocess.PIPE
    )


def _all_there(project: Project, count: int) -> None:
    listed = runs.list(limit=1000, project=project)
    assert [run.status for run in listed] == ["finished"] * count
    client = runs.open_store(project).client
    for run in listed:
        entity = client.get_run(run.run_id)
        assert run.params["C"] == "0.5"
        assert len(client.get_metric_history(run.run_id, "score")) == 1
        assert len(entity.outputs.model_outputs) == 1
        assert (models.model_files(run.run_id, project=project) / "model.skops").is_file()
    logged = client.search_logged_models([client.get_experiment_by_name("default").experiment_id])
    assert len(logged) == count
    assert {str(model.status) for model in logged} == {"READY"}
    assert spool.waiting(project) == []


def test_a_sender_killed_after_each_of_its_calls_sends_once(team: Project, away: Postgres) -> None:
    process = _python(_RECORD, "1")
    said = process.communicate()[1].decode()
    assert process.returncode == 0, said
    away.start()
    for call in _CALLS:
        process = _python(_SEND, call)
        said = process.communicate()[1].decode()
        assert process.returncode == -9, f"{call} was not reached: {said}"
        assert len(spool.waiting(team)) == 1
    assert [item.status for item in runs.sync(project=team)] == ["sent"]
    _all_there(team, 1)


def test_eight_processes_record_at_once_and_eight_send_at_once(
    team: Project, away: Postgres
) -> None:
    for program, words in ((_RECORD, ["3"]), ("from jupyter_mlops import runs; runs.sync()", [])):
        running = [_python(program, *words) for _ in range(8)]
        said = [process.communicate()[1].decode()[-800:] for process in running]
        assert [process.returncode for process in running] == [0] * 8, said
        if program == _RECORD:
            assert len(spool.waiting(team)) == 24
            away.start()
    _all_there(team, 24)


class Losing:
    """Stands between us and the database; loses what is answered after `sign` was asked."""

    def __init__(self, port: int) -> None:
        self._there = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.sign = b""
        self.lost = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                server = socket.create_connection(("127.0.0.1", self._there))
                asked = threading.Event()  # `sign` was sent: the answer to it is lost
                for copy in (self._questions, self._answers):
                    threading.Thread(target=copy, args=(client, server, asked), daemon=True).start()

    def _questions(
        self, client: socket.socket, server: socket.socket, asked: threading.Event
    ) -> None:
        with suppress(OSError):
            while part := client.recv(65536):
                if self.sign and self.sign in part:
                    self.sign = b""
                    asked.set()
                server.sendall(part)
        self._close(client, server)

    def _answers(
        self, client: socket.socket, server: socket.socket, asked: threading.Event
    ) -> None:
        with suppress(OSError):
            while part := server.recv(65536):
                if asked.is_set():
                    self.lost += 1
                    break
                client.sendall(part)
        self._close(client, server)

    def _close(self, *ends: socket.socket) -> None:
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self._server.close()


@pytest.mark.parametrize("sign", [b"INSERT INTO runs", b"COMMIT", b"INSERT INTO metrics"])
def test_a_lost_answer_is_no_second_run(team: Project, postgres: Postgres, sign: bytes) -> None:
    """A connection cut between a write and its answer, which the caller cannot tell from a failure."""
    losing = Losing(postgres.port)
    toml = (team.root / "mlops.toml").read_text()
    (team.root / "mlops.toml").write_text(re.sub(r":\d+/", f":{losing.port}/", toml))
    project = Project.find(team.root)
    with runs.start("before", project=project) as run:
        run.log_metrics({"score": 0.5})
    losing.sign = sign
    with runs.start("meant once", project=project, params={"C": 0.5}) as run:
        run.log_metrics({"score": 0.5})
    assert losing.lost == 1
    runs.sync(project=project)
    listed = runs.list(project=project)
    assert sorted(run.name for run in listed) == ["before", "meant once"]
    once = next(run for run in listed if run.name == "meant once")
    assert (once.status, once.params, once.metrics) == ("finished", {"C": "0.5"}, {"score": 0.5})
    history = runs.open_store(project).client.get_metric_history(once.run_id, "score")
    assert len(history) == 1
    losing.close()
    assert os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES") != "0"
