"""Scheduled jobs: `jobs/NAME.yaml`, one file for each, kept in git.

notebook: train.ipynb
cron: "0 6 * * *"          # a sixth field is seconds
timezone: Europe/Prague    # default: this machine's
catch_up: once             # after downtime: run once for what was missed, or skip
params: {n_estimators: 200}
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from jupyter_mlops import files
from jupyter_mlops.errors import Conflict, MlopsError, NotFound, UsageError, nearest
from jupyter_mlops.jobs.records import Job
from jupyter_mlops.progress import say
from jupyter_mlops.project import Project
from jupyter_mlops.records import Records
from jupyter_mlops.runs.redacting.secret_names import names_secret

FOLDER = "jobs"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_CRON_EXAMPLE = 'For example: --cron "0 6 * * *" (every day at 6)'


class Schedule(BaseModel):
    """One `jobs/NAME.yaml`; its name is the file's."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(default="", exclude=True)
    notebook: str
    cron: str = ""
    timezone: str = ""
    catch_up: Literal["once", "skip"] = "once"
    params: dict[str, Any] = {}
    timeout: float = Field(default=0, ge=0)
    cwd: str = ""
    paused: bool = False

    @field_validator("cron")
    @classmethod
    def _cron(cls, value: str) -> str:
        return parse_cron(value) if value else value

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, value: str) -> str:
        zone(value)
        return value

    def next_time(self, after: datetime | None = None) -> datetime | None:
        """Return the first tick after `after` (default: now), or None if it never fires by itself."""
        if not self.cron or self.paused:
            return None
        return self.ticks(after or datetime.now().astimezone()).get_next(datetime)  # type: ignore[no-any-return]

    def ticks(self, around: datetime) -> Any:
        """Return croniter's iterator of ticks around a moment, in the schedule's time zone."""
        from croniter import croniter

        return croniter(self.cron, around.astimezone(zone(self.timezone)))


def parse_cron(text: str) -> str:
    """Return a cron expression of 5 fields (or 6, the last one seconds), or an alias such as `@daily`.

    Raises:
        ValueError: it is not one, or never fires.
    """
    from croniter import croniter

    text = " ".join(text.split())
    if not text.startswith("@") and len(text.split(" ")) not in {5, 6}:
        raise ValueError(
            f"'{text}' has {len(text.split(' '))} fields, not 5 (minute hour day month weekday)"
        )
    try:
        croniter(text, datetime.now().astimezone()).get_next(datetime)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = " ".join(str(error).split())[:100]
        raise ValueError(f"'{text}' is not a cron expression: {why}") from None
    return text


def zone(name: str) -> tzinfo:
    """Return a time zone by its name; empty: this machine's.

    Raises:
        ValueError: there is no such zone.
    """
    from zoneinfo import ZoneInfo

    from dateutil import tz  # comes with pandas

    if not name:
        local: tzinfo = tz.tzlocal()
        return local
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"no time zone '{name}' (for example Europe/Prague)") from None


def path_of(name: str, project: Project) -> Path:
    """Return where the job `name` is declared."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot name a job",
            "Use letters, digits, '-', '_' and '.', for example: nightly-train",
        )
    return project.root / FOLDER / f"{name}.yaml"


def load(path: Path) -> Schedule:
    """Read one declaration.

    Raises:
        UsageError: it cannot be read, and which line or key is wrong.
    """
    where = f"{FOLDER}/{path.name}"
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UsageError(
            f"{where}{line} is not YAML: {error.problem}", "Correct that line"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{where} cannot be read: {str(error).splitlines()[0]}") from None
    if not isinstance(given, dict):
        raise UsageError(f"{where} must be keys and values", "At least: notebook: train.ipynb")
    try:
        return Schedule(**{str(key): value for key, value in given.items()} | {"name": path.stem})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "it"
        if first["type"] == "extra_forbidden":
            known = [field for field in Schedule.model_fields if field != "name"]
            raise UsageError(
                f"{where}: unknown key '{key}'", nearest(key, known) or f"Known: {', '.join(known)}"
            ) from None
        message = first["msg"].removeprefix("Value error, ")
        message = message[0].lower() + message[1:]
        raise UsageError(f"{where}: {key}: {message}", "Correct that line") from None


def find(name: str, project: Project) -> Schedule | None:
    """Return the declared job of that name, unless there is a file of that name or none is declared."""
    if not _NAME.fullmatch(name) or Path(name).is_file() or (project.root / name).is_file():
        return None
    path = path_of(name, project)
    return load(path) if path.is_file() else None


def has_schedules(project: Project) -> bool:
    """Whether the project declares any job; cheap, for callers that would start a scheduler."""
    return any((project.root / FOLDER).glob("*.yaml"))


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
        timezone: the zone that `cron` is meant in; default: this machine's.
        catch_up: after downtime, run once for everything missed, or skip it.
        timeout: seconds for the whole notebook.
        cwd: the kernel's working folder; default: the notebook's.
        replace: also over an existing declaration.
        project: default: the project at or above the working folder.

    Raises:
        UsageError: the cron expression, the zone or a parameter is wrong, or the notebook would fail.
        Conflict: there is a job of that name for another notebook.
    """
    from jupyter_mlops.jobs import checking

    project = project or Project.find()
    try:
        cron = parse_cron(cron)
    except ValueError as error:
        raise UsageError(f"--cron {error}", _CRON_EXAMPLE) from None
    try:
        zone(timezone)
    except ValueError as error:
        raise UsageError(f"--timezone: {error}", "Leave it out for this machine's") from None
    if catch_up not in {"once", "skip"}:
        raise UsageError(
            f"--catch-up '{catch_up}' is neither once nor skip", nearest(catch_up, ("once", "skip"))
        )
    checked = checking.examine(notebook, params=params, cwd=cwd, project=project)
    checked.refuse()
    for given in params or {}:
        if names_secret(given):
            raise UsageError(
                f"Parameter '{given}' is a secret by its name, and {FOLDER}/*.yaml is kept in git",
                f"Leave it out; in the notebook: {given} = os.environ['{given.upper()}']",
            )
    name = name or re.sub(r"[^A-Za-z0-9_.-]+", "-", checked.path.stem).strip("-.") or "job"
    path = path_of(name, project)
    relative = checked.check.notebook
    with project.locked("jobs"):
        if path.exists() and not replace and load(path).notebook != relative:
            raise Conflict(
                f"A job '{name}' runs {load(path).notebook}",
                f"Give another: --name {name}-2, or add --replace",
            )
        declared = Schedule(
            name=name,
            notebook=relative,
            cron=cron,
            timezone=timezone,
            catch_up=catch_up,
            params=checked.given,
            timeout=timeout,
            cwd=project.relative(Path(cwd).absolute()) if cwd else "",
        )
        files.replace(path, _yaml(declared))
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
    path = path_of(name, project)
    if not path.is_file():
        known = [item.stem for item in (project.root / FOLDER).glob("*.yaml")]
        raise NotFound(
            f"No scheduled job '{name}'", nearest(name, known) or "Type: %mlops job list"
        )
    path.unlink()
    project.announce("job", "unscheduled", name)
    say(f"removed {project.relative(path)}; its runs stay")


def list(*, project: Project | None = None) -> Records[Job]:
    """List the jobs: those declared in `jobs/`, and notebooks that were run as jobs, the last one first."""
    from jupyter_mlops import runs
    from jupyter_mlops.jobs import state

    project = project or Project.find()
    state.reap(project)
    last: dict[str, Any] = {}
    for run in runs.list(kind="job", limit=1000, project=project):  # newest first
        last.setdefault(run.tags.get("mlops.job", run.name), run)
    jobs: dict[str, Job] = {}
    for path in sorted((project.root / FOLDER).glob("*.yaml")):
        try:
            jobs[path.stem] = _job(load(path), last.get(path.stem))
        except MlopsError as error:
            jobs[path.stem] = Job(name=path.stem, notebook="", status="failed", error=str(error))
    for name, run in last.items():
        if name not in jobs:
            jobs[name] = _job(Schedule(name=name, notebook=run.notebook), run)
    return Records(
        jobs.values(),
        empty='No jobs yet. Type: %mlops job run NOTEBOOK, or %mlops job schedule NOTEBOOK --cron "0 6 * * *"',
    )


def _job(declared: Schedule, last: Any) -> Job:
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
        next_time=declared.next_time(),
    )


def _yaml(declared: Schedule) -> str:
    kept = {
        key: value
        for key, value in declared.model_dump(exclude_defaults=True).items()
        if value or key == "notebook"
    }
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)
