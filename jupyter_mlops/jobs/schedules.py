"""Scheduled jobs: `jobs/NAME.yaml`, one file for each, kept in git.

notebook: train.ipynb
cron: "0 6 * * *"          # a sixth field is seconds
timezone: Europe/Prague    # default: this machine's
catch_up: once             # after downtime: run once for all missed ticks, or skip
params: {n_estimators: 200}
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

import yaml

from jupyter_mlops import files, paths
from jupyter_mlops.errors import Conflict, MlopsError, NotFound, UsageError, nearest
from jupyter_mlops.jobs import cron as crons
from jupyter_mlops.jobs import declarations
from jupyter_mlops.jobs.declarations import FOLDER, Schedule
from jupyter_mlops.jobs.records import Job, Jobs
from jupyter_mlops.progress import say
from jupyter_mlops.project import Project
from jupyter_mlops.secrets.names import names_secret
from jupyter_mlops.trust import NotTrusted

_CRON_EXAMPLE = 'For example: --cron "0 6 * * *" (every day at 6)'


def has_schedules(project: Project) -> bool:
    """Whether the project declares any job; cheap, for callers that would start a scheduler."""
    return bool(declarations.files_of(project))


def schedule(
    notebook: str,
    *,
    cron: str,
    params: dict[str, Any] | None = None,
    name: str = "",
    timezone: str = "",
    catch_up: Literal["once", "skip"] = "once",
    timeout: float = 0,
    cwd: str = "",
    replace: bool = False,
    project: Project | None = None,
) -> Job:
    """Declare a job that fires by cron while JupyterLab or `jupyter mlops scheduler` runs.

    Args:
        notebook: its path.
        cron: 5 fields, or 6 with seconds last.
        params: values for its parameters.
        name: the job's name; default: the notebook's.
        timezone: the time zone of `cron`; default: this machine's.
        catch_up: after downtime, run once for all missed ticks, or skip them.
        timeout: seconds for the whole notebook.
        cwd: the kernel's working folder; default: the notebook's.
        replace: overwrite an existing declaration.
        project: default: the project at or above the working folder.

    Raises:
        UsageError: the cron expression, the zone or a parameter is wrong, or the notebook would fail.
        Conflict: a job with that name runs another notebook.
    """
    from jupyter_mlops.jobs import checks

    project = project or Project.find()
    project.require_trust("its jobs do not run until then")
    try:
        cron = crons.parse(cron)
    except ValueError as error:
        raise UsageError(f"--cron {error}", _CRON_EXAMPLE) from None
    try:
        crons.zone(timezone)
    except ValueError as error:
        raise UsageError(f"--timezone: {error}", "Leave it out for this machine's") from None
    if catch_up not in {"once", "skip"}:
        raise UsageError(
            f"--catch-up '{catch_up}' is neither once nor skip", nearest(catch_up, ("once", "skip"))
        )
    declarations.check_timeout(timeout)
    checked = checks.examine(notebook, params=params, cwd=cwd, project=project)
    checked.refuse()
    relative = _below_project("notebook", checked.path, project)
    folder = _below_project("--cwd", Path(cwd).expanduser().absolute(), project) if cwd else ""
    for given in params or {}:
        if names_secret(given):
            raise UsageError(
                f"Parameter '{given}' is a secret by its name, and {FOLDER}/*.yaml is kept in git",
                f"Leave it out; in the notebook: {given} = os.environ['{given.upper()}']",
            )
    name = name or re.sub(r"[^A-Za-z0-9_.-]+", "-", checked.path.stem).strip("-.") or "job"
    path = declarations.path_of(name, project)
    with project.locked("jobs"):
        if os.path.lexists(path) and not replace:
            declared = declarations.load(path)
            if declared.notebook != relative:
                raise Conflict(
                    f"Job '{name}' exists already, for {declared.notebook}",
                    f"Type another name: --name {name}-2, or add --replace",
                )
        declared = Schedule(
            name=name,
            notebook=relative,
            cron=cron,
            timezone=timezone,
            catch_up=catch_up,
            params=checked.given,
            timeout=timeout,
            cwd=folder,
        )
        text = _yaml(declared)
        declarations.parsed(text.encode(), path)  # check that the file can be read
        files.replace(path, text)
    project.announce("job", "scheduled", name)
    say(
        f"wrote {project.relative(path)}; it fires while JupyterLab or `jupyter mlops scheduler` runs"
    )
    return _job(declared, None)


def unschedule(name: str, *, project: Project | None = None) -> None:
    """Remove a job's declaration; its runs stay.

    Raises:
        NotFound: there is no such job.
    """
    project = project or Project.find()
    path = declarations.path_of(name, project)
    if not os.path.lexists(path) or (path.is_dir() and not paths.is_link(path)):
        known = [item.stem for item in declarations.files_of(project)]
        raise NotFound(
            f"No scheduled job '{name}'", nearest(name, known) or "Type: %mlops job list"
        )
    path.unlink()
    project.announce("job", "unscheduled", name)
    say(f"removed {project.relative(path)}; its runs stay")


def list(*, project: Project | None = None) -> Jobs:
    """List the jobs declared in `jobs/`, then the other notebooks run as jobs, the newest first."""
    from jupyter_mlops.jobs import state

    project = project or Project.find()
    if project.trusted:
        state.reap(project)
    last: dict[str, Any] = {}
    for run in _executed(project):  # newest first
        last.setdefault(run.tags.get("mlops.job", run.name), run)
    jobs: dict[str, Job] = {}
    for path in declarations.files_of(project):
        name = declarations.shown_name(path)
        try:
            found = declarations.load(path)
            jobs[name] = _job(found, last.get(path.stem), fires=project.trusted)
        except MlopsError as error:
            jobs[name] = Job(name=name, notebook="", status="failed", error=str(error))
    for name, run in last.items():
        if name not in jobs:
            jobs[name] = _job(Schedule(name=name, notebook=run.notebook), run)
    return Jobs(
        jobs.values(),
        empty='No jobs yet. Type: %mlops job run NOTEBOOK, or %mlops job schedule NOTEBOOK --cron "0 6 * * *"',
    )


def _executed(project: Project) -> Any:
    """Return the executions; none if the store is elsewhere and the project is not trusted."""
    from jupyter_mlops import runs

    try:
        return runs.list(kind="job", limit=1000, project=project)
    except NotTrusted:
        return []


def _job(declared: Schedule, last: Any, *, fires: bool = True) -> Job:
    status: Any = "paused" if declared.paused else "scheduled" if declared.cron else ""
    if last is not None and (last.status == "running" or not status):
        status = last.status
    return Job(
        name=declared.name,
        notebook=declared.notebook,
        params=declared.params,
        cron=declared.cron,
        timezone=declared.timezone,
        catch_up=declared.catch_up,
        status=status or "scheduled",
        last_run=last.run_id if last else "",
        last_status=last.status if last else "",
        last_time=last.start_time if last else None,
        next_time=declared.next_time() if fires else None,
    )


def _below_project(what: str, path: Path, project: Project) -> str:
    """Return a path relative to the project: a clone must contain it too."""
    for root in (project.root, project.root.resolve()):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    raise UsageError(
        f"{what} {path} is outside the project; a scheduled job needs it inside",
        f"Copy it to {project.root}",
    )


def _yaml(declared: Schedule) -> str:
    kept = {
        key: value
        for key, value in declared.model_dump(exclude_defaults=True).items()
        if value or key == "notebook"
    }
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)
