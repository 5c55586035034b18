"""What is kept beside a job's run in `.mlops/jobs/<run id>/`: the executed notebook and who executes it.

`process.json` names the executing process and the kernel by pid and start time; `cancel` asks that
process to stop; `kernel.log` holds what the kernel wrote outside of its cells.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from jupyter_mlops import files
from jupyter_mlops.jobs.processes import kill_group

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that executes a job, and its kernel once there is one."""

    pid: int
    start: float | None
    kernel_pid: int = 0
    kernel_start: float | None = None

    @property
    def alive(self) -> bool:
        """Whether that very process still runs."""
        return self.start is not None and files.process_start(self.pid) == self.start

    @property
    def kernel_alive(self) -> bool:
        """Whether its kernel still runs."""
        return (
            self.kernel_start is not None
            and files.process_start(self.kernel_pid) == self.kernel_start
        )


def folder(project: Project, run_id: str) -> Path:
    """Return the folder of an execution."""
    return project.state / "jobs" / run_id


def own(project: Project, run_id: str, kernel_pid: int = 0) -> None:
    """Note that this process executes `run_id`."""
    pid = os.getpid()
    note = Owner(
        pid,
        files.process_start(pid),
        kernel_pid,
        files.process_start(kernel_pid) if kernel_pid else None,
    )
    files.replace(folder(project, run_id) / "process.json", json.dumps(asdict(note)))


def owner(project: Project, run_id: str) -> Owner | None:
    """Return who executes `run_id`, if it is being executed on this machine."""
    try:
        return Owner(**json.loads((folder(project, run_id) / "process.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def release(project: Project, run_id: str) -> None:
    """Note that the execution is over."""
    for name in ("process.json", "cancel"):
        (folder(project, run_id) / name).unlink(missing_ok=True)


def executed(project: Project, run_id: str) -> Path | None:
    """Return the executed notebook, if it is here."""
    return next(iter(sorted(folder(project, run_id).glob("*.ipynb"))), None)


def reap(project: Project) -> None:
    """End the kernels whose executing process died; their runs are closed by whoever lists runs next."""
    for note in (project.state / "jobs").glob("*/process.json"):
        found = owner(project, note.parent.name)
        if found is None or found.alive:
            continue
        if found.kernel_alive:
            kill_group(found.kernel_pid)
        release(project, note.parent.name)
