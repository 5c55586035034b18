"""`run why` stopped in the middle, and asked twice at once: nothing half-written, nothing done twice."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_mlops.replays import scratch_project
from jupyter_mlops.replays.why.why import why
from tests.waiting import eventually

if TYPE_CHECKING:
    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
COMMAND = [sys.executable, "-m", "jupyter_mlops.cli", "run", "why", "a", "b", "--json"]


@pytest.fixture
def hold(project: Project, tmp_path: Path) -> Path:
    """Record two runs; while the returned file exists, A with B's parameters does not end."""
    held = tmp_path / "hold"
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "jupyter_mlops")
    for name, scale, text in (("a", 2.0, "1 2"), ("b", 5.0, "3 4")):
        Path("data.csv").write_text(text)
        shell.run_cell(
            f"%%mlops run {name}\nimport os, time\nscale = {scale}\n"
            "total = float(sum(map(float, open('data.csv').read().split())))\n"
            f"while scale == 5.0 and total == 3.0 and os.path.exists({str(held)!r}):\n"
            "    time.sleep(0.1)\nscore = scale * total"
        )
    InteractiveShell.clear_instance()
    return held


def _kept(project: Project) -> list[dict[str, Any]]:
    """Return the outcomes that are known; a part of one would be no JSON."""
    return [json.loads(file.read_text()) for file in (project.state / "explanations").iterdir()]


def _kernels(project: Project) -> list[str]:
    """Return the processes whose working folder is in the project's scratch folders."""
    folders = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            folders[process.name] = (process / "cwd").readlink()
    return [name for name, at in folders.items() if at.is_relative_to(project.state / "reproduce")]


def _wait(project: Project, count: int) -> None:
    eventually(lambda: len([*(project.state / "explanations").glob("*")]) >= count)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_was_done_before_it_was_stopped_is_known(
    project: Project, hold: Path, number: int
) -> None:
    hold.touch()
    process = subprocess.Popen(COMMAND, cwd=project.root, stdout=subprocess.PIPE, text=True)
    _wait(project, 2)
    time.sleep(15)  # in the third replay
    os.kill(process.pid, number)
    out, _ = process.communicate(timeout=600)
    assert out == ""
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert len(_kept(project)) == 2
    hold.unlink()
    while _kernels(project):
        time.sleep(0.2)
    scratch_project.sweep(project)
    assert not [*(project.state / "reproduce").iterdir()]
    assert not [*project.state.glob("*.index*")]
    found = why("a", "b")
    assert (found.replays, found.known) == (2, 2)


def test_two_at_once_say_the_same(project: Project, hold: Path) -> None:
    asked = [
        subprocess.Popen(COMMAND, cwd=project.root, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [json.loads(process.communicate(timeout=600)[0]) for process in asked]
    assert [process.returncode for process in asked] == [0, 0]
    effects = [[part["value"] for part in item["metrics"][0]["effects"]] for item in told]
    assert effects[0] == effects[1] == [0.0, 9.0, 8.0, 0.0, 12.0]
    assert len(_kept(project)) == 4
