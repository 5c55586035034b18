"""List the executions of notebooks, show their output, cancel one."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from jupyter_mlops import files, runs
from jupyter_mlops.errors import Conflict, MlopsError, NotFound, nearest
from jupyter_mlops.jobs import declarations, state
from jupyter_mlops.jobs import notebook as notebooks
from jupyter_mlops.jobs.records import Execution, Log
from jupyter_mlops.progress import say
from jupyter_mlops.project import Project
from jupyter_mlops.records import Records
from jupyter_mlops.runs.query import whole
from jupyter_mlops.text import cut

if TYPE_CHECKING:
    from jupyter_mlops.runs.records import Run

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PATIENCE = 20.0


def executions(
    job: str = "", *, limit: int = 50, project: Project | None = None
) -> Records[Execution]:
    """List the executions of one job or of all jobs, the newest first.

    Raises:
        NotFound: there is no such job.
    """
    project = project or Project.find()
    found = runs.list(kind="job", limit=limit if not job else 1000, project=project)
    if job:
        chosen = [run for run in found if job in {run.tags.get("mlops.job", run.name), run.name}]
        if not chosen and declarations.find(job, project) is None:
            raise NotFound(f"No job '{job}'", "Type: %mlops job list")
        found = Records(chosen[:limit])
    return Records(
        (_execution(run, project) for run in found),
        empty="No executions yet. Type: %mlops job run NOTEBOOK",
    )


def _execution(run: Run, project: Project) -> Execution:
    executed = state.executed(project, run.run_id)
    return Execution(
        run_id=run.run_id,
        notebook=run.notebook,
        status=run.status if run.status != "scheduled" else "queued",
        params=dict(run.params),
        metrics=dict(run.metrics),
        output=project.relative(executed) if executed else "",
        error=run.error,
        failed_cell=whole(run.tags.get("mlops.failed_cell", "")) or None,
        start_time=run.start_time,
        duration=run.duration,
    )


def logs(run: str, *, project: Project | None = None) -> Log:
    """Return the output and the error of an execution; for a job's name, of its last execution.

    Raises:
        NotFound: there is no such run or job, or its executed notebook is gone.
    """
    project = project or Project.find()
    found = _find(run, project)
    path = state.executed(project, found.run_id)
    if path is None:
        names = [
            item
            for item in runs.get(found.run_id, project=project).artifacts
            if item.endswith(".ipynb")
        ]
        if not names:
            raise NotFound(
                f"Run {found.run_id[:8]} ({found.name}) has no executed notebook",
                f"Its kind is {found.kind}; type: %mlops job executions",
            )
        path = runs.artifact(found.run_id, names[0], project=project)
    content = notebooks.read(path)
    lines = [
        f"{found.name} ({found.run_id[:8]}): {found.status}"
        + (f": {found.error}" if found.error else "")
    ]
    for cell in notebooks.code_cells(content):
        text = "".join(
            _text(output) for output in content.cells[cell.index].get("outputs", [])
        ).rstrip()
        lines.append(f"[{cell.number}] {cell.title}")
        if text:
            lines += [f"    {line}" for line in text.splitlines()]
    return Log("\n".join(lines))


def _text(output: Any) -> str:
    if output.output_type == "stream":
        return _ANSI.sub("", "".join(output.text))
    if output.output_type == "error":
        return (
            _ANSI.sub(
                "", "\n".join(output.get("traceback") or [f"{output.ename}: {output.evalue}"])
            )
            + "\n"
        )
    data = output.get("data", {})
    if "text/plain" in data:
        return _ANSI.sub("", "".join(data["text/plain"])) + "\n"
    return f"<{', '.join(data)}>\n" if data else ""


def _find(run: str, project: Project) -> Run:
    """Return a run by id or name, else the last execution of the job of that name."""
    try:
        return runs.get(run, project=project)
    except NotFound:
        for item in runs.list(kind="job", limit=1000, project=project):
            if item.tags.get("mlops.job") == run:
                return item
        if declarations.find(run, project):
            raise NotFound(f"Job '{run}' has not run yet", f"Type: %mlops job run {run}") from None
        names = [path.stem for path in declarations.files_of(project)]
        hint = nearest(run, names) or "Type: %mlops job list, or %mlops job executions"
        raise NotFound(f"No job or execution '{cut(run, 60)}'", hint) from None


def cancel(run: str, *, project: Project | None = None) -> Execution:
    """Stop an execution (for a job's name: its running one) and its kernel; record it as killed.

    Raises:
        NotFound: there is no such run or job.
        Conflict: it does not run, or runs on another machine.
    """
    project = project or Project.find()
    found = _find(run, project)
    if found.kind == "sweep":
        return _cancel_sweep(found, project)
    if found.status != "running":
        raise Conflict(
            f"Run {found.run_id[:8]} ({found.name}) is {found.status} already", "Nothing to cancel"
        )
    _stop(found, project)
    return _execution(runs.get(found.run_id, project=project), project)


def _cancel_sweep(found: Run, project: Project) -> Execution:
    """Stop the running points of a sweep and skip the rest."""
    if found.status != "running":
        raise Conflict(f"Sweep {found.run_id[:8]} is {found.status} already", "Nothing to cancel")
    files.replace(state.folder(project, found.run_id) / "cancel", "")
    _until_over(found, project)
    return _execution(runs.get(found.run_id, project=project), project)


def _stop(found: Run, project: Project) -> None:
    owner = state.owner(project, found.run_id)
    if owner is None:
        raise Conflict(
            f"Run {found.run_id[:8]} ({found.name}) does not run on this machine",
            "Cancel it on the machine where it runs",
        )
    if owner.process.alive:
        # The executing process closes the run itself, with its results so far.
        files.replace(state.folder(project, found.run_id) / "cancel", "")
        say(f"stopping {found.name} ({found.run_id[:8]}) …")
        _until_over(found, project)
    else:
        state.end(project, found.run_id, owner)
    state.release(project, found.run_id)


def _until_over(found: Run, project: Project) -> None:
    deadline = time.monotonic() + _PATIENCE
    while runs.get(found.run_id, project=project).status == "running":
        if time.monotonic() > deadline:
            raise MlopsError(
                f"{found.name} ({found.run_id[:8]}) did not stop within {_PATIENCE:.0f} s",
                "Type: %mlops job executions",
            )
        time.sleep(0.2)
