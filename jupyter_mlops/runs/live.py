"""Which runs are alive: a small file for each, so that a dead process's runs get closed.

A run whose kernel was killed cannot close itself. The next command, or the server, sees that its
process is gone (pid and start time, so a reused pid is not mistaken) and marks it killed.
"""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING

from jupyter_mlops import files

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project
    from jupyter_mlops.runs.store import Store


def mark(project: Project, run_id: str) -> None:
    """Note that this process is executing `run_id`."""
    note = {
        "pid": os.getpid(),
        "start": files.process_start(os.getpid()),
        "host": socket.gethostname(),
    }
    files.replace(_note(project, run_id), json.dumps(note))


def unmark(project: Project, run_id: str) -> None:
    """Note that `run_id` is closed."""
    _note(project, run_id).unlink(missing_ok=True)


def any_marked(project: Project) -> bool:
    """Whether any run is noted as executing; only then is there something to close."""
    return any((project.state / "live").glob("*.json"))


def close_dead(store: Store) -> list[str]:
    """Mark as killed every run of this host whose process is gone; return their ids."""
    closed = []
    for note in (store.project.state / "live").glob("*.json"):
        try:
            owner = json.loads(note.read_text())
        except (OSError, ValueError):
            continue  # being written or removed by its owner
        if owner["host"] != socket.gethostname():
            continue
        if files.process_start(owner["pid"]) == owner["start"]:
            continue
        run_id = note.stem
        run = store.client.get_run(run_id)
        if run.info.status in {"RUNNING", "SCHEDULED"}:
            store.log(run_id, tags={"mlops.error": "The process that ran it died"})
            store.client.set_terminated(run_id, "KILLED")
            closed.append(run_id)
        note.unlink(missing_ok=True)
    return closed


def _note(project: Project, run_id: str) -> Path:
    return project.state / "live" / f"{run_id}.json"
