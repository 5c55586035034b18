"""Which runs are alive: a small file for each, so that a dead process's runs get closed.

A run whose kernel was killed cannot close itself. The next command, or the server, sees that its
process is gone (pid and start time, so a reused pid is not mistaken) and marks it killed. The file also holds
what was known of the run when it began and is written when it ends: a killed run keeps that.
"""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any

from jupyter_mlops import files
from jupyter_mlops.runs.stores import spool

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project
    from jupyter_mlops.runs.stores.store import Store


def mark(
    project: Project, run_id: str, left: dict[str, Any] | None = None, *, spooled: bool = False
) -> None:
    """Note that this process is executing `run_id`, and what the run keeps if it dies.

    Args:
        project: the run's.
        run_id: the run.
        left: params, tags and texts (artifacts by name), without secrets.
        spooled: it is one of the spool's.
    """
    note = {
        "left": left or {},
        "pid": os.getpid(),
        "start": files.process_start(os.getpid()),
        "host": socket.gethostname(),
        "spooled": spooled,
    }
    files.replace(_note(project, run_id), json.dumps(note))


def unmark(project: Project, run_id: str) -> None:
    """Note that `run_id` is closed."""
    _note(project, run_id).unlink(missing_ok=True)


def any_marked(project: Project) -> bool:
    """Whether any run is noted as executing; only then is there something to close."""
    return any((project.state / "live").glob("*.json"))


def close_dead(store: Store) -> list[str]:
    """Mark as killed every run of this host whose process is gone; return their ids.

    Only runs that are noted in this project: the others of a team's store are not ours to close.
    """
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
        where = spool.open_spool(store.project) if owner.get("spooled") else store
        run = where.client.get_run(run_id)
        if run.info.status in {"RUNNING", "SCHEDULED"}:
            left = owner.get("left", {})
            fresh = {k: v for k, v in left.get("params", {}).items() if k not in run.data.params}
            error = {"mlops.error": "The process that ran it died"}
            where.log(run_id, params=fresh, tags=left.get("tags", {}) | error)
            for name, text in left.get("texts", {}).items():
                where.client.log_text(run_id, text, name)
            where.client.set_terminated(run_id, "KILLED")
            closed.append(run_id)
        note.unlink(missing_ok=True)
    return closed


def _note(project: Project, run_id: str) -> Path:
    return project.state / "live" / f"{run_id}.json"
