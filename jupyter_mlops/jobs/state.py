"""Files of an execution in `.mlops/jobs/<run id>/`: the executed notebook and the state of its processes.

`process.json` holds the pid and start time of the executing process and of the kernel (on Linux, of its keeper).
`cancel` requests that process to stop. `kernel.log` holds the kernel's output outside of cells.

Anybody may have written these files, so they do not decide which process to end. The mark in the processes' environment
decides; it is made from the project's folder and the run's id (`processes/owned.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_mlops import files, paths
from jupyter_mlops.jobs import untrusted_json
from jupyter_mlops.processes import owned
from jupyter_mlops.processes.identity import ProcessId

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project


_KERNEL = "kernel_"


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that executes a job, and its kernel after its start."""

    process: ProcessId
    kernel: ProcessId | None = None


def folder(project: Project, run_id: str) -> Path:
    """Return the folder of an execution.

    Raises:
        UnsafePath: its id, which a tracking server gives, leads elsewhere.
    """
    return paths.below(project.state / "jobs", run_id, source="A run's id")


def own(project: Project, run_id: str, kernel_pid: int = 0) -> None:
    """Record that this process executes `run_id`."""
    note = ProcessId.own().note()
    if kernel_pid:
        note |= ProcessId.of(kernel_pid).note(prefix=_KERNEL)
    files.replace(folder(project, run_id) / "process.json", json.dumps(note))


def owner(project: Project, run_id: str) -> Owner | None:
    """Return the processes of `run_id`; None if there are none here, or the file cannot be read."""
    try:
        note = untrusted_json.json_object(folder(project, run_id) / "process.json")
    except untrusted_json.Unreadable:
        return None
    process, kernel = ProcessId.noted(note), ProcessId.noted(note, prefix=_KERNEL)
    if process is None or not process.here or (kernel is None and f"{_KERNEL}pid" in note):
        return None
    return Owner(process, kernel)


def release(project: Project, run_id: str) -> None:
    """Remove the process files of an ended execution."""
    for name in ("process.json", "cancel"):
        (folder(project, run_id) / name).unlink(missing_ok=True)


def executed(project: Project, run_id: str) -> Path | None:
    """Return the path of the executed notebook, or None."""
    return next(iter(sorted(folder(project, run_id).glob("*.ipynb"))), None)


def mark(project: Project, run_id: str) -> str:
    """Return the mark of an execution's processes."""
    return owned.name_of(project.root, run_id)


def end(project: Project, run_id: str, found: Owner) -> None:
    """End the remaining processes of an execution."""
    if owned.LINUX:
        owned.end_marked(mark(project, run_id))
    elif found.kernel is not None and found.kernel.alive:
        owned.kill_group(found.kernel.pid)


def reap(project: Project) -> None:
    """End the remaining processes of executions whose own process died; the next list of runs closes the runs."""
    for note in (project.state / "jobs").glob("*/process.json"):
        if paths.is_link(note.parent):
            continue
        found = owner(project, note.parent.name)
        if found is None or found.process.alive:
            continue
        end(project, note.parent.name, found)
        release(project, note.parent.name)
