"""What is kept beside a job's run in `.mlops/jobs/<run id>/`: the executed notebook and who executes it.

`process.json` names the executing process and the kernel (on Linux its keeper) by pid and start time; `cancel` asks that
process to stop; `kernel.log` holds what the kernel wrote outside of its cells.

Anybody may have written these files, so a note never says which process to end. The mark does that the processes
carry in their environment; its name comes from the project's folder and the run's id (`processes/owned.py`).
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
    """The process that executes a job, and its kernel once there is one."""

    process: ProcessId
    kernel: ProcessId | None = None


def folder(project: Project, run_id: str) -> Path:
    """Return the folder of an execution."""
    return project.state / "jobs" / run_id


def own(project: Project, run_id: str, kernel_pid: int = 0) -> None:
    """Note that this process executes `run_id`."""
    note = ProcessId.own().note()
    if kernel_pid:
        note |= ProcessId.of(kernel_pid).note(prefix=_KERNEL)
    files.replace(folder(project, run_id) / "process.json", json.dumps(note))


def owner(project: Project, run_id: str) -> Owner | None:
    """Return who executes `run_id`; None if nobody on this machine does, or the note cannot be read."""
    try:
        note = untrusted_json.json_object(folder(project, run_id) / "process.json")
    except untrusted_json.Unreadable:
        return None
    process, kernel = ProcessId.noted(note), ProcessId.noted(note, prefix=_KERNEL)
    if process is None or not process.here or (kernel is None and f"{_KERNEL}pid" in note):
        return None
    return Owner(process, kernel)


def release(project: Project, run_id: str) -> None:
    """Note that the execution is over."""
    for name in ("process.json", "cancel"):
        (folder(project, run_id) / name).unlink(missing_ok=True)


def executed(project: Project, run_id: str) -> Path | None:
    """Return the executed notebook, if it is here."""
    return next(iter(sorted(folder(project, run_id).glob("*.ipynb"))), None)


def mark(project: Project, run_id: str) -> str:
    """Return the name that the processes of an execution are marked with."""
    return owned.name_of(project.root, run_id)


def end(project: Project, run_id: str, found: Owner) -> None:
    """End what is left of an execution."""
    if owned.LINUX:
        owned.end_marked(mark(project, run_id))
    elif found.kernel is not None and found.kernel.alive:
        owned.kill_group(found.kernel.pid)


def reap(project: Project) -> None:
    """End what is left of executions whose process died; their runs are closed by whoever lists runs next."""
    for note in (project.state / "jobs").glob("*/process.json"):
        if paths.is_link(note.parent):
            continue
        found = owner(project, note.parent.name)
        if found is None or found.process.alive:
            continue
        end(project, note.parent.name, found)
        release(project, note.parent.name)
