"""The scheduler: one process per project that fires the jobs of `jobs/*.yaml`.

Each tick is a DBOS workflow in `.mlops/scheduler.sqlite`. The workflow's id is the job's name and the scheduled time,
so a tick that is enqueued twice is executed once. A lock allows one active scheduler; the others stand by. A job file
that cannot be read is one line in the log; the other jobs fire. After a kill the workflow resumes: it waits for a
worker that still runs, uses the result of one that finished, or else runs the worker once more.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jupyter_mlops.errors import Conflict, MlopsError
from jupyter_mlops.jobs import cron, declarations, state, ticks
from jupyter_mlops.jobs.scheduler_launch import LOCK
from jupyter_mlops.jobs.watermarks import Watermarks
from jupyter_mlops.progress import say
from jupyter_mlops.project import Project

if TYPE_CHECKING:
    from types import FrameType

    from jupyter_mlops.jobs.declarations import Schedule

_POLL = 0.5
_STAND_BY = 1.0
#: Maximum delay of a tick that is on time; an older tick is missed, and `catch_up` applies.
_GRACE = timedelta(seconds=10)
_TICK = timedelta(microseconds=1)
#: Maximum number of waiting ticks of one job: a job may be slower than its schedule.
_MOST_WAITING = 16


def serve(project: Project, *, watch_stdin: bool = False) -> None:
    """Run until SIGINT, SIGTERM or, with `watch_stdin`, until the parent process ends."""
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    if watch_stdin:
        threading.Thread(target=_until_parent_ends, args=(stop,), daemon=True).start()
    reported = False
    try:
        while not stop.is_set():
            try:
                with project.locked(LOCK, timeout=0):
                    _Daemon(project, stop).run()
            except Conflict:
                if not reported:
                    say("another scheduler runs for this project; this one waits to take over")
                reported = True
                stop.wait(_STAND_BY)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _until_parent_ends(stop: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    stop.set()


class _Daemon:
    """The active scheduler, which holds the lock."""

    def __init__(self, project: Project, stop: threading.Event) -> None:
        self.project = project
        self.stop = stop
        self.jobs: dict[str, Schedule] = {}
        self.stamps: dict[str, tuple[int, int]] = {}
        self.reported: dict[str, str] = {}
        self.considered = Watermarks(project.state / "jobs" / "considered.json")

    def run(self) -> None:
        from dbos import DBOS

        os.chdir(self.project.root)
        state.reap(self.project)
        ticks.tidy(self.project)
        self._reload()
        self.considered.begun()
        # Last: this resumes the ticks of a killed scheduler, with the current declarations.
        ticks.launch(self.project, self.jobs)
        say(f"scheduler of '{self.project.name}' runs (pid {os.getpid()}); Ctrl-C ends it")
        self.project.announce("job", "scheduler started")
        try:
            while not self.stop.is_set():
                if not self.project.trusted:
                    say("the project is not trusted any more")
                    self.stop.set()
                    break
                self._reload()
                now = datetime.now(UTC)
                for job in list(self.jobs.values()):
                    try:
                        self._consider(job, now)
                    except Exception as error:  # the other jobs must fire
                        self._tell(job.name, f"job {job.name}: {type(error).__name__}: {error}")
                self.stop.wait(_POLL)
        finally:
            say("scheduler stops …")
            ticks.stop_workers()
            DBOS.destroy(workflow_completion_timeout_sec=20)
            self.project.announce("job", "scheduler stopped")

    def _reload(self) -> None:
        """Reload changed files in `jobs/`; a job whose file cannot be read keeps its old declaration."""
        stamps: dict[str, tuple[int, int]] = {}
        for path in declarations.files_of(self.project):
            try:
                stat = path.lstat()
            except OSError:
                continue  # removed meanwhile
            stamps[path.stem] = (stat.st_mtime_ns, stat.st_size)
            if self.stamps.get(path.stem) == stamps[path.stem]:
                continue
            try:
                job = declarations.load(path)
            except MlopsError as error:
                self._tell(path.stem, str(error))
                continue
            self.jobs[path.stem] = job
            following = job.next_time()
            say(f"job {job.name}: {job.cron or 'no cron'}; next {following or 'never'}")
            self.considered.begin(job, stat.st_mtime)
        for gone in self.jobs.keys() - stamps.keys():
            say(f"job {gone}: unscheduled")
            del self.jobs[gone]
            self.considered.forget(gone)
        self.stamps = stamps

    def _tell(self, name: str, line: str) -> None:
        """Print a problem of a job, once."""
        if self.reported.get(name) != line:
            self.reported[name] = line
            say(" ".join(line.split()))

    def _consider(self, job: Schedule, now: datetime) -> None:
        if not job.cron or job.paused:
            self.considered.until(job, now)
            return
        due = due_ticks(job, self.considered.last(job, now), now)
        for tick in due:
            if ticks.waiting(job.name) >= _MOST_WAITING:
                say(
                    f"job {job.name}: {_MOST_WAITING} executions are already waiting; {tick:%H:%M:%S} is skipped"
                )
            else:
                ticks.enqueue(job, tick)
        if due:
            # Only after the enqueue: after a kill in between, the tick is enqueued again, with the same id.
            self.considered.until(job, due[-1])


def due_ticks(job: Schedule, last: datetime, now: datetime) -> list[datetime]:
    """Return the ticks to fire in (last, now]: those on time, else at most one for all missed ones."""
    where = cron.zone(job.timezone)
    late = now - _GRACE
    on_time = cron.between(job.cron, where, max(last, late - _TICK), now)
    if on_time or job.catch_up == "skip" or last >= late:
        return on_time
    missed = cron.previous(job.cron, where, late + _TICK)
    return [missed] if missed is not None and missed > last else []


def main(root: str, *, watch_stdin: bool) -> int:
    """Run the scheduler of a project; return the exit code."""
    try:
        serve(Project.find(root), watch_stdin=watch_stdin)
    except MlopsError as error:
        say(str(error))
        return error.exit_code
    except OSError as error:
        say(f"The scheduler cannot go on: {error.strerror or error}: {error.filename or ''}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], watch_stdin="--watch-stdin" in sys.argv[2:]))
