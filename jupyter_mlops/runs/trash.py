"""`run delete` and `run restore`: MLflow's trash, which keeps everything until `mlflow gc`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from jupyter_mlops import progress
from jupyter_mlops.errors import MlopsError, NotFound, UsageError, nearest
from jupyter_mlops.project import Project
from jupyter_mlops.runs.query import experiment_names, find
from jupyter_mlops.tracking import search
from jupyter_mlops.tracking.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    import mlflow.entities

_PAGE = 1000


def delete(runs: Sequence[str], *, yes: bool = False, project: Project | None = None) -> str:
    """Move runs to MLflow's trash; nothing is lost until `mlflow gc`.

    In a terminal it asks first; elsewhere it needs `yes`.

    Raises:
        UsageError: `yes` is needed.
        MlopsError: a run is still running, or the answer was no. Nothing was deleted.
    """
    project = project or Project.find()
    store = open_store(project)
    found = [*{run.info.run_id: run for run in (find(store, name) for name in runs)}.values()]
    for run in found:
        if run.info.status == "RUNNING":
            raise MlopsError(f"Run '{run.info.run_name}' is still running", "Stop it first")
    titles = ", ".join(_title(run) for run in found)
    if not yes:
        _ask(f"Delete {titles}?", f"%mlops run delete {' '.join(runs)} --yes")
    for run in found:
        store.client.delete_run(run.info.run_id)
        project.announce("run", "deleted", run.info.run_name)
    ids = " ".join(run.info.run_id[:8] for run in found)
    return f"Deleted {titles}. Undo: %mlops run restore {ids}"


def restore(runs: Sequence[str], *, project: Project | None = None) -> str:
    """Restore deleted runs by id, the start of the id, or name (the latest).

    Raises:
        NotFound: no such run was deleted.
    """
    project = project or Project.find()
    store = open_store(project)
    found = [_find_deleted(store, name) for name in runs]
    for run in found:
        store.client.restore_run(run.info.run_id)
        project.announce("run", "restored", run.info.run_name)
    return f"Restored {', '.join(_title(run) for run in found)}"


def _title(run: mlflow.entities.Run) -> str:
    return f"{run.info.run_name} ({run.info.run_id[:8]})"


def _ask(question: str, command: str) -> None:
    # A notebook's input() works only while its front end is open, and blocks a job for ever.
    if progress.in_kernel() or not (sys.stdin and sys.stdin.isatty()):
        raise UsageError(
            "Nothing was deleted", f"To {question[:1].lower()}{question[1:-1]}: {command}"
        )
    try:
        answer = input(f"{question} [y/N] ")
    except (EOFError, KeyboardInterrupt):
        answer = ""
    if answer.strip().lower() not in {"y", "yes"}:
        raise MlopsError("Nothing was deleted")


def _find_deleted(store: Store, text: str) -> mlflow.entities.Run:
    from mlflow.entities import ViewType

    # The trash holds few runs, and MLflow cannot sort by the time of deletion.
    page = [
        *search.pages(
            store.client.search_runs,
            [*experiment_names(store)],
            run_view_type=ViewType.DELETED_ONLY,
            max_results=_PAGE,
            order_by=["attributes.start_time DESC"],
        )
    ]
    # The id first: another run may have it as its name.
    found = [run for run in page if run.info.run_id == text.strip()]
    found += [run for run in page if run.info.run_name == text]
    if found:
        return found[0]
    text = text.strip()
    begin = [run for run in page if run.info.run_id.startswith(text)] if len(text) >= 4 else []
    if len(begin) == 1:
        return begin[0]
    if begin:
        raise UsageError(f"More than one deleted run begins with {text}", "Give more of its id")
    hint = nearest(text, {run.info.run_name for run in page})
    raise NotFound(f"No deleted run '{text}'", hint or "Runs that are not deleted: %mlops run list")
