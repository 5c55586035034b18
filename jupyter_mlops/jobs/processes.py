"""Process groups of kernels and workers: ended whole, and only if they are the ones we mean."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from jupyter_mlops import files


def kill_group(pid: int, number: int = signal.SIGKILL) -> None:
    """Signal a process that leads its own group, and everything it started."""
    if pid > 1:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)


def end_group(pid: int, *, patience: float) -> None:
    """Ask a process to end, and after `patience` seconds end its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while files.process_start(pid) is not None and time.monotonic() < deadline:
            time.sleep(0.1)
    kill_group(pid)
