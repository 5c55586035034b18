"""The noun `run`: one execution of a cell or a notebook, with what is needed to do it again.

Importing this loads nothing heavy; MLflow is loaded by the first verb that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mlops import lazy

if TYPE_CHECKING:
    from jupyter_mlops.runs.active_run import ActiveRun, start
    from jupyter_mlops.runs.cell import record_cell
    from jupyter_mlops.runs.comparison.differences import compare
    from jupyter_mlops.runs.query import artifact, get, show
    from jupyter_mlops.runs.records import Comparison, Run, RunDetail
    from jupyter_mlops.runs.run_list import list, parts
    from jupyter_mlops.runs.spool_sync import send_waiting, sync
    from jupyter_mlops.runs.trash import delete, restore
    from jupyter_mlops.tracking.store import open_store

_HOME = {
    "ActiveRun": "active_run",
    "Comparison": "records",
    "Run": "records",
    "RunDetail": "records",
    "artifact": "query",
    "compare": "comparison.differences",
    "delete": "trash",
    "get": "query",
    "list": "run_list",
    "parts": "run_list",
    "record_cell": "cell",
    "restore": "trash",
    "send_waiting": "spool_sync",
    "show": "query",
    "start": "active_run",
    "sync": "spool_sync",
}
#: Verbs of `run` whose rooms stand above this one.
_ELSEWHERE = {
    "export": "jupyter_mlops.replays.export",
    "open_store": "jupyter_mlops.tracking.store",
    "reproduce": "jupyter_mlops.replays.reproduce",
    "why": "jupyter_mlops.replays.why.why",
}
__all__ = [
    "ActiveRun",
    "Comparison",
    "Run",
    "RunDetail",
    "artifact",
    "compare",
    "delete",
    "get",
    "list",
    "open_store",
    "parts",
    "record_cell",
    "restore",
    "send_waiting",
    "show",
    "start",
    "sync",
]

__getattr__ = lazy.attributes(__name__, _HOME, _ELSEWHERE)
