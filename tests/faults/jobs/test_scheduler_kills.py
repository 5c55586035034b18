"""`kill -9` of a scheduler or a worker while jobs start every kind of process: none is left."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import runs
from tests.faults.jobs.test_orphans import HIDDEN, KINDS, none_left, of, tag, write
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project
    from tests.trials import Trials

__all__ = ["tag"]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "scheduler.log"


def start(log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "jupyter_mlops.cli", "scheduler"], stdout=output, stderr=output
        )


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_killed_scheduler_or_worker_leaves_no_process(
    project: Project, tag: str, log: Path, trials: Trials
) -> None:
    write(project.root / "tick.ipynb", KINDS + HIDDEN + "time.sleep(5)")
    path = project.root / "jobs" / "tick.yaml"
    path.parent.mkdir()
    source = random.Random(1)
    number = 20
    for turn in range(number):
        path.write_text("notebook: tick.ipynb\ncron: '* * * * * */5'\n")
        scheduler = start(log)
        try:
            eventually(lambda: any("keeper.py" in words for words in of(tag).values()))
            time.sleep(source.uniform(0, 3))
            workers = [pid for pid, words in of(tag).items() if "jobs.worker" in words]
            path.unlink()
            for pid in [scheduler.pid] if turn % 2 else workers:
                os.kill(pid, signal.SIGKILL)
        finally:
            # One that was not killed ends its workers; those of one that was killed finish their tick.
            scheduler.terminate()
            scheduler.wait(600)
        none_left(tag)
    assert "Traceback" not in log.read_text()
    assert {run.status for run in runs.list(kind="job", limit=1000)} <= {"finished", "killed"}
    trials(
        "kill -9 of the scheduler or of its workers, 8 kinds of children", number, "no process left"
    )
