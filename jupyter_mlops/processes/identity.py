"""Which process: its pid, its start, and the machine, so that a note of it never means another one.

A pid is given again after its process ended, and a folder may be seen by several machines and containers. A process
is named by its pid with its start, and by the host's name and the boot with the pid namespace.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_mlops.processes import keeper


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process; `start` is None of one that had ended when it was noted, `host` empty where none was noted."""

    pid: int
    start: float | None
    host: str = ""
    where: str = ""

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """Return which process has that pid now."""
        return cls(pid, process_start(pid), socket.gethostname(), where())

    @classmethod
    def own(cls) -> ProcessId:
        """Return this process."""
        return cls.of(os.getpid())

    @classmethod
    def noted(cls, note: Any, *, prefix: str = "") -> ProcessId | None:
        """Return the process that a note names, or None where it cannot be one of `note`'s.

        Args:
            note: what JSON holds that anybody may have written.
            prefix: stands before the keys, where a note names several processes.
        """
        if not isinstance(note, dict):
            return None
        pid, start = note.get(f"{prefix}pid"), note.get(f"{prefix}start")
        host, place = note.get(f"{prefix}host", ""), note.get(f"{prefix}where", "")
        if type(pid) is not int or not (start is None or type(start) is float):
            return None
        if type(host) is not str or type(place) is not str:
            return None
        return cls(pid, start, host, place)

    def note(self, *, prefix: str = "") -> dict[str, Any]:
        """Return what a file keeps of it."""
        kept = {"pid": self.pid, "start": self.start, "host": self.host, "where": self.where}
        return {f"{prefix}{key}": value for key, value in kept.items()}

    @property
    def here(self) -> bool:
        """Whether it is, or was, a process of this machine. A restart keeps the host's name, a rename the boot."""
        return not self.host or self.host == socket.gethostname() or self.where == where()

    @property
    def alive(self) -> bool:
        """Whether that very process still runs, if it is one of this machine."""
        return self.start is not None and process_start(self.pid) == self.start

    @property
    def ended(self) -> bool:
        """Whether it was a process of this machine and runs no more."""
        return self.here and not self.alive


def process_start(pid: int) -> float | None:
    """Return when process `pid` started (seconds since boot), or None if it is gone."""
    found = keeper.status(pid)
    if found is None:
        return None if Path("/proc/self").exists() else _portable_start(pid)
    return None if found[3] in {"Z", "X"} else found[2] / os.sysconf("SC_CLK_TCK")


def where() -> str:
    """Return the boot and the pid namespace that a pid and its start belong to."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115
    except OSError:
        return os.uname().nodename


def _portable_start(pid: int) -> float | None:
    import psutil  # comes with ipykernel; only where there is no /proc

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None
