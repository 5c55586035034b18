"""`job sweep`: run a notebook for each point of a grid of parameter values, in a fresh kernel each."""

from __future__ import annotations

import itertools
import os
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from jupyter_mlops import runs, tables
from jupyter_mlops.errors import UsageError, nearest
from jupyter_mlops.jobs import checks as checking
from jupyter_mlops.jobs import declarations, output_redaction, state
from jupyter_mlops.jobs import execution as running
from jupyter_mlops.jobs.records import Execution, Sweep
from jupyter_mlops.progress import say
from jupyter_mlops.project import Project

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from jupyter_mlops.jobs.checks import CheckedNotebook

_MOST_POINTS = 10_000
_POLL = 0.25
# Default metrics, in order of preference; without any of them, the first recorded metric.
_USUAL = (
    "auc",
    "roc_auc",
    "accuracy",
    "f1",
    "r2",
    "score",
    "log_loss",
    "loss",
    "rmse",
    "mse",
    "mae",
)
_SMALLER_IS_BETTER = ("loss", "error", "rmse", "mse", "mae", "mape", "perplexity")


def sweep(
    notebook: str,
    *,
    params: dict[str, Any] | None = None,
    workers: int = 0,
    metric: str = "",
    maximize: bool = False,
    minimize: bool = False,
    name: str = "",
    timeout: float = 0,
    force: bool = False,
    project: Project | None = None,
) -> Sweep:
    """Run a notebook once for each point of a grid, several at a time.

    Args:
        notebook: its path, or the name of a job in `jobs/`.
        params: the values of each parameter, as `2,4,8` (a list in brackets is one value).
        workers: maximum number of executions at a time; 0: the value in `mlops.toml`.
        metric: the metric that selects the best point; default: auc, accuracy, … if recorded.
        maximize: the largest is best (the default, except for losses and errors).
        minimize: the smallest is best.
        name: the sweep's name; default: the notebook's.
        timeout: seconds for each point.
        force: run although `job check` found problems.
        project: default: the project at or above the working folder.

    Raises:
        UsageError: no grid, an unknown parameter, or a value of the wrong type.
    """
    project = project or Project.find()
    if maximize and minimize:
        raise UsageError("--maximize and --minimize cannot be used together", "Give one of them")
    if workers < 0:
        raise UsageError(
            f"--workers {workers} is not a number of workers", "For example: --workers 2"
        )
    declarations.check_timeout(timeout)
    job = declarations.find(notebook, project)
    notebook, fixed = (job.notebook, job.params) if job else (notebook, {})
    grid = {key: values_of(value) for key, value in (params or {}).items()}
    empty = [key for key, values in grid.items() if not values]
    if not grid or empty:
        what = (
            f"Parameter '{empty[0]}' has no values"
            if empty
            else "A sweep needs values for at least one parameter"
        )
        raise UsageError(what, "For example: -p depth=2,4,8")
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    if len(points) > _MOST_POINTS:
        raise UsageError(f"The grid has {len(points)} points", f"Use at most {_MOST_POINTS} points")
    checks = [
        checking.examine(notebook, params=fixed | point, project=project) for point in points[:1]
    ]
    running.refuse(checks[0], force=force)
    checks += [checking.again(checks[0], fixed | point) for point in points[1:]]
    for checked in checks[1:]:
        running.refuse(checked, force=force)
    workers = min(workers or max(1, project.settings.jobs.workers), len(points))
    title = name or checks[0].path.stem
    return _sweep(title, checks, grid, workers, metric, maximize, minimize, timeout, project)


def values_of(text: Any) -> list[Any]:
    """Return the values of one parameter, split at commas outside of brackets and quotes."""
    if isinstance(text, (list, tuple, range)):
        return list(text)
    if not isinstance(text, str):
        return [text]
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "[{(":
            depth += 1
        elif character in "]})":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append("")
            continue
        parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _sweep(
    name: str,
    checks: list[CheckedNotebook],
    grid: dict[str, list[Any]],
    workers: int,
    metric: str,
    maximize: bool,
    minimize: bool,
    timeout: float,
    project: Project,
) -> Sweep:
    notebook = checks[0].check.notebook
    shown = output_redaction.params(
        {key: ",".join(map(str, values)) for key, values in grid.items()}
    )
    summary = ", ".join(f"{key}={values}" for key, values in shown.items())
    say(f"sweep {name}: {len(checks)} points ({summary}), {workers} at a time")
    stop = threading.Event()
    result: Sweep | None = None
    try:
        with runs.start(
            f"{name} sweep",
            kind="sweep",
            params={key: ", ".join(map(str, values)) for key, values in grid.items()},
            tags={"mlops.job": name},
            notebook=notebook,
            project=project,
        ) as parent:
            result = Sweep(
                run_id=parent.run_id,
                notebook=notebook,
                status="running",
                metric=metric,
                executions=[],
            )
            state.own(project, parent.run_id)
            project.announce("job", "started", f"{name} sweep")
            plans = [
                running.ExecutionPlan(
                    checked,
                    name=f"{name} {_point(checked, grid)}",
                    timeout=timeout,
                    parent=parent.run_id,
                    tags={"mlops.job": name, "mlops.sweep": parent.run_id},
                    environment=_threads(workers),
                    stop=stop,
                )
                for checked in checks
            ]
            try:
                _run_all(plans, workers, stop, result, grid, project)
            finally:
                cancelled = (state.folder(project, parent.run_id) / "cancel").exists()
                state.release(project, parent.run_id)
            _choose(result, metric, maximize, minimize)
            best = next((item for item in result.executions if item.run_id == result.best), None)
            if best and best.metrics.get(result.metric) is not None:
                parent.log_metrics({result.metric: float(best.metrics[result.metric] or 0)})
                parent.set_tags({"mlops.best": best.run_id, "mlops.metric": result.metric})
            if cancelled or stop.is_set():
                raise KeyboardInterrupt
            if not any(item.status == "finished" for item in result.executions):
                parent.fail(f"All {len(checks)} points failed: {result.executions[0].error}")
    except KeyboardInterrupt:
        if result is None:
            raise
        result.status = "killed"
    else:
        finished = sum(item.status == "finished" for item in result.executions)
        result.status = "finished" if finished else "failed"
        if 0 < finished < len(checks):
            say(f"{len(checks) - finished} of {len(checks)} points failed")
    project.announce("job", result.status, f"{name} sweep")
    return result


def _run_all(
    plans: list[running.ExecutionPlan],
    workers: int,
    stop: threading.Event,
    result: Sweep,
    grid: dict[str, list[Any]],
    project: Project,
) -> None:
    """Run every point; an interrupt or a cancel request stops the running ones and skips the rest."""
    done: queue.Queue[Execution] = queue.Queue()
    order = {id(plan): position for position, plan in enumerate(plans)}
    executions: dict[int, Execution] = {}
    cancel = state.folder(project, result.run_id) / "cancel"

    def one(plan: running.ExecutionPlan) -> None:
        if not stop.is_set():
            execution = running.perform(plan, project)
            executions[order[id(plan)]] = execution
            done.put(execution)

    try:
        with ThreadPoolExecutor(workers, thread_name_prefix="point") as pool:
            futures = [pool.submit(one, plan) for plan in plans]
            try:
                _report(futures, done, len(plans), grid, stop, cancel)
            except BaseException:  # an interrupt: leaving the pool waits until the kernels are gone
                stop.set()
                raise
    finally:
        result.executions = [executions[position] for position in sorted(executions)]
    for future in futures:
        future.result()


def _report(
    futures: list[Future[None]],
    done: queue.Queue[Execution],
    total: int,
    grid: dict[str, list[Any]],
    stop: threading.Event,
    cancel: Path,
) -> None:
    """Print a line for each point when it ends, until all have ended."""
    count = 0
    while not all(future.done() for future in futures) or not done.empty():
        try:
            execution = done.get(timeout=_POLL)
        except queue.Empty:
            if cancel.exists():
                stop.set()
            continue
        count += 1
        say(_line(count, total, execution, grid))


def _line(count: int, total: int, execution: Execution, grid: dict[str, list[Any]]) -> str:
    point = ", ".join(f"{key}={tables.cell(execution.params.get(key))}" for key in grid)
    outcome = (
        ", ".join(f"{key} {tables.cell(value)}" for key, value in [*execution.metrics.items()][:4])
        if execution.status == "finished"
        else f"{execution.status}: {execution.error}"
    )
    took = tables.duration(execution.duration or 0)
    return f"[{count:>{len(str(total))}}/{total}] {point} … {outcome or 'finished'} ({took})"


def _point(checked: CheckedNotebook, grid: dict[str, list[Any]]) -> str:
    chosen = output_redaction.params({key: checked.params.get(key) for key in grid})
    return " ".join(f"{key}={value}" for key, value in chosen.items())


def _threads(workers: int) -> dict[str, str]:
    """Return environment variables that limit the threads of each worker's numeric libraries."""
    count = str(max(1, (os.cpu_count() or 1) // workers))
    names = (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "LOKY_MAX_CPU_COUNT",
    )
    return {name: os.environ.get(name, count) for name in names}


def _choose(result: Sweep, metric: str, maximize: bool, minimize: bool) -> None:
    """Set a sweep's best point, metric and direction."""
    finished = [item for item in result.executions if item.status == "finished"]
    names = [key for item in finished for key, value in item.metrics.items() if value is not None]
    recorded = list(dict.fromkeys(names))
    if not metric:
        metric = next(
            (name for name in _USUAL if name in recorded), recorded[0] if recorded else ""
        )
    elif recorded and metric not in recorded:
        say(
            f"no point recorded '{metric}'. {nearest(metric, recorded) or 'Recorded: ' + ', '.join(recorded)}"
        )
    result.metric = metric
    lower = any(word in metric.lower() for word in _SMALLER_IS_BETTER)
    result.maximize = maximize or not (minimize or lower)
    scored = [
        (item.metrics[metric], item.run_id)
        for item in finished
        if item.metrics.get(metric) is not None
    ]
    scored = [pair for pair in scored if pair[0] == pair[0]]  # NaN is no score
    if scored:
        choose = max if result.maximize else min
        result.best = choose(scored, key=lambda pair: pair[0] or 0.0)[1]
