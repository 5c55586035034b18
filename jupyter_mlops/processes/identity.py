"""Identifies a process by its pid, its start and its machine.

The system gives a pid again after its process ended, and several machines and containers may see one folder. So a
note of a process has its pid and start, the host's name, and the boot with the pid namespace.
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
    """One process; `start` is None if it had ended when it was noted, `host` is empty if the note has none."""

    pid: int
    start: float | None
    host: str = ""
    where: str = ""

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """Return the process that has that pid now."""
        return cls(pid, process_start(pid), socket.gethostname(), where())

    @classmethod
    def own(cls) -> ProcessId:
        """Return this process."""
        return cls.of(os.getpid())

    @classmethod
    def noted(cls, note: Any, *, prefix: str = "") -> ProcessId | None:
        """Return the process that a note names; None if the note is not valid.

        Args:
            note: a JSON value that anybody may have written.
            prefix: comes before each key, if a note names several processes.
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
        """Return the note to write into a file."""
        kept = {"pid": self.pid, "start": self.start, "host": self.host, "where": self.where}
        return {f"{prefix}{key}": value for key, value in kept.items()}

    @property
    def here(self) -> bool:
        """Whether it is, or was, a process of this machine: one with this host name or in this boot."""
        return not self.host or self.host == socket.gethostname() or self.where == where()

    @property
    def alive(self) -> bool:
        """Whether this process still runs; only for a process of this machine."""
        return self.start is not None and process_start(self.pid) == self.start

    @property
    def ended(self) -> bool:
        """Whether it was a process of this machine and has ended."""
        return self.here and not self.alive


def process_start(pid: int) -> float | None:
    """Return when process `pid` started (seconds since boot), or None if it has ended."""
    found = keeper.status(pid)
    if found is None:
        return None if Path("/proc/self").exists() else _portable_start(pid)
    return None if found[3] in {"Z", "X"} else found[2] / os.sysconf("SC_CLK_TCK")


def started_after(pid: int, moment: float) -> bool | None:
    """Return whether process `pid` started after `moment` (seconds since 1970); None if it has ended."""
    start = _portable_start(pid)
    return None if start is None else start > moment


def where() -> str:
    """Return the boot and the pid namespace in which a pid and its start are valid."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115
    except OSError:
        return os.uname().nodename


def _portable_start(pid: int) -> float | None:
    import psutil  # comes with ipykernel

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None
