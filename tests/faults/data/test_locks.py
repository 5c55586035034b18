"""DVC's lock files after a kill: empty, of dead processes, of pids given out again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_mlops import data
from jupyter_mlops.data import locks
from jupyter_mlops.project import Project

DVC = Path(sys.executable).with_name("dvc")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture
def rwlock(project: Project) -> Path:
    (project.root / "train.csv").write_text("a\n1\n")
    data.add(["train.csv"], project=project)
    (project.root / ".dvc" / "tmp").mkdir(exist_ok=True)
    return project.root / ".dvc" / "tmp" / "rwlock"


def _held_by(rwlock: Path, pid: int, *, written: float | None = None) -> None:
    holder = {"pid": pid, "cmd": "dvc add train.csv"}
    rwlock.write_text(json.dumps({"write": {str(rwlock.parents[2] / "train.csv"): holder}}))
    if written:
        os.utime(rwlock, (written, written))


def _dvc_commit(rwlock: Path) -> int:
    return subprocess.run(
        [DVC, "commit", "--quiet", "--force", "train.csv.dvc"], cwd=rwlock.parents[2], check=False,
        stderr=subprocess.DEVNULL,
    ).returncode  # fmt: skip


def test_an_empty_lock_file_stops_dvc_until_we_came_by(project: Project, rwlock: Path) -> None:
    rwlock.write_text("")
    assert _dvc_commit(rwlock) != 0
    data.add(["train.csv"], project=project)
    assert _dvc_commit(rwlock) == 0


def test_a_pid_given_out_again_is_told_from_its_holder(project: Project, rwlock: Path) -> None:
    # This process started long after the entry was written.
    _held_by(rwlock, os.getpid(), written=time.time() - 86_400)
    assert _dvc_commit(rwlock) != 0
    assert locks.heal(project) == [
        f"process {os.getpid()} has ended, and another process has its pid"
    ]
    assert _dvc_commit(rwlock) == 0


def test_an_entry_of_a_dead_process_goes_and_of_a_living_one_stays(
    project: Project, rwlock: Path
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    _held_by(rwlock, dead.pid)
    assert locks.heal(project) == [f"process {dead.pid} has ended"]
    _held_by(rwlock, os.getpid())
    before = rwlock.read_text()
    assert locks.heal(project) == []
    assert rwlock.read_text() == before


def test_adding_does_not_wait_for_a_dvc_command_at_work(project: Project, rwlock: Path) -> None:
    _held_by(rwlock, os.getpid())
    (project.root / "train.csv").write_text("a\n2\n")
    (added,) = data.add(["train.csv"], project=project)
    assert added.status == "ok"
