"""One tick of one job as a durable workflow, executed by its own worker process.

DBOS's database stores only the job's name and the time of a tick. The scheduler executes the declaration that it read
from `jobs/NAME.yaml`; the database and the files here cannot change it. `.mlops/jobs/ticks/` holds the lock, the log
and the result of each tick. A worker survives a killed scheduler: the next scheduler finds the lock held and waits, or
finds the result.

A damaged database is renamed, and the scheduler starts with a new one. No tick fires twice then: `considered.json`
records the queued ticks, results and locks the executed ones. A tick that waited in the damaged database is lost.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbos import DBOS, Serializer, SetWorkflowID

from jupyter_mlops import files, paths
from jupyter_mlops.errors import BackendFailed
from jupyter_mlops.jobs import untrusted_json
from jupyter_mlops.jobs.scheduler_launch import started
from jupyter_mlops.processes.owned import end_group
from jupyter_mlops.progress import say
from jupyter_mlops.text import error_line, one_line, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jupyter_mlops.jobs.declarations import Schedule
    from jupyter_mlops.project import Project

_QUEUE = "jobs"
_KEEP_SECONDS = 7 * 24 * 3600
_DATABASE = "scheduler.sqlite"
#: sqlite errors that do not mean a damaged file.
_NOT_ITS_FAULT = ("locked", "is full", "disk I/O", "readonly", "unable to open")
_workers: dict[int, subprocess.Popen[bytes]] = {}
_waiting: dict[str, set[str]] = {}
_stopping = threading.Event()
_declared: Mapping[str, Schedule] = {}
_project: Project | None = None


class _Json(Serializer):  # type: ignore[misc]
    """JSON serializer for DBOS: the default is pickle, which would run code from the database."""

    def serialize(self, data: Any) -> str:
        return json.dumps(data, default=str)

    def deserialize(self, serialized_data: str) -> Any:
        return json.loads(serialized_data)

    def name(self) -> str:
        return "mlops_json"


def launch(project: Project, declared: Mapping[str, Schedule]) -> None:
    """Start DBOS on the project's sqlite file; it resumes the unfinished ticks of declared jobs.

    `declared` is read when a tick begins, so the caller may change it.
    """
    global _declared, _project
    _declared, _project = declared, project
    folder(project).mkdir(parents=True, exist_ok=True)
    _stopping.clear()
    database = project.state / _DATABASE
    if why := _unusable(database):
        _put_aside(database, why)
    try:
        _launch(project, database)
    except Exception as error:  # a valid database of another program or DBOS version
        DBOS.destroy()
        why = error_line(error)
        if any(word in why for word in _NOT_ITS_FAULT) or not untrusted_json.exists(database):
            raise BackendFailed(f"The scheduler's database cannot be used: {why}") from None
        _put_aside(database, f"does not work ({type(error).__name__})")
        _launch(project, database)


def _launch(project: Project, database: Path) -> None:
    DBOS(
        config={
            "name": "jupyter-mlops",
            "system_database_url": f"sqlite:///{database}",
            "executor_id": "scheduler",
            # The default is a hash of the code: after an upgrade, unfinished ticks would not resume.
            "application_version": "1",
            "log_level": "ERROR",
            "console_log_level": "ERROR",
            "enable_otlp": False,
            "notification_listener_polling_interval_sec": 1.0,
            "serializer": _Json(),
        }
    )
    DBOS.launch()
    DBOS.register_queue(
        _QUEUE, worker_concurrency=max(1, project.settings.jobs.workers), polling_interval_sec=0.5
    )


def _unusable(database: Path) -> str:
    """Return why a database cannot be used; empty if it can, or does not exist."""
    if not untrusted_json.exists(database):
        return ""
    if paths.is_link(database) or not database.is_file():
        return "is not a regular file"
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=5)) as opened:
            if opened.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                return "is damaged"
            for (table,) in opened.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
            ).fetchall():
                quoted = '"' + table.replace('"', '""') + '"'
                columns = [row[1] for row in opened.execute(f"PRAGMA table_info({quoted})")]
                if "serialization" not in columns:
                    continue
                # To load a pickle would run its code.
                used = opened.execute(f"SELECT DISTINCT serialization FROM {quoted}").fetchall()  # noqa: S608
                if {kind for (kind,) in used} - {None, _Json().name(), "portable_json"}:
                    return "contains pickles, which this version does not write"
    except (sqlite3.Error, UnicodeError) as error:
        if any(word in str(error) for word in _NOT_ITS_FAULT):
            raise BackendFailed(f"The scheduler's database cannot be used: {error}") from None
        return f"is damaged ({error})"
    return ""


def _put_aside(database: Path, why: str) -> None:
    aside = untrusted_json.put_aside(database)
    for suffix in ("-wal", "-shm"):  # sqlite expects them beside the database
        path = database.with_name(database.name + suffix)
        if untrusted_json.exists(path):
            path.rename(aside.with_name(aside.name + suffix))
    say(f"{database.name} {why}: renamed to {aside.name}; its waiting ticks are lost")


def enqueue(job: Schedule, tick: datetime) -> None:
    """Queue one execution; a second call for the same job and tick adds none."""
    name = _name(job.name, tick)
    _waiting.setdefault(job.name, set()).add(name)
    with SetWorkflowID(name):
        DBOS.enqueue_workflow(_QUEUE, fire, job.name, tick.astimezone(UTC).isoformat())
    say(f"job {job.name}: fires for {tick.astimezone():%Y-%m-%d %H:%M:%S}")


def _name(job: str, tick: datetime) -> str:
    return f"{job}@{tick.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def waiting(job: str) -> int:
    """Return how many executions of a job this process has queued or running."""
    return len(_waiting.get(job, ()))


def folder(project: Project) -> Path:
    """Return the folder of the ticks' files.

    Raises:
        UnsafePath: it is a link.
    """
    return paths.below(project.state, "jobs/ticks", source="The scheduler")


def tidy(project: Project) -> None:
    """Remove files of ticks that are older than a week."""
    for path in folder(project).glob("*"):
        try:
            if time.time() - path.lstat().st_mtime > _KEEP_SECONDS:
                path.unlink()
        except OSError:
            continue


@DBOS.workflow(name="fire")  # type: ignore[untyped-decorator]
def fire(job: str, tick: str) -> dict[str, Any]:
    """Execute one tick."""
    try:
        found: dict[str, Any] = execute(job, tick)
        return found
    finally:
        _waiting.get(job, set()).discard(str(DBOS.workflow_id))


@DBOS.step(name="execute")  # type: ignore[untyped-decorator]
def execute(job: str, tick: str) -> dict[str, Any]:
    """Run the tick's worker and return its result; a tick with a result is not run again."""
    assert _project is not None
    # The arguments come from the database: accept only a declared job's name and a time.
    declared = _declared.get(str(job))
    moment = _moment(tick)
    if declared is None or moment is None:
        return _told(
            printable(job), {"status": "skipped", "error": "The job was removed from jobs/"}
        )
    name = _name(job, moment).replace(":", "")
    place = folder(_project) / name
    result = result_of(place)
    if not untrusted_json.exists(result) and not _stopping.is_set():
        code = _work(_project, declared, moment, place)
        if not untrusted_json.exists(result):
            # The worker wrote no result: it was killed, or ended with this scheduler.
            files.replace(
                result, json.dumps({"status": "killed", "error": f"The worker ended with {code}"})
            )
    return _told(name, read_result(result))


def _moment(tick: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(tick)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _work(project: Project, declared: Schedule, moment: datetime, place: Path) -> int:
    """Run the worker of a tick; it reads the job and the time from standard input."""
    request = {
        "job": declared.model_dump(mode="json") | {"name": declared.name},
        "tick": moment.isoformat(),
    }
    with contextlib.ExitStack() as stack:
        log: Any = subprocess.DEVNULL
        with contextlib.suppress(OSError):
            log = stack.enter_context(files.log(place.with_name(f"{place.name}.log")))
        worker = started("jupyter_mlops.jobs.worker", project.root, str(place), output=log)
    _workers[worker.pid] = worker
    try:
        worker.communicate(json.dumps(request).encode())
    finally:
        del _workers[worker.pid]
    return worker.returncode


def result_of(place: Path) -> Path:
    """Return the path of a tick's result."""
    return place.with_name(f"{place.name}.result")


def read_result(path: Path) -> dict[str, Any]:
    """Return a tick's result; for a missing or invalid file, a result that says so."""
    try:
        given = untrusted_json.json_object(path, 100_000)
    except untrusted_json.Unreadable as error:
        if not untrusted_json.exists(path):
            return {"status": "killed", "error": "The scheduler stopped before it ran"}
        return {"status": "unknown", "error": f"Its result {error}; it is not run again"}
    kept = {key: given.get(key, "") for key in ("status", "error", "run_id")}
    return {key: value if isinstance(value, str) else "" for key, value in kept.items()}


def _told(name: str, result: dict[str, Any]) -> dict[str, Any]:
    line = one_line(f"{result.get('status', '')} {result.get('error', '')}", 400)
    say(f"{name}: {line if line.isprintable() else ascii(line)}")
    return result


def stop_workers() -> None:
    """End the workers, kernels included; their runs are recorded as killed."""
    _stopping.set()
    for pid in list(_workers):
        end_group(pid, patience=15)
