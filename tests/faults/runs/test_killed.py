"""A process that dies while it records: nothing acknowledged is lost, no run stays running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import runs

if TYPE_CHECKING:
    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
PROGRAM = """
import sys, time
from jupyter_mlops import runs
with runs.start("victim", kind="cell", params={"depth": 3}) as run:
    step = 0
    while True:
        run.log_metrics({"step": step})
        print(step, flush=True)
        step += 1
"""


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (signal.SIGKILL, "The process that ran it died"),
        (signal.SIGTERM, "Terminated"),
        (signal.SIGINT, "Interrupted"),
    ],
)
def test_a_killed_process_leaves_a_killed_run(project: Project, number: int, error: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=project.root,
    )
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(5)]
    os.kill(process.pid, number)
    rest = process.stdout.read().split()
    process.wait(600)
    process.stdout.close()
    last = max([*acknowledged, *(int(item) for item in rest)])
    run = runs.get("victim")
    assert (run.status, run.error) == ("killed", error)
    assert run.params == {"depth": "3"}
    assert run.metrics["step"] in {last, last + 1}


def test_several_processes_open_a_fresh_project_at_once(tmp_path) -> None:
    """MLflow's own first open of a sqlite store fails when eight processes do it together."""
    program = "from jupyter_mlops import workspace, runs; workspace.init('.');\nwith runs.start('x'): pass"
    running = [
        subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    failures = [process.communicate()[1].decode()[-600:] for process in running]
    assert [process.returncode for process in running] == [0] * 4, failures
    from jupyter_mlops.project import Project

    assert len(runs.list(project=Project.find(tmp_path))) == 4
