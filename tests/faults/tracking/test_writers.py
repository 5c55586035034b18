"""Eight processes record into the embedded store at once: all is kept, and nobody fails."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops.tracking.turns import Turn

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project
    from tests.trials import Trials

_WRITERS = 8
#: The writers are forked from one process, as MLflow takes seconds to import.
_PROGRAM = """
import json, os, sys, time
from pathlib import Path
from jupyter_mlops.project import Project
from jupyter_mlops.runs import active_run
from jupyter_mlops.tracking.store import open_store
import mlflow, mlflow.store.tracking.sqlalchemy_store

root, writers, times = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
waiting, started = os.pipe(), os.pipe()
children = []
for writer in range(writers):
    if child := os.fork():
        children.append(child)
        continue
    os.close(started[1])
    project = Project.find(root)
    open_store(project).experiment_id()
    os.write(waiting[1], b"r")
    os.read(started[0], 1)
    took, errors = [], []
    for number in range(times):
        began = time.perf_counter()
        try:
            with active_run.start(
                f"{writer}-{number}", kind="job", params={"rate": number}, project=project
            ) as run:
                run.log_metrics({"loss": number / 2})
                run.set_tags({"writer": writer})
            took.append(time.perf_counter() - began)
            if number % 5 == 0:  # plain MLflow beside ours
                mlflow.set_tracking_uri(project.tracking_uri)
                mlflow.set_experiment("plain")
                with mlflow.start_run():
                    mlflow.log_metric("loss", number)
        except Exception as error:
            errors.append(repr(error))
    (root / f"writer-{writer}.json").write_text(json.dumps([took, errors]))
    os._exit(0)
ready = 0
while ready < writers:
    ready += len(os.read(waiting[0], 100))
os.close(started[1])
for child in children:
    os.waitpid(child, 0)
"""


@pytest.mark.parametrize(
    "times", [10, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])]
)
def test_all_runs_of_eight_writers_are_kept(project: Project, trials: Trials, times: int) -> None:
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM, str(project.root), str(_WRITERS), str(times)],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    took, errors = [], []
    for writer in range(_WRITERS):
        one, failed = json.loads((project.root / f"writer-{writer}.json").read_text())
        took += one
        errors += failed
    assert errors == []
    number = _WRITERS * times
    with sqlite3.connect(project.state / "mlflow.db") as database:
        ask = "SELECT count(*) FROM {} WHERE {}"
        for table, clause, wanted in (
            ("runs", "status = 'FINISHED'", number + _WRITERS * -(-times // 5)),
            ("params", "key = 'rate'", number),
            ("latest_metrics", "key = 'loss'", number + _WRITERS * -(-times // 5)),
            ("tags", "key = 'writer'", number),
        ):
            (found,) = database.execute(ask.format(table, clause)).fetchone()
            assert found == wanted, table
    took.sort()
    p50, p99 = (took[int(share * len(took))] for share in (0.5, 0.99))
    trials(
        f"recordings by {_WRITERS} writers at once", number,
        f"all kept; p50 {p50:.2f} s, p99 {p99:.2f} s, load {os.getloadavg()[0]:.0f}",
    )  # fmt: skip


def test_a_turn_ends_with_its_process_and_nobody_waits_for_one_that_sleeps(tmp_path: Path) -> None:
    path = tmp_path / "turn"
    program = (
        "import sys, time; from pathlib import Path; from jupyter_mlops.tracking.turns import Turn; "
        "print(Turn(Path(sys.argv[1])).take(), flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "True\n"
        os.kill(holder.pid, signal.SIGSTOP)
        mine = Turn(path)
        assert not mine.take(0.1)  # SQLite decides then
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert mine.take(5)
    mine.give()


def test_a_forked_child_does_not_keep_the_turn(tmp_path: Path) -> None:
    """PyTorch's loaders are forked, perhaps while another thread records."""
    mine = Turn(tmp_path / "turn")
    assert mine.take()
    child = os.fork()
    if not child:
        time.sleep(30)
        os._exit(0)
    try:
        mine.give()
        other = (
            "import sys; from pathlib import Path; from jupyter_mlops.tracking.turns import Turn; "
        )
        other += "sys.exit(not Turn(Path(sys.argv[1])).take(2))"
        assert subprocess.run([sys.executable, "-c", other, str(tmp_path / "turn")]).returncode == 0
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
