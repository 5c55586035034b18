"""Which runs are alive: a small file for each, so that a dead process's runs get closed.

A run whose kernel was killed cannot close itself. The next command, or the server, sees that its
process has ended and marks the run killed. The file also holds the params, tags and texts that the run
had when it began: a killed run keeps them.
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
    """Note that this process is about to make a run with the tag `attempt`."""
    _write(project, _announced(attempt), left, attempt=attempt)


def mark(
    project: Project, run_id: str, left: dict[str, Any] | None = None, *, spooled: bool = False
) -> None:
    """Note that this process is executing `run_id`, and what is written into the run if the process dies.

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
    """Close the run of an attempt that was interrupted, if it was made."""
    for run_id in _made_by(store, attempt):
        leave(store, run_id, left, error)
        store.client.set_terminated(run_id, "KILLED")
    forget(project, attempt)


def leave(store: Store, run_id: str, left: dict[str, Any] | None, error: str) -> None:
    """Write into an interrupted run the params, tags and texts that were known when it began."""
    known, left = store.client.get_run(run_id).data.params, left or {}
    fresh = {key: value for key, value in left.get("params", {}).items() if key not in known}
    store.log(run_id, params=fresh, tags=left.get("tags", {}) | {"mlops.error": error})
    for name, text in left.get("texts", {}).items():
        with suppress(UnsafePath):
            below(store.project.state, name)  # a note may have been written by anybody
            store.client.log_text(run_id, text, name)


def close_dead(store: Store) -> list[str]:
    """Mark as killed every run of this host whose process is gone; return their ids.

    Only runs that are noted in this project: the other runs of a team's store are not closed.
    """
    closed = []
    for note in (store.project.state / "live").glob("*.json"):
        owner = _owner(note)
        process = ProcessId.noted(owner)
        if owner is None or process is None or not process.ended:
            continue
        where = spool.open_spool(store.project) if owner.get("spooled") else store
        announced = note.stem == _announced(owner.get("attempt", ""))
        for run_id in _made_by(where, owner["attempt"]) if announced else [note.stem]:
            if _is_open(where, run_id):
                leave(where, run_id, owner.get("left"), "The process that ran it died")
                where.client.set_terminated(run_id, "KILLED")
                closed.append(run_id)
        note.unlink(missing_ok=True)
    return closed


def _owner(note: Path) -> dict[str, Any] | None:
    """Return what a note says; None of one that is not complete, or that mlops cannot have written."""
    try:
        owner: dict[str, Any] = files.json_in(note)
    except (OSError, ValueError):
        return None
    process = ProcessId.noted(owner)
    if process is None or not process.host:
        return None
    attempt = owner.get("attempt", "")
    # Once its run is made, an announced attempt's note is named by the run.
    named = search.is_id(note.stem) or note.stem == _announced(attempt)
    if not named or not (search.is_id(attempt) or attempt == ""):
        return None
    return owner | {"left": _texts_only(owner.get("left"))}


def _texts_only(left: Any) -> dict[str, dict[str, str]]:
    found = {}
    for kind in ("params", "tags", "texts"):
        given = left.get(kind) if isinstance(left, dict) else None
        given = given if isinstance(given, dict) else {}
        found[kind] = {key: text for key, text in given.items() if isinstance(text, str)}
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
    """Return the id of the run that an attempt made; empty if it made none."""
    return [run.info.run_id for run in search.tagged(store, spool.ATTEMPT, attempt)]


def _announced(attempt: str) -> str:
    return f"attempt-{attempt}"


def _write(project: Project, name: str, left: dict[str, Any] | None, **more: Any) -> None:
    note = {"left": left or {}, **ProcessId.own().note(), **more}
    files.replace(_note(project, name), json.dumps(note))


def _note(project: Project, name: str) -> Path:
    return below(project.state / "live", f"{name}.json", source="A run's id")
