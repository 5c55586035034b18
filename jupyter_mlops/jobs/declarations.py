"""One declared job: read `jobs/NAME.yaml` as untrusted input.

The file comes with a clone, so anybody may have written it. It must be a small regular file of plain YAML: mappings,
lists and scalars, no Python tags, with limits on size, depth and expanded aliases. Its values must be JSON values; its
notebook and working folder must be below the project. Anything else is a one-line error.
"""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from jupyter_mlops import paths
from jupyter_mlops.errors import MlopsError, UsageError, nearest
from jupyter_mlops.jobs import cron, untrusted_json, values
from jupyter_mlops.project import Project
from jupyter_mlops.text import error_line, printable

FOLDER = "jobs"
#: In seconds: about 30 years. A larger or infinite timeout is a mistake.
LONGEST_TIMEOUT = 1e9
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
#: In bytes; a usual job file has a few hundred.
_LARGEST = 65_536
_DEEPEST, _MOST_VALUES, _MOST_DIGITS, _MOST_BITS = 32, 10_000, 300, 1000
_NUMBERS = {f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "timestamp")}
_NUMBER = re.compile(r"[-+]?[0-9][0-9a-fxoA-FX_.:+-]*")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Schedule(BaseModel):
    """Content of one `jobs/NAME.yaml`; `name` comes from the file's name."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(default="", exclude=True)
    notebook: str
    cron: str = ""
    timezone: str = ""
    catch_up: Literal["once", "skip"] = "once"
    params: dict[str, Any] = {}
    timeout: float = Field(default=0, ge=0, le=LONGEST_TIMEOUT, allow_inf_nan=False)
    cwd: str = ""
    paused: bool = False

    @field_validator("cron")
    @classmethod
    def _cron(cls, value: str) -> str:
        return cron.parse(value) if value else value

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, value: str) -> str:
        cron.zone(value)
        return value

    def next_time(self, after: datetime | None = None) -> datetime | None:
        """Return the first tick after `after` (default: now), or None if it never fires by itself."""
        if not self.cron or self.paused:
            return None
        where = cron.zone(self.timezone)
        found = cron.following(self.cron, where, after or datetime.now().astimezone())
        return found.astimezone(where) if found else None


def find(name: str, project: Project) -> Schedule | None:
    """Return the declared job with that name; None if there is none, or a file has that name.

    Its notebook and its working folder are absolute paths below the project.
    """
    if not names_job(name) or Path(name).is_file() or (project.root / name).is_file():
        return None
    path = path_of(name, project)
    if not os.path.lexists(path):
        return None
    return located(load(path), project.root)


def names_job(name: str) -> bool:
    """Return whether this is a valid job name."""
    return _NAME.fullmatch(name) is not None


def files_of(project: Project) -> list[Path]:
    """Return the declaration files, sorted; their content is not read."""
    return sorted((project.root / FOLDER).glob("*.yaml"))


def path_of(name: str, project: Project) -> Path:
    """Return the path of a job's declaration."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{printable(name)} cannot name a job",
            "Use letters, digits, '-', '_' and '.', for example: nightly-train",
        )
    return project.root / FOLDER / f"{name}.yaml"


def shown_name(path: Path) -> str:
    """Return the job name of a declaration file; a printable form if the name is not valid."""
    return path.stem if _NAME.fullmatch(path.stem) else ascii(path.stem)[1:-1][:80]


def load(path: Path) -> Schedule:
    """Read one declaration, `PROJECT/jobs/NAME.yaml`.

    Raises:
        UsageError: it cannot be read; the message names the wrong line or key.
        UnsafePath: its notebook or working folder is outside of the project.
    """
    where = f"{FOLDER}/{shown_name(path)}.yaml"
    if not _NAME.fullmatch(path.stem):
        raise UsageError(
            f"{where}: the file's name is not valid for a job", "Use letters, digits, '-' and '_'"
        )
    try:
        content = untrusted_json.read(path, _LARGEST, root=path.parent.parent)
    except FileNotFoundError:
        raise UsageError(f"{where} is not there any more") from None
    except untrusted_json.Unreadable as error:
        raise UsageError(f"{where} {error}") from None
    return parsed(content, path)


def parsed(content: bytes, path: Path) -> Schedule:
    """Parse `content`, the bytes of the declaration file `path`.

    Raises:
        UsageError: it is not a valid declaration; the message names the wrong line or key.
        UnsafePath: its notebook or working folder is outside of the project.
    """
    where = f"{FOLDER}/{shown_name(path)}.yaml"
    if len(content) > _LARGEST:
        raise UsageError(f"{where} is larger than {_LARGEST:,} bytes")
    given = _plain_yaml(content, where)
    if not isinstance(given, dict):
        raise UsageError(f"{where} must be keys and values", "At least: notebook: train.ipynb")
    try:
        job = Schedule(**{str(key): value for key, value in given.items()} | {"name": path.stem})
    except ValidationError as error:
        raise _invalid(error, where) from None
    located(job, path.parent.parent)
    return job


def located(job: Schedule, root: Path) -> Schedule:
    """Return the job with absolute paths for its notebook and working folder.

    Raises:
        UnsafePath: its notebook or its working folder is not below the project.
    """
    source = f"{FOLDER}/{job.name}.yaml"
    notebook = paths.below(root, job.notebook, source=source)
    folder = ""
    if job.cwd:
        inside = [part for part in job.cwd.split("/") if part not in {"", "."}]
        # `.` means the project's folder; a path that begins with `/` does not.
        own = not inside and not job.cwd.startswith("/")
        folder = str(root if own else paths.below(root, job.cwd, source=source))
    return job.model_copy(update={"notebook": str(notebook), "cwd": folder})


def check_timeout(seconds: float) -> None:
    """Raise UsageError for a negative, infinite or NaN timeout."""
    if not 0 <= seconds <= LONGEST_TIMEOUT:
        raise UsageError(
            f"--timeout {seconds:g} is not a number of seconds", "For example: --timeout 3600"
        )


def _invalid(error: ValidationError, where: str) -> UsageError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"]) or "it"
    key = key if key.isprintable() and len(key) <= 60 else ascii(key[:60])[1:-1]
    if first["type"] == "extra_forbidden":
        known = [field for field in Schedule.model_fields if field != "name"]
        return UsageError(
            f"{where}: unknown key '{key}'", nearest(key, known) or f"Known: {', '.join(known)}"
        )
    message = " ".join(first["msg"].removeprefix("Value error, ").split())
    return UsageError(f"{where}: {key}: {message[0].lower()}{message[1:300]}", "Correct that line")


def _plain_yaml(content: bytes, where: str) -> Any:
    """Parse YAML and return its values in JSON types.

    Raises:
        UsageError: it is not YAML, exceeds a limit, or has a value that is not allowed.
    """
    try:
        _bounded(content, where)
        return _json(yaml.load(content, Loader=_Loader), where)  # noqa: S506 - it is the safe loader
    except MlopsError:
        raise
    except values.ValueRefused as refused:
        raise UsageError(f"{where}: a value {refused}", "Write it in quotes") from None
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        why = error_line(error.problem or error.context or "")
        raise UsageError(
            f"{where}{line} is not YAML: {_printable(why)}", "Correct that line"
        ) from None
    except yaml.YAMLError as error:
        why = _printable(error_line(error))
        raise UsageError(f"{where} cannot be read: {why}") from None
    except Exception as error:  # raised by a scalar's type: 30 February, too many digits
        why = error_line(error)
        raise UsageError(
            f"{where} has a value that cannot be read: {_printable(why)}", "Write it in quotes"
        ) from None


def _bounded(content: bytes, where: str) -> None:
    """Refuse YAML that is too deep or too large, from its parse events.

    The parser keeps its state in a list; the construction of nested values recurses on the C stack.
    """
    depth = 0
    for number, event in enumerate(yaml.parse(content, Loader=_Loader)):
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
        line = f"{where} line {event.start_mark.line + 1 if event.start_mark else '?'}"
        if depth > _DEEPEST:
            raise UsageError(f"{line} is nested more than {_DEEPEST} deep")
        if number > _MOST_VALUES:
            raise UsageError(f"{where} has more than {_MOST_VALUES:,} values")
        if isinstance(event, yaml.ScalarEvent):
            if event.value == "<<" and not event.style:
                # Nested merge keys multiply the number of values.
                raise UsageError(
                    f"{line}: a job cannot use '<<' (merge keys)", "Write the keys out"
                )
            if len(event.value) > _MOST_DIGITS and (
                event.tag in _NUMBERS or _NUMBER.fullmatch(event.value)
            ):
                raise UsageError(f"{line} has a number of {len(event.value):,} digits")


def _json(given: Any, where: str) -> Any:
    """Convert YAML values to JSON values; each use of an alias counts."""
    left = _MOST_VALUES

    def plain(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if depth > _DEEPEST:  # also a value that contains itself
            raise UsageError(f"{where} is nested more than {_DEEPEST} deep")
        if left < 0:
            raise UsageError(f"{where} has more than {_MOST_VALUES:,} values with its aliases")
        if isinstance(value, dict):
            if depth and not all(isinstance(key, str) for key in value):
                raise values.ValueRefused("has keys that are not text: write them in quotes")
            return {_text(str(key), where): plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(item, depth + 1) for item in value]
        if type(value) is int and value.bit_length() > _MOST_BITS:
            raise values.ValueRefused(f"is a number of {value.bit_length()} bits")
        return _text(value, where) if isinstance(value, str) else values.to_json(value)

    return plain(given, 0)


def _text(value: str, where: str) -> str:
    """Return the text unchanged; refuse lone surrogates and NUL."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"{where} has an invalid character (a lone surrogate): {printable(value, 40)}"
        ) from None
    if "\0" in value:
        raise UsageError(f"{where} has a NUL in {printable(value, 40)}")
    return value


def _printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)[1:-1]
