"""A kernel that is killed at any moment of a recording: before the cell, in it, and while it is kept."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
# A fork has everything imported and nothing opened: what a kernel is after its first cells.
PROGRAM = '''
import os, sys, time
import matplotlib.pyplot as plt, mlflow, mlflow.sklearn, pandas as pd, skops.io
from sklearn.ensemble import RandomForestClassifier
from jupyter_mlops import runs
from jupyter_mlops.runs.capsules import history

CELL = """
trees = 20
table = pd.read_csv("train.csv")
forest = RandomForestClassifier(trees, random_state=0).fit(table[["a", "b"]], table["y"])
for step in range(3):
    mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
    tell("logged", name, step)
accuracy = forest.score(table[["a", "b"]], table["y"])
figure = plt.figure("curve")
"""

def tell(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def work(number):
    names = {**globals()}
    executed = history.History()
    history.attach(names, executed)
    for count in range(1000):
        names["name"] = name = f"{number}-{count}"
        executed.begin(CELL)
        began = time.perf_counter()
        with runs.record_cell(name, CELL, names):
            exec(CELL, names)
        tell("recorded", name, time.perf_counter() - began)
        executed.end()
        plt.close("all")

for line in sys.stdin:
    if (pid := os.fork()) == 0:
        try:
            work(line.strip())
        finally:
            os._exit(1)
    tell("pid", pid)
    os.waitpid(pid, 0)
    tell("gone")
'''


@dataclass
class Told:
    """What the kernels said was done: names of recorded runs, and the last step logged in each."""

    recorded: list[str] = field(default_factory=list)
    logged: dict[str, int] = field(default_factory=dict)

    def take(self, line: str) -> tuple[str, str]:
        """Take one line, and return its first two words."""
        words = [*line.split(), "", ""]
        if words[0] == "recorded":
            self.recorded.append(words[1])
        elif words[0] == "logged":
            self.logged[words[1]] = int(words[2])
        return words[0], words[1]


@pytest.fixture
def server(project: Project) -> Iterator[subprocess.Popen[str]]:
    """Start the process that gives birth to kernels, in a project with a table."""
    rows = "".join(f"{i},{i % 7},{int(i > 19)}\n" for i in range(40))
    (project.root / "train.csv").write_text("a,b,y\n" + rows)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, cwd=project.root,
    )  # fmt: skip
    yield process
    process.kill()
    process.communicate()


def _kill(server: subprocess.Popen[str], number: int, kind: int, told: Told, share: float) -> None:
    """Let a kernel record twice, then end it when `share` of its next recording has passed."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(f"{number}\n")
    server.stdin.flush()
    pid = 0
    for line in server.stdout:
        word, name = told.take(line)
        if word == "pid":
            pid = int(name)
        if word == "recorded" and name.endswith("-1"):  # the first one pays for what is opened
            time.sleep(share * float(line.split()[2]))
            os.kill(pid, kind)
            break
        assert word != "gone", "the kernel ended by itself"
    for line in server.stdout:
        if told.take(line)[0] == "gone":
            return


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("kind", "times", "error"),
    [
        (signal.SIGKILL, 50, "The process that ran it died"),
        (signal.SIGINT, 10, "Interrupted"),
        (signal.SIGTERM, 10, "Terminated"),
    ],
    ids=["SIGKILL", "SIGINT", "SIGTERM"],
)
def test_nothing_acknowledged_is_lost_and_no_run_stays_running(
    project: Project, server: subprocess.Popen[str], kind: int, times: int, error: str
) -> None:
    chosen = random.Random(11)
    told = Told()
    closing = 0.0
    for number in range(times):
        _kill(server, number, kind, told, share=chosen.uniform(0, 1.1))
        began = time.monotonic()
        assert "running" not in {run.status for run in runs.list(limit=5, project=project)}
        closing = max(closing, time.monotonic() - began)
    found = {run.name: run for run in runs.list(limit=10 * times, project=project)}
    lost = [name for name in told.recorded if found[name].status != "finished"]
    for name, step in told.logged.items():
        if (found[name].metrics.get("loss") or 9.0) > 1.0 / (step + 1):
            lost.append(f"{name}: step {step}")
    assert lost == []
    killed = [run for run in found.values() if run.status == "killed"]
    # One that ended between its last write and its word is whole.
    whole = [run for run in found.values() if run.status == "finished"]
    assert len(killed) + len(whole) == len(found)
    assert {run.error for run in killed} <= {error}
    assert len(killed) > times / 2
    for run in whole:
        assert (run.metrics["accuracy"] or 0) > 0.9
    last = runs.get(told.recorded[-1], project=project)
    assert last.model is not None
    assert {"mlops/capsule.json", "mlops/manifest.json", "figures/curve.png"} <= set(last.artifacts)
    for run in killed:
        assert runs.get(run.run_id, project=project).params["trees"] == "20"
    assert not [*(project.state / "live").glob("*.json")]
    print(
        f"\n{times} × {signal.Signals(kind).name}: {len(told.recorded)} recordings and "
        f"{len(told.logged)} curves acknowledged, 0 lost; {len(killed)} runs killed, 0 left running; "
        f"the next command closed them in at most {closing:.1f} s"
    )
