"""A replay that is killed or interrupted leaves nothing: no folder, no worktree, no kernel."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_mlops import runs
from tests.waiting import eventually

if TYPE_CHECKING:
    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
PROGRAM = "from jupyter_mlops import runs; runs.reproduce('case')"


@pytest.fixture
def slow_run(project: Project) -> None:
    """Record a run whose replay takes long, because it finds itself in a scratch folder."""
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "jupyter_mlops")
    shell.run_cell("import os, time\nif 'reproduce' in os.getcwd():\n    time.sleep(600)")
    shell.run_cell("%%mlops run case\nscore = 2.0 * 1")
    InteractiveShell.clear_instance()


def _worktrees(project: Project) -> int:
    listed = subprocess.run(
        ["git", "worktree", "list"], cwd=project.root, capture_output=True, text=True, check=True
    )
    return len(listed.stdout.splitlines())


def _kernels(project: Project) -> list[str]:
    """Return the processes whose working folder is in the project's scratch folders."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            folder = (process / "cwd").readlink()
        except OSError:
            continue
        if folder.is_relative_to(project.state / "reproduce"):
            found.append(process.name)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_replay_leaves_nothing(project: Project, slow_run: None, number: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=project.root, stderr=subprocess.DEVNULL
    )
    eventually(lambda: _kernels(project))
    time.sleep(1)
    os.kill(process.pid, number)
    process.wait(600)
    eventually(lambda: not _kernels(project))
    if number == signal.SIGKILL:
        from jupyter_mlops.replays import scratch_project

        assert _worktrees(project) == 2
        scratch_project.sweep(project)
    assert not [*(project.state / "reproduce").iterdir()]
    assert _worktrees(project) == 1
    assert "mlops.reproduced" not in runs.get("case").tags
