"""The process that executes one tick: `python -m jupyter_mlops.jobs.worker PROJECT .mlops/jobs/ticks/TICK`.

It reads the declared job and the tick's time as JSON from standard input. It holds the tick's lock while it runs, so a
second worker for the same tick (started by the next scheduler) waits, finds the result and ends.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from jupyter_mlops import files, runs
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.jobs import declarations, ticks, untrusted_json
from jupyter_mlops.jobs import execution as running
from jupyter_mlops.jobs.declarations import Schedule
from jupyter_mlops.project import Project

_FOR_EVER = -1


def main(root: str, place: str) -> None:
    """Execute the tick, unless it was executed already."""
    request = json.loads(sys.stdin.buffer.read())
    project = Project.find(root)
    project.require_trust("its jobs do not run until then")
    os.chdir(project.root)
    tick = Path(place)
    result = ticks.result_of(tick)
    try:
        with files.locked(tick.with_name(f"{tick.name}.lock"), timeout=_FOR_EVER):
            if not untrusted_json.exists(result):
                files.replace(result, json.dumps(_execute(request, project)))
    except OSError as error:  # its lock or its result cannot be written: it must not run unlocked
        sys.exit(f"{tick.name}: {error.strerror or error}: {error.filename or ''}")


def _execute(request: dict[str, Any], project: Project) -> dict[str, Any]:
    job = Schedule(**request["job"])
    tags = {"mlops.job": job.name, "mlops.scheduled": request["tick"]}
    try:
        plan = running.plan_of(declarations.located(job, project.root), project)
    except MlopsError as error:
        # No terminal shows the error, so a run records it.
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
