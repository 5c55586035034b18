"""One small file for each running run, so that the runs of a dead process get closed.

A run whose kernel was killed cannot close itself. The next command, or the server, sees that its process has
ended (by pid and start time, because pids are reused) and marks the run as killed. The file also holds the params,
tags and texts known at the start; they are written into a killed run.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jupyter_mlops import files
from jupyter_mlops.paths import UnsafePath, below
from jupyter_mlops.processes.identity import ProcessId
from jupyter_mlops.tracking import search, spool, team

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project
    from jupyter_mlops.tracking.store import Store


def announce(project: Project, attempt: str, left: dict[str, Any] | None = None) -> None:
    """Record that this process is about to create a run with the tag `attempt`."""
    _write(project, _announced(attempt), left, attempt=attempt)


def mark(
    project: Project, run_id: str, left: dict[str, Any] | None = None, *, spooled: bool = False
) -> None:
    """Record that this process is executing `run_id`, and what to write into it if the process dies.

    Args:
        project: the run's project.
        run_id: the run.
        left: params, tags and texts (artifact name → text), without secrets.
        spooled: whether the run is in the spool.
    """
    _write(project, run_id, left, spooled=spooled)


def unmark(project: Project, run_id: str) -> None:
    """Record that `run_id` is closed."""
    _note(project, run_id).unlink(missing_ok=True)


def any_marked(project: Project) -> bool:
    """Whether any run is recorded as executing; if not, `close_dead` has nothing to do."""
    return any((project.state / "live").glob("*.json"))


def made(project: Project, attempt: str, run_id: str) -> None:
    """Record that the announced run was created as `run_id`."""
    _note(project, _announced(attempt)).replace(_note(project, run_id))


def forget(project: Project, attempt: str) -> None:
    """Record that the announced run will not be created, or is recorded elsewhere."""
    unmark(project, _announced(attempt))


def give_up(
    project: Project, attempt: str, store: Store, left: dict[str, Any] | None, error: str
) -> None:
    """Close the run of an interrupted attempt, if the attempt created one."""
    for run_id in _made_by(store, attempt):
        leave(store, run_id, left, error)
        store.client.set_terminated(run_id, "KILLED")
    forget(project, attempt)


def leave(store: Store, run_id: str, left: dict[str, Any] | None, error: str) -> None:
    """Write start-time params, tags and texts into an interrupted run, unless it has them."""
    known, left = store.client.get_run(run_id).data.params, left or {}
    missing = {key: value for key, value in left.get("params", {}).items() if key not in known}
    store.log(run_id, params=missing, tags=left.get("tags", {}) | {"mlops.error": error})
    for name, text in left.get("texts", {}).items():
        with suppress(UnsafePath):
            below(store.project.state, name)  # another person may have written the note
            store.client.log_text(run_id, text, name)


def close_dead(store: Store) -> list[str]:
    """Mark as killed every run of this host whose process has ended; return their ids.

    Only runs with a file in this project are closed, not the other runs of a team's store.
    """
    closed = []
    for note in (store.project.state / "live").glob("*.json"):
        owner = _owner(note)
        process = ProcessId.noted(owner)
        if owner is None or process is None or not process.ended:
            continue
        run_store = spool.open_spool(store.project) if owner.get("spooled") else store
        announced = note.stem == _announced(owner.get("attempt", ""))
        for run_id in _made_by(run_store, owner["attempt"]) if announced else [note.stem]:
            if _is_open(run_store, run_id):
                leave(run_store, run_id, owner.get("left"), "The process that ran it died")
                run_store.client.set_terminated(run_id, "KILLED")
                closed.append(run_id)
        note.unlink(missing_ok=True)
    return closed


def _owner(note: Path) -> dict[str, Any] | None:
    """Return the content of a note, or None if it is invalid or just being written."""
    try:
        owner: dict[str, Any] = files.json_in(note)
    except (OSError, ValueError):
        return None
    process = ProcessId.noted(owner)
    if process is None or not process.host:
        return None
    attempt = owner.get("attempt", "")
    # An attempt's note is renamed to the run's id when the run was created.
    valid_name = search.is_id(note.stem) or note.stem == _announced(attempt)
    if not valid_name or not (search.is_id(attempt) or attempt == ""):
        return None
    return owner | {"left": _texts_only(owner.get("left"))}


def _texts_only(left: Any) -> dict[str, dict[str, str]]:
    found = {}
    for kind in ("params", "tags", "texts"):
        items = left.get(kind) if isinstance(left, dict) else None
        items = items if isinstance(items, dict) else {}
        found[kind] = {key: text for key, text in items.items() if isinstance(text, str)}
    return found


def _is_open(store: Store, run_id: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        return store.client.get_run(run_id).info.status in {"RUNNING", "SCHEDULED"}
    except MlflowException as error:
        if team.is_away(error):
            raise
        return False  # it was deleted, or is in another store


def _made_by(store: Store, attempt: str) -> list[str]:
    """Return the ids of the runs that an attempt created: one, or none."""
    return [run.info.run_id for run in search.tagged(store, spool.ATTEMPT, attempt)]


def _announced(attempt: str) -> str:
    return f"attempt-{attempt}"


def _write(project: Project, name: str, left: dict[str, Any] | None, **more: Any) -> None:
    note = {"left": left or {}, **ProcessId.own().note(), **more}
    files.replace(_note(project, name), json.dumps(note))


def _note(project: Project, name: str) -> Path:
    return below(project.state / "live", f"{name}.json", source="A run's id")
