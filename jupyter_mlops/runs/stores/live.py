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


def announce(project: Project, attempt: str, left: dict[str, Any] | None = None) -> None:
    """Note that this process is about to make a run, which will carry the tag `attempt`."""
    _write(project, _announced(attempt), left, attempt=attempt)


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
    _write(project, run_id, left, spooled=spooled)


def unmark(project: Project, run_id: str) -> None:
    """Note that `run_id` is closed."""
    _note(project, run_id).unlink(missing_ok=True)


def any_marked(project: Project) -> bool:
    """Whether any run is noted as executing; only then is there something to close."""
    return any((project.state / "live").glob("*.json"))


def made(project: Project, attempt: str, run_id: str) -> None:
    """Note that the announced run is made: it is `run_id`."""
    _note(project, _announced(attempt)).replace(_note(project, run_id))


def forget(project: Project, attempt: str) -> None:
    """Note that the announced run will not be made, or is noted otherwise."""
    unmark(project, _announced(attempt))


def give_up(
    project: Project, attempt: str, store: Store, left: dict[str, Any] | None, error: str
) -> None:
    """Close a run that was made, perhaps, when its maker was interrupted."""
    for run_id in _made_by(store, attempt):
        leave(store, run_id, left, error)
        store.client.set_terminated(run_id, "KILLED")
    forget(project, attempt)


def leave(store: Store, run_id: str, left: dict[str, Any] | None, error: str) -> None:
    """Give a run that ends early what was known when it began, where it does not have it."""
    known, left = store.client.get_run(run_id).data.params, left or {}
    fresh = {key: value for key, value in left.get("params", {}).items() if key not in known}
    store.log(run_id, params=fresh, tags=left.get("tags", {}) | {"mlops.error": error})
    for name, text in left.get("texts", {}).items():
        store.client.log_text(run_id, text, name)


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
        where = spool.open_spool(store.project) if owner.get("spooled") else store
        announced = note.stem == _announced(owner.get("attempt", ""))
        for run_id in _made_by(where, owner["attempt"]) if announced else [note.stem]:
            if where.client.get_run(run_id).info.status in {"RUNNING", "SCHEDULED"}:
                leave(where, run_id, owner.get("left"), "The process that ran it died")
                where.client.set_terminated(run_id, "KILLED")
                closed.append(run_id)
        note.unlink(missing_ok=True)
    return closed


def _made_by(store: Store, attempt: str) -> list[str]:
    """Return the id of the run that an attempt made, if it came so far."""
    experiments = [item.experiment_id for item in store.client.search_experiments()]
    clause = f"tags.`{spool.ATTEMPT}` = '{attempt}'"
    return [run.info.run_id for run in store.client.search_runs(experiments, clause)]


def _announced(attempt: str) -> str:
    return f"attempt-{attempt}"


def _write(project: Project, name: str, left: dict[str, Any] | None, **more: Any) -> None:
    note = {
        "left": left or {},
        "pid": os.getpid(),
        "start": files.process_start(os.getpid()),
        "host": socket.gethostname(),
    }
    files.replace(_note(project, name), json.dumps(note | more))


def _note(project: Project, name: str) -> Path:
    return project.state / "live" / f"{name}.json"
