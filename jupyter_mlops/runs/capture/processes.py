"""Which processes are ours: this one, and what descends from it."""

from __future__ import annotations

import os
from pathlib import Path


class Family:
    """Tells whether a process is this one or a descendant; an answer is kept, as processes end."""

    def __init__(self) -> None:
        self._me = os.getpid()
        self._known: dict[int, bool] = {0: False, 1: False, self._me: True}

    def has(self, pid: int) -> bool:
        """Return whether `pid` is of the family.

        An unprivileged fanotify listener is told 0 for every process but its own; then it is ours
        if we have a child at all.
        """
        if pid == 0:
            return self._has_children()
        line: list[int] = []
        while pid not in self._known:
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
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0  # it has ended, and its line with it
    return int(stat.rpartition(")")[2].split()[1])
