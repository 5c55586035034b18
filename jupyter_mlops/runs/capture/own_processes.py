"""Which processes are ours: this one, and what descends from it."""

from __future__ import annotations

import os
from pathlib import Path

from jupyter_mlops.processes import keeper

#: The audit events that tell of a new process.
STARTS = frozenset(
    {"subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"}
)


class Family:
    """Tells whether a process is this one or a descendant; an answer is kept, as processes end.

    `started` is set when this process starts another: one that has ended before it could be asked
    whose child it was (`sh -c …` takes milliseconds) is then taken for ours.
    """

    def __init__(self) -> None:
        self.started = False
        self._me = os.getpid()
        self._known: dict[int, bool] = {1: False, self._me: True}

    def has(self, pid: int) -> bool:
        """Return whether `pid` is of the family.

        An unprivileged fanotify listener is told 0 for every process but its own; then it is ours
        if we have a child at all.
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
    return found[0] if found else 0  # it has ended, and nobody knows any more
