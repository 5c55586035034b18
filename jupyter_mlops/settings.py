"""`mlops.toml`: its sections and keys, read and checked.

Every setting can be overridden by `MLOPS_<SECTION>_<KEY>`, e.g. `MLOPS_TRACKING_URI`; secrets come
from the environment only.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import NotAProject, nearest

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS_FILE = "mlops.toml"
#: The spellings of true and false in an environment variable.
_SWITCH = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False, "": False}
#: A bound of `[gate]`: `>= 0.9`, `< 1e-3`.
BOUND = re.compile(r"\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")
#: Limits in bytes, of the file and of a line: the parser needs quadratic time for a line like `a.a.a…`.
_LARGEST, _LONGEST_LINE = 256_000, 4_000


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """The project's name, and the experiment that its runs go to."""

    name: str = ""
    experiment: str = "default"


@dataclass(frozen=True, slots=True)
class TrackingSettings:
    """Where runs are recorded; an empty `uri` means the embedded sqlite store.

    `artifacts` is where their files go. Default: the tracking server decides; for a database, the
    folder `artifacts` in the data remote.
    """

    uri: str = ""
    artifacts: str = ""


@dataclass(frozen=True, slots=True)
class DataSettings:
    """The DVC remote that data versions are pushed to; empty means none."""

    remote: str = ""


@dataclass(frozen=True, slots=True)
class LineageSettings:
    """Which file reads are recorded; `deep` also records those outside Python, in the kernels of jobs."""

    deep: bool = False


@dataclass(frozen=True, slots=True)
class JobsSettings:
    """How notebooks are executed; `timeout` is in seconds per notebook, 0 for no limit."""

    workers: int = 2
    timeout: int = 0
    kernel: str = ""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Where services listen (default: loopback), and which host names they answer to."""

    host: str = "127.0.0.1"
    allow_hosts: tuple[str, ...] = ()
    max_body_mb: int = 16


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """When a comparison counts as drift: share of drifted columns (default: that of Evidently's preset)."""

    share: float = 0.5


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What a model must reach before `model promote` makes it champion; no conditions by default.

    Every other key of `[gate]` is a metric with its bound:

        [gate]
        accuracy = ">= 0.9"
        log_loss = "<= 0.3"
        data = "data/test.csv"   # scored on these rows; without it, recorded metrics are used
        target = "label"         # default: the one column that is not an input of the model
        against = "champion"     # the model must not be worse than this alias …
        metric = "accuracy"      # … in this metric (default: the task's first) …
        margin = 0.01            # … by more than this, with 95 % confidence

    `bounds` holds (metric, bound) pairs: a tuple, because settings must be hashable.
    """

    data: str = ""
    target: str = ""
    against: str = ""
    metric: str = ""
    margin: float = 0.0
    bounds: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """All of `mlops.toml`, one attribute for each section."""

    project: ProjectSettings = field(default_factory=ProjectSettings)
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    data: DataSettings = field(default_factory=DataSettings)
    lineage: LineageSettings = field(default_factory=LineageSettings)
    jobs: JobsSettings = field(default_factory=JobsSettings)
    service: ServiceSettings = field(default_factory=ServiceSettings)
    drift: DriftSettings = field(default_factory=DriftSettings)
    gate: GateSettings = field(default_factory=GateSettings)


def read_settings(path: Path) -> Settings:
    """Read `mlops.toml` and apply the `MLOPS_*` overrides; unknown keys are errors."""
    try:
        if not readable(path):
            raise NotAProject(
                f"{path} is not a regular file, or has more than {_LARGEST:,} bytes",
                "Is it the right one?",
            )
        text = path.read_text(encoding="utf-8")
        if max(map(len, text.splitlines()), default=0) > _LONGEST_LINE:
            raise NotAProject(
                f"{path} has a line of more than {_LONGEST_LINE} characters", "Split the line"
            )
        content = tomllib.loads(text)
    except RecursionError:
        raise NotAProject(f"{path} is nested too deeply", "Correct it") from None
    except OSError as error:
        raise NotAProject(f"{path} cannot be read: {error.strerror}", "Is it yours?") from None
    except ValueError as error:  # TOML's own, a bad encoding, an integer of too many digits
        raise NotAProject(f"{path} cannot be read: {error}", "Correct that line") from None
    sections = {item.name: item.default_factory for item in fields(Settings)}
    _refuse_unknown(path, "section", content, sections)
    read: dict[str, Any] = {}
    for section, kind in sections.items():
        defaults: Any = kind()  # type: ignore[operator]
        values = content.get(section, {})
        if not isinstance(values, dict):
            raise NotAProject(f"{path}: {section} must be a section", f"Write: [{section}]")
        keys = {item.name: getattr(defaults, item.name) for item in fields(defaults)}
        bounds = keys.pop("bounds", None)
        if bounds is None:
            _refuse_unknown(path, f"key in [{section}]", values, keys)
        merged = {
            key: _typed(path, f"{section}.{key}", _override(section, key, values), default)
            for key, default in keys.items()
        }
        if bounds is not None:
            merged["bounds"] = _bounds(path, section, values, keys)
        read[section] = type(defaults)(**merged)
    return Settings(**read)


def _refuse_unknown(path: Path, what: str, names: Any, known: Any) -> None:
    for key in names:
        if key not in known:
            hint = nearest(key, known) or f"Known: {', '.join(known)}"
            raise NotAProject(f"{path}: unknown {what} '{key}'", hint)


def _bounds(
    path: Path, section: str, values: dict[str, Any], known: dict[str, Any]
) -> tuple[tuple[str, str], ...]:
    bounds = []
    for name in values:
        if name in known:
            continue
        bound = _override(section, name, values)
        if not isinstance(bound, str) or not BOUND.fullmatch(bound):
            hint = nearest(name, known) or f'A metric has a bound: {name} = ">= 0.9"'
            raise NotAProject(f"{path}: {section}.{name} = {bound!r} is not a bound", hint)
        bounds.append((name, bound))
    return tuple(bounds)


def _variable(section: str, key: str) -> str:
    return f"MLOPS_{section}_{key}".upper()


def _override(section: str, key: str, values: dict[str, Any]) -> Any:
    return os.environ.get(_variable(section, key), values.get(key))


def overridden(section: str, key: str) -> bool:
    """Return whether an environment variable of the user overrides this setting of the project."""
    return _variable(section, key) in os.environ


def readable(file: Path) -> bool:
    """Return whether this is a regular file of reasonable size; a pipe would block its reader forever."""
    return file.is_file() and file.stat().st_size <= _LARGEST


def _typed(path: Path, name: str, value: Any, default: Any) -> Any:
    if value is None:
        return default
    if isinstance(value, str) and isinstance(default, bool):
        value = _SWITCH.get(value.lower())
    elif isinstance(default, tuple):
        return _texts(path, name, value)
    elif isinstance(value, str) and not isinstance(default, str):
        try:
            return type(default)(value)
        except ValueError:
            value = None
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        raise NotAProject(
            f"{path}: {name} must be a {type(default).__name__}", f"For example: {default!r}"
        )
    return value


def _texts(path: Path, name: str, value: Any) -> tuple[str, ...]:
    """Return a list of texts; an environment variable separates them by commas."""
    if isinstance(value, str):
        value = [item.strip() for item in value.split(",") if item.strip()]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise NotAProject(f"{path}: {name} must be a list of texts", 'For example: ["a", "b"]')
    return tuple(value)
