"""The noun `job`: a notebook made callable, run once, over a grid, or on a schedule.

Importing this loads nothing heavy; papermill and DBOS are loaded by the verbs that need them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mlops import lazy

if TYPE_CHECKING:
    from jupyter_mlops.jobs.checks import check
    from jupyter_mlops.jobs.execution import run
    from jupyter_mlops.jobs.history import cancel, executions, logs
    from jupyter_mlops.jobs.scheduler_process import run_scheduler, start_scheduler
    from jupyter_mlops.jobs.schedules import has_schedules, list, schedule, unschedule
    from jupyter_mlops.jobs.sweeps import sweep

_HOME = {
    "cancel": "history",
    "check": "checks",
    "executions": "history",
    "has_schedules": "schedules",
    "list": "schedules",
    "logs": "history",
    "run": "execution",
    "schedule": "schedules",
    "run_scheduler": "scheduler_process",
    "start_scheduler": "scheduler_process",
    "sweep": "sweeps",
    "unschedule": "schedules",
}
__all__ = [
    "cancel",
    "check",
    "executions",
    "has_schedules",
    "list",
    "logs",
    "run",
    "run_scheduler",
    "schedule",
    "start_scheduler",
    "sweep",
    "unschedule",
]

__getattr__ = lazy.attributes(__name__, _HOME)
