"""A replay's kernel goes with everything it started, when the replay ends and when it is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from jupyter_mlops.replays import scratch_kernel
from tests.faults.jobs.test_orphans import HIDDEN, KINDS, TOKEN, none_left, of, tag
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.trials import Trials

__all__ = ["tag"]
DRIVER = """
import os, sys
from pathlib import Path
from jupyter_mlops.replays import scratch_kernel
def work(stop):
    with scratch_kernel.start(Path(sys.argv[1]), dict(os.environ), stop) as kernel:
        kernel.run(sys.stdin.read())
scratch_kernel.in_a_thread(work)
"""


def test_a_replay_that_ends_leaves_none(tmp_path: Path, tag: str) -> None:
    def work(stop: threading.Event) -> str:
        with scratch_kernel.start(tmp_path, {**os.environ, TOKEN: tag}, stop) as kernel:
            return kernel.run(f"{KINDS}{HIDDEN}print(1 + 1)").output

    assert scratch_kernel.in_a_thread(work) == "2\n"
    assert set(of(tag)) == set()


def test_a_replay_that_is_killed_leaves_none(tmp_path: Path, tag: str, trials: Trials) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path)],
        stdin=subprocess.PIPE,
        env={**os.environ, TOKEN: tag},
    )
    assert process.stdin is not None
    process.stdin.write(f"{KINDS}{HIDDEN}open('started', 'w').close()\ntime.sleep(600)".encode())
    process.stdin.close()
    eventually((tmp_path / "started").exists)
    process.kill()
    process.wait()
    none_left(tag)
    trials("kill -9 of a replay, 8 kinds of children", 1, "no process left")
