"""One tick of one job as a durable workflow, executed by a process of its own.

Beside DBOS's database, `.mlops/jobs/ticks/` holds for each tick what is to run (`.json`), the lock
that its worker holds, and the result. A worker outlives a killed scheduler: whoever takes the tick up
again finds the lock held and waits, or finds the result.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbos import DBOS, SetWorkflowID

from jupyter_mlops import files
from jupyter_mlops.jobs.starting import clean_environment
from jupyter_mlops.processes import end_group
from jupyter_mlops.progress import say

if TYPE_CHECKING:
    from jupyter_mlops.jobs.schedules import Schedule
    from jupyter_mlops.project import Project

_QUEUE = "jobs"
_KEEP_SECONDS = 7 * 24 * 3600
_workers: dict[int, subprocess.Popen[bytes]] = {}
_waiting: dict[str, set[str]] = {}
_stopping = threading.Event()


def launch(project: Project) -> None:
    """Start DBOS on the project's own sqlite file; unfinished ticks are taken up at once."""
    _stopping.clear()
    DBOS(
        config={
            "name": "jupyter-mlops",
            "system_database_url": f"sqlite:///{project.state / 'scheduler.sqlite'}",
            "executor_id": "scheduler",
            # By default this is a hash of the code, and an upgrade would strand unfinished ticks.
            "application_version": "1",
            "log_level": "ERROR",
            "console_log_level": "ERROR",
            "enable_otlp": False,
            "notification_listener_polling_interval_sec": 1.0,
        }
    )
    DBOS.launch()
    DBOS.register_queue(
        _QUEUE, worker_concurrency=max(1, project.settings.jobs.workers), polling_interval_sec=0.5
    )


def enqueue(project: Project, job: Schedule, tick: datetime) -> None:
    """Queue one execution; the same job and tick queued again is the same execution."""
    name = f"{job.name}@{tick.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    request = {"job": job.model_dump() | {"name": job.name}, "tick": tick.isoformat()}
    path = folder(project) / f"{name.replace(':', '')}.json"
    if not path.exists():
        files.replace(path, json.dumps(request))
    _waiting.setdefault(job.name, set()).add(name)
    with SetWorkflowID(name):
        DBOS.enqueue_workflow(_QUEUE, fire, str(project.root), job.name, str(path))
    say(f"job {job.name}: fires for {tick.astimezone():%Y-%m-%d %H:%M:%S}")


def waiting(job: str) -> int:
    """Return how many executions of a job this process has queued or running."""
    return len(_waiting.get(job, ()))


def folder(project: Project) -> Path:
    """Return where ticks are kept."""
    return project.state / "jobs" / "ticks"


def tidy(project: Project) -> None:
    """Remove what finished ticks left more than a week ago."""
    for path in folder(project).glob("*"):
        try:
            if time.time() - path.stat().st_mtime > _KEEP_SECONDS:
                path.unlink()
        except OSError:
            continue


@DBOS.workflow(name="fire")  # type: ignore[untyped-decorator]
def fire(root: str, job: str, path: str) -> dict[str, Any]:
    """Execute one tick."""
    try:
        found: dict[str, Any] = execute(root, path)
        return found
    finally:
        _waiting.get(job, set()).discard(str(DBOS.workflow_id))


@DBOS.step(name="execute")  # type: ignore[untyped-decorator]
def execute(root: str, path: str) -> dict[str, Any]:
    """Run the tick's worker and return its result; done already, it is not run again."""
    request = Path(path)
    result = result_of(request)
    if not result.exists() and not _stopping.is_set():
        with request.with_suffix(".log").open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "jupyter_mlops.jobs.worker", root, path],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=root,
                env=clean_environment(),
                start_new_session=True,
            )
        _workers[worker.pid] = worker
        try:
            code = worker.wait()
        finally:
            del _workers[worker.pid]
        if not result.exists():
            # Not written by the worker: it was killed, or ended with this scheduler.
            files.replace(
                result, json.dumps({"status": "killed", "error": f"The worker ended with {code}"})
            )
    try:
        found: dict[str, Any] = json.loads(result.read_text())
    except (OSError, ValueError):
        found = {"status": "killed", "error": "The scheduler stopped before it ran"}
    say(f"{request.stem}: {found.get('status')} {found.get('error', '')}".rstrip())
    return found


def result_of(request: Path) -> Path:
    """Return where a tick's result is written."""
    return request.with_suffix(".result")


def stop_workers() -> None:
    """End the workers, kernels included; their runs are recorded as killed."""
    _stopping.set()
    for pid in list(_workers):
        end_group(pid, patience=15)
