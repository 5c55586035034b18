"""Interrupts, cancels and kills: what ran is recorded truly, and nothing is left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from jupyter_mlops import files, jobs, runs
from jupyter_mlops.processes.identity import process_start
from tests.waiting import eventually

if TYPE_CHECKING:
    from jupyter_mlops.project import Project

PYTHON = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
# The kernel starts a child of its own and tells both pids before it blocks.
BLOCKS = """\
import os, subprocess, time
child = subprocess.Popen(["sleep", "600"])
with open(f"new-{os.getpid()}", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename(f"new-{os.getpid()}", f"pids-{os.getpid()}")
time.sleep(600)"""


def write(project: Project, name: str, *cells: str) -> str:
    content = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=PYTHON
    )
    nbformat.write(content, project.root / name)
    return name


def shell(*words: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "jupyter_mlops.cli", *words], **options)


def blocked(project: Project, count: int = 1) -> list[int]:
    """Wait until `count` notebooks block; return the pids of their kernels and of the kernels' children."""
    found = eventually(lambda: len(notes := list(project.root.glob("pids-*"))) >= count and notes)
    return [int(pid) for note in found for pid in note.read_text().split()]


def gone(pids: list[int]) -> bool:
    return all(process_start(pid) is None for pid in pids)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_job_is_killed_and_its_kernel_with_children_gone(
    number: int, project: Project
) -> None:
    process = shell("job", "run", write(project, "slow.ipynb", "x = 1", BLOCKS))
    pids = blocked(project)
    process.send_signal(number)
    assert process.wait(600) in {1, 143}
    assert gone(pids)
    run = runs.get("slow")
    assert run.status == "killed"
    assert run.error in {"Interrupted", "Terminated"}
    assert (
        nbformat.read(project.state / "jobs" / run.run_id / "slow.ipynb", 4)
        .cells[0]
        .execution_count
        == 1
    )


def test_a_job_is_cancelled_by_its_name(project: Project) -> None:
    process = shell("job", "run", write(project, "slow.ipynb", BLOCKS))
    pids = blocked(project)
    cancelled = jobs.cancel("slow")
    assert cancelled.status == "killed"
    assert process.wait(600) == 1
    assert gone(pids)
    assert runs.get("slow").status == "killed"


def test_a_cancelled_sweep_stops_its_points_and_starts_no_more(project: Project) -> None:
    name = write(project, "slow.ipynb", "n = 1", BLOCKS)
    process = shell("job", "sweep", name, "-p", "n=1,2,3,4", "--workers", "2")
    pids = blocked(project, 2)
    assert jobs.cancel("slow sweep").status == "killed"
    assert process.wait(600) == 1
    assert gone(pids)
    assert Counter(run.status for run in runs.list(kind="job")) == {"killed": 2}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_sweep_leaves_no_kernel(number: int, project: Project) -> None:
    name = write(project, "slow.ipynb", "n = 1", BLOCKS)
    process = shell("job", "sweep", name, "-p", "n=1,2,3,4", "--workers", "2")
    pids = blocked(project, 2)
    process.send_signal(number)
    assert process.wait(600) in {1, 143}
    assert gone(pids)
    assert Counter(run.status for run in runs.list()) == {"killed": 3}


def test_a_job_whose_process_was_killed_is_not_left_running(project: Project) -> None:
    process = shell("job", "run", write(project, "slow.ipynb", BLOCKS))
    kernel, child = blocked(project)
    process.kill()
    process.wait()
    eventually(lambda: gone([kernel, child]))
    assert runs.list(kind="job")[0].status == "killed"


def test_a_kernel_killed_from_outside_fails_its_job(project: Project) -> None:
    process = shell(
        "job",
        "run",
        write(project, "slow.ipynb", BLOCKS, "print('after')"),
        "--json",
        stdout=subprocess.PIPE,
    )
    pids = blocked(project)
    os.kill(pids[0], signal.SIGKILL)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 1
    told = json.loads(output)
    assert (told["status"], told["failed_cell"], told["error"]) == (
        "failed",
        1,
        "the kernel died (cell 1)",
    )
    assert gone(pids), "its children must be gone too"


def test_a_full_disk_is_no_success(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = files.replace

    def full(path: Path, content: bytes | str) -> None:
        if path.suffix == ".ipynb" and "the end" in str(content):
            raise OSError(28, "No space left on device")
        replace(path, content)

    monkeypatch.setattr(files, "replace", full)
    execution = jobs.run(write(project, "full.ipynb", "x = 1", "print('the', 'end')"))
    assert execution.status == "failed"
    assert "No space left on device" in execution.error


@pytest.mark.slow
def test_ticks_fire_once_with_two_schedulers_and_a_kill(project: Project) -> None:
    write(project, "tick.ipynb", "import time\ntime.sleep(4)")
    jobs.schedule("tick.ipynb", cron="* * * * * */5")
    first, second = shell("scheduler"), shell("scheduler")
    try:
        eventually(lambda: len(jobs.executions("tick")) >= 2)
        os.kill(holder := _holder(project, (first, second)), signal.SIGKILL)
        survivor = second if holder == first.pid else first
        at_kill = len(jobs.executions("tick"))
        eventually(lambda: len(jobs.executions("tick")) >= at_kill + 4)
        jobs.unschedule("tick")
        eventually(lambda: all(e.status != "running" for e in jobs.executions("tick")))
        survivor.terminate()
        assert survivor.wait(600) == 0
    finally:
        for process in (first, second):
            process.kill()
            process.wait()
    ticks = Counter(run.tags["mlops.scheduled"] for run in runs.list(kind="job", limit=1000))
    assert set(ticks.values()) == {1}, ticks
    assert {run.status for run in runs.list(kind="job", limit=1000)} == {"finished"}


@pytest.mark.slow
def test_a_tick_whose_worker_and_scheduler_were_killed_runs_once_more(project: Project) -> None:
    write(
        project,
        "tick.ipynb",
        "import os\nif not os.path.exists('second'):\n    open('second', 'w').close()\n    "
        + BLOCKS.replace("\n", "\n    "),
    )
    jobs.schedule("tick.ipynb", cron="0 0 1 1 *")
    _backdate(project, "tick")
    scheduler = shell("scheduler")
    pids = blocked(project)
    (execution,) = jobs.executions("tick")
    owner = json.loads((project.state / "jobs" / execution.run_id / "process.json").read_text())
    for pid in (scheduler.pid, owner["pid"]):
        os.kill(pid, signal.SIGKILL)
    scheduler.wait()
    again = shell("scheduler")
    try:
        eventually(lambda: [e.status for e in jobs.executions("tick")] == ["finished", "killed"])
        assert gone(pids)
    finally:
        again.terminate()
        assert again.wait(600) == 0


def _holder(project: Project, schedulers: tuple[subprocess.Popen[bytes], ...]) -> int:
    """Return the pid of the scheduler that works: the one whose process has the database open."""
    database = str(project.state / "scheduler.sqlite")
    for process in schedulers:
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            if str(link.readlink()).startswith(database):
                return process.pid
    raise AssertionError("no scheduler works")


def _backdate(project: Project, name: str) -> None:
    years_ago = time.time() - 2 * 366 * 24 * 3600
    os.utime(project.root / "jobs" / f"{name}.yaml", (years_ago, years_ago))
