"""The process that executes one tick: `python -m jupyter_mlops.jobs.worker PROJECT TICK.json`.

It holds the tick's lock while it works, so that a second worker for the same tick (started by a
scheduler that took over) waits, finds the result and ends.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from jupyter_mlops import files, runs
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.jobs import running, ticks
from jupyter_mlops.jobs.schedules import Schedule
from jupyter_mlops.project import Project

_FOR_EVER = -1


def main(root: str, path: str) -> None:
    """Execute the tick, unless it was executed already."""
    project = Project.find(root)
    project.require_trust("its jobs run only once it is")
    os.chdir(project.root)
    request = Path(path)
    with files.locked(request.with_suffix(".lock"), timeout=_FOR_EVER):
        if not ticks.result_of(request).exists():
            result = _execute(json.loads(request.read_text()), project)
            files.replace(ticks.result_of(request), json.dumps(result))


def _execute(request: dict[str, Any], project: Project) -> dict[str, Any]:
    job = Schedule(**request["job"])
    tags = {"mlops.job": job.name, "mlops.scheduled": request["tick"]}
    try:
        plan = running.plan_of(job, project)
    except MlopsError as error:
        # Nobody is at the terminal: what would have been said there is recorded.
        with runs.start(
            job.name,
            kind="job",
            params=job.params,
            tags=tags,
            notebook=job.notebook,
            project=project,
        ) as active:
            active.fail(str(error))
        project.announce("job", "failed", job.name)
        return {"run_id": active.run_id, "status": "failed", "error": str(error)}
    plan.tags |= tags
    execution = running.shown(plan, project)
    return {"run_id": execution.run_id, "status": execution.status, "error": execution.error}


if __name__ == "__main__":
    main(*sys.argv[1:3])
