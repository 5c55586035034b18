"""Process groups of kernels and workers: ended whole, and only if they are the ones we mean."""

from __future__ import annotations

import contextlib
import os
import signal


def kill_group(pid: int, number: int = signal.SIGKILL) -> None:
    """Signal a process that leads its own group, and everything it started."""
    if pid > 1:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)
