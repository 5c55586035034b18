"""`job run`: one execution of a notebook, recorded as a run."""

from __future__ import annotations

import copy
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops import files, progress, runs
from jupyter_mlops.errors import UsageError
from jupyter_mlops.jobs import checks, declarations, output_redaction, parameters, state
from jupyter_mlops.jobs import notebook as notebooks
from jupyter_mlops.jobs.records import Execution
from jupyter_mlops.processes import owned
from jupyter_mlops.progress import say
from jupyter_mlops.project import Project
from jupyter_mlops.runs.capture import deep_setup
from jupyter_mlops.secrets import redaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.jobs.checks import CheckedNotebook
    from jupyter_mlops.jobs.notebook import CodeCell
    from jupyter_mlops.runs.active_run import ActiveRun

_CANCEL_POLL = 0.5


@dataclass
class ExecutionPlan:
    """Plan of one execution: the checked notebook and the run's settings."""

    checked: CheckedNotebook
    name: str
    timeout: float = 0
    output: Path | None = None
    parent: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    on_cell: Callable[[CodeCell, float | None], None] = lambda _cell, _seconds: None


def run(
    notebook: str,
    *,
    params: dict[str, Any] | None = None,
    name: str = "",
    timeout: float = 0,
    output: str = "",
    cwd: str = "",
    force: bool = False,
    project: Project | None = None,
) -> Execution:
    """Execute a notebook in a fresh kernel and record it as one run.

    Args:
        notebook: its path, or the name of a job in `jobs/`.
        params: values for its parameters; text is read as the parameter's type.
        name: the run's name; default: the notebook's.
        timeout: seconds for the whole notebook; 0: the value in `mlops.toml`.
        output: also write the executed notebook here.
        cwd: the kernel's working folder; default: the notebook's.
        force: run although `job check` found problems.
        project: default: the project at or above the working folder.

    Raises:
        UsageError: the notebook would fail, or a parameter is unknown or has the wrong type.
    """
    project = project or Project.find()
    job = declarations.find(notebook, project) or declarations.Schedule(notebook=notebook)
    plan = plan_of(
        job.model_copy(
            update={
                "name": name or job.name,
                "params": {**job.params, **(params or {})},
                "timeout": timeout or job.timeout,
                "cwd": cwd or job.cwd,
            }
        ),
        project,
        force=force,
    )
    plan.output = _destination(output, plan.checked)
    return shown(plan, project)


def plan_of(job: declarations.Schedule, project: Project, *, force: bool = False) -> ExecutionPlan:
    """Check a declared job and return the plan of its execution.

    Raises:
        UsageError: it would fail; the message says why.
    """
    declarations.check_timeout(job.timeout)
    checked = checks.examine(job.notebook, params=job.params, cwd=job.cwd, project=project)
    refuse(checked, force=force)
    name = job.name or checked.path.stem
    return ExecutionPlan(checked, name, job.timeout, tags={"mlops.job": name})


def shown(plan: ExecutionPlan, project: Project) -> Execution:
    """Execute the plan and print a progress line for each cell."""
    plan.on_cell = ProgressLines(len(plan.checked.cells)).cell
    say(f"job {plan.name}: {plan.checked.check.notebook}{_with(plan.checked.given)}")
    try:
        return perform(plan, project)
    finally:
        progress.finish()  # an interrupted cell leaves its line open


def refuse(checked: CheckedNotebook, *, force: bool) -> None:
    """Raise the check's first problem; with `force` only one of a parameter or the kernel."""
    if not force:
        checked.refuse()
    wrong = [
        item for item in checked.check.problems if "parameter" in item.what or "kernel" in item.what
    ]
    if wrong:
        raise UsageError(wrong[0].what, wrong[0].fix)


def perform(plan: ExecutionPlan, project: Project) -> Execution:
    """Execute the plan and record it; an interrupt ends it as killed and is not raised again."""
    checked = plan.checked
    started = datetime.now(UTC)
    result: Execution | None = None
    interrupted = False
    try:
        with runs.start(
            plan.name,
            kind="job",
            params=checked.params,
            tags=plan.tags,
            parent=plan.parent,
            notebook=checked.check.notebook,
            project=project,
        ) as active:
            result = Execution(
                run_id=active.run_id,
                notebook=checked.check.notebook,
                status="running",
                params=output_redaction.params(checked.params),
                start_time=started,
            )
            project.announce("job", "started", plan.name)
            _execute(plan, project, active, result)
    except KeyboardInterrupt:
        if result is None:
            raise  # nothing was recorded yet
        interrupted = True
    assert result is not None
    if interrupted:
        result.status = "killed"
        result.error = result.error or "Interrupted"
    result.duration = (datetime.now(UTC) - started).total_seconds()
    project.announce("job", result.status, plan.name)
    return result


def _execute(plan: ExecutionPlan, project: Project, active: ActiveRun, result: Execution) -> None:
    from jupyter_mlops.jobs.papermill_engine import (  # papermill
        ExecutionRequest,
        NotebookOutcome,
        execute,
    )

    checked = plan.checked
    folder = state.folder(project, active.run_id)
    folder.mkdir(parents=True, exist_ok=True)
    redaction.learn([cell.source for cell in checked.cells], checked.params)
    copied = copy.deepcopy(checked.notebook)
    parameters.inject(copied, checked.cells, checked.given)
    output = folder / checked.path.name
    request = ExecutionRequest(
        path=checked.path,
        notebook=copied,
        cells=notebooks.code_cells(copied),
        kernel=checked.kernel or "python3",
        folder=checked.folder,
        output=output,
        environment=_environment(plan, project, active),
        mark=state.mark(project, active.run_id),
        timeout=plan.timeout or project.settings.jobs.timeout,
        stop=plan.stop,
        on_cell=plan.on_cell,
        on_kernel=lambda pid: state.own(project, active.run_id, pid),
    )
    state.own(project, active.run_id)
    outcome = NotebookOutcome()
    over = threading.Event()
    threading.Thread(
        target=_await_cancel, args=(folder / "cancel", plan.stop, over), name="cancel", daemon=True
    ).start()
    try:
        outcome = execute(request)
    finally:
        over.set()
        cancelled = (folder / "cancel").exists()
        state.release(project, active.run_id)
        output_redaction.log(folder / "kernel.log")
        _keep(plan, project, active, result, output)
    outcome.error = redaction.redact(outcome.error)
    result.error = "Cancelled" if cancelled and outcome.stopped else outcome.error
    result.failed_cell = outcome.failed_cell
    if outcome.stopped:
        active.failure = result.error
        raise KeyboardInterrupt
    if outcome.complete:
        result.status = "finished"
    else:
        result.status = "failed"
        active.fail(result.error)
        active.set_tags({"mlops.failed_cell": outcome.failed_cell or ""})


def _keep(
    plan: ExecutionPlan, project: Project, active: ActiveRun, result: Execution, output: Path
) -> None:
    """Store the executed notebook, and copy the metrics of the cells' runs to this run."""
    if output.exists():
        result.output = project.relative(output)
        with suppress(OSError):
            active.log_artifact(output)
        if plan.output:
            files.replace(plan.output, output.read_bytes())
            result.output = project.relative(plan.output)
    # Plain MLflow calls log into this run; the metrics of the cells' own runs are copied.
    metrics: dict[str, float | None] = {}
    children = runs.parts(active.run_id, project=project)
    for child in sorted(children, key=lambda item: item.start_time):
        if child.kind == "cell":
            metrics |= {key: value for key, value in child.metrics.items() if value is not None}
    if metrics:
        active.log_metrics({key: value for key, value in metrics.items() if value is not None})
    own = runs.get(active.run_id, project=project).metrics
    result.metrics = {**own, **metrics}


def _environment(plan: ExecutionPlan, project: Project, active: ActiveRun) -> dict[str, str]:
    """Return the kernel's environment: this process's variables, and those that link it to the run."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in {"JPY_PARENT_PID", "PYTHONSAFEPATH", deep_setup.CHANNEL}
    }
    if project.settings.lineage.deep:
        environment |= deep_setup.environment(project)
    tied = {
        **environment,
        "MLOPS_ROOT": str(project.root),
        "MLOPS_PARENT_RUN": active.run_id,
        "MLFLOW_TRACKING_URI": active.store.uri,
        "MLFLOW_RUN_ID": active.kept_as,
        "JPY_SESSION_NAME": str(plan.checked.path),
        **plan.environment,
    }
    return owned.marked(tied, state.mark(project, active.run_id))


def _await_cancel(request: Path, stop: threading.Event, over: threading.Event) -> None:
    while not over.wait(_CANCEL_POLL):
        if request.exists():
            stop.set()
            return


def _destination(output: str, checked: CheckedNotebook) -> Path | None:
    if not output:
        return None
    path = Path(output).expanduser().absolute()
    if path.is_dir():
        path /= checked.path.name
    if path.resolve() == checked.path:
        raise UsageError(
            "--output is the notebook itself", "A job never changes it: give another name"
        )
    if path.suffix != ".ipynb":
        raise UsageError(f"--output {output} is not a notebook", f"Type: {path.name}.ipynb")
    return path


def _with(params: dict[str, Any]) -> str:
    return (
        " with "
        + ", ".join(f"{key}={value!r}" for key, value in output_redaction.params(params).items())
        if params
        else ""
    )


class ProgressLines:
    """Progress lines of one execution: one for each cell, with its duration at the end."""

    def __init__(self, count: int) -> None:
        self.count = count

    def cell(self, cell: CodeCell, seconds: float | None) -> None:
        """Begin the cell's line, or end it with the cell's duration."""
        if seconds is None:
            progress.begin(
                f"[{cell.number:>{len(str(self.count))}}/{self.count}] {redaction.redact(cell.title)} …"
            )
        else:
            progress.finish(f" {seconds:.1f} s")
