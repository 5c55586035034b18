"""Which processes are ours: this process and its descendants."""

from __future__ import annotations

import os
from pathlib import Path

from jupyter_mlops.processes import keeper

#: The audit events of a new process.
STARTS = frozenset(
    {"subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"}
)


class ProcessFamily:
    """Decides whether a process is this one or a descendant; answers are cached, as processes end.

    `started` is set when this process starts another. A process that ended before its parent was
    read (`sh -c …` takes milliseconds) then counts as ours.
    """

    def __init__(self) -> None:
        self.started = False
        self._me = os.getpid()
        self._known: dict[int, bool] = {1: False, self._me: True}

    def has(self, pid: int) -> bool:
        """Return whether `pid` is ours.

        An unprivileged fanotify listener gets 0 for every process but its own; 0 counts as ours if
        this process has any child.
        """
        line: list[int] = []
        while pid not in self._known:
            if pid == 0:
                return self.started or self._has_children()
            line.append(pid)
            pid = _parent(pid)
        for member in line:
            self._known[member] = self._known[pid]
        return self._known[pid]

    def _has_children(self) -> bool:
        for children in Path(f"/proc/{self._me}/task").glob("*/children"):
            try:
                if children.read_text().strip():
                    return True
            except OSError:
                continue  # that thread has ended
        return False


def _parent(pid: int) -> int:
    found = keeper.status(pid)
    return found[0] if found else 0  # it has ended, so its parent is unknown
