"""For each job, the time up to which its ticks are processed: `.mlops/jobs/considered.json`.

Only the scheduler that holds the lock writes it. A damaged file is renamed. Its valid entries are still used; every
other job begins at that moment: its earlier ticks are neither caught up nor fired twice.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from jupyter_mlops import files
from jupyter_mlops.jobs import untrusted_json
from jupyter_mlops.progress import say

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.jobs.declarations import Schedule

#: Maximum lead of a stored time, after the clock was set back; a larger lead would block a job.
_AHEAD = timedelta(days=1)


class Watermarks:
    """For each job's name, the time up to which its ticks are processed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.times: dict[str, dict[str, str]] = {}
        self.damaged = False
        try:
            given = untrusted_json.json_object(path)
        except untrusted_json.Unreadable as error:
            if untrusted_json.exists(path):
                self._put_aside(str(error))
            return
        self.times = {name: entry for name, entry in given.items() if _sound(entry)}
        if len(self.times) < len(given):
            self._put_aside("holds entries that the scheduler did not write")

    def begin(self, job: Schedule, changed: float) -> None:
        """Begin a new or rescheduled job at the time its file was written."""
        kept = self.times.get(job.name)
        when = f"{job.cron} {job.timezone}"
        if kept is None or kept["when"] != when:
            start = time.time() if self.damaged else min(max(changed, 0.0), time.time())
            self.times[job.name] = {
                "when": when,
                "until": datetime.fromtimestamp(start, UTC).isoformat(),
            }
            self._write()

    def last(self, job: Schedule, now: datetime) -> datetime:
        """Return the time up to which a job's ticks are processed."""
        kept = self.times.get(job.name)
        return datetime.fromisoformat(kept["until"]) if kept else now

    def until(self, job: Schedule, moment: datetime) -> None:
        """Record that a job's ticks up to a moment are processed."""
        kept = self.times.get(job.name)
        if kept is not None:
            kept["until"] = moment.isoformat()
            self._write()

    def forget(self, name: str) -> None:
        """Drop a job that is no longer declared."""
        if self.times.pop(name, None) is not None:
            self._write()

    def begun(self) -> None:
        """Record that all declared jobs have begun: later jobs are new."""
        self.damaged = False

    def _put_aside(self, why: str) -> None:
        self.damaged = True
        aside = untrusted_json.put_aside(self.path)
        say(
            f"{self.path.name} {why}: renamed to {aside.name}. The schedules in it start now; "
            "earlier ticks are not caught up"
        )

    def _write(self) -> None:
        files.replace(self.path, json.dumps(self.times, indent=1))


def _sound(entry: Any) -> bool:
    if not isinstance(entry, dict) or entry.keys() != {"when", "until"}:
        return False
    if not all(isinstance(value, str) and len(value) < 1000 for value in entry.values()):
        return False
    try:
        until = datetime.fromisoformat(entry["until"])
        if until.tzinfo is None:
            return False
        return until.timestamp() >= 0 and until <= datetime.now(UTC) + _AHEAD
    except (ValueError, OverflowError):
        return False
