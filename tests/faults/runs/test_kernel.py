"""A kernel that is interrupted, restarted or killed while it records a cell."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.manager import start_new_kernel

from jupyter_mlops import runs
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
SLOW = """\
%%mlops run slow
import mlflow, time
depth = 3
mlflow.log_metric('started', 1)
time.sleep(120)
"""


WAITING = SLOW.replace("import mlflow, time", "import asyncio, mlflow").replace(
    "time.sleep(120)", "await asyncio.sleep(120)"
)


@pytest.fixture
def source() -> str:
    """Return the cell that is running."""
    return SLOW


@pytest.fixture
def kernel(project: Project, source: str) -> Iterator[Any]:
    """Start a real kernel in the project, in the middle of recording a slow cell."""
    manager, client = start_new_kernel(cwd=str(project.root))
    client.execute_interactive("%load_ext jupyter_mlops", timeout=600)
    client.execute(source)
    eventually(lambda: any("started" in run.metrics for run in runs.list()), "the cell never began")
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def _until_closed() -> runs.RunDetail:
    eventually(lambda: runs.get("slow").status != "running", "the run is still open")
    return runs.get("slow")


@pytest.mark.parametrize("source", [SLOW, WAITING], ids=["sleeps", "awaits"])
def test_an_interrupted_cell_is_killed_and_the_kernel_goes_on(kernel: Any) -> None:
    manager, client = kernel
    manager.interrupt_kernel()
    run = _until_closed()
    assert (run.status, run.error, run.params) == ("killed", "Interrupted", {"depth": "3"})
    until = time.monotonic() + 600
    while client.execute_interactive("%mlops run list", timeout=600)["content"]["status"] != "ok":
        # What is asked while the interrupted cell still ends is aborted with it.
        assert time.monotonic() < until, "the kernel does not go on"


def test_a_killed_kernel_leaves_a_killed_run_with_what_it_had_logged(kernel: Any) -> None:
    manager, _ = kernel
    manager.provisioner.process.kill()
    manager.provisioner.process.wait()
    run = _until_closed()
    assert (run.status, run.metrics) == ("killed", {"started": 1.0})
    assert run.error == "The process that ran it died"
    # What was known before the cell ran is kept too.
    assert run.params == {"depth": "3"}
    assert run.source.startswith("import mlflow, time")


def test_a_restarted_kernel_closes_the_run(kernel: Any) -> None:
    manager, _ = kernel
    manager.restart_kernel(now=False)
    assert _until_closed().status == "killed"
