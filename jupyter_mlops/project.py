"""A project: one folder with an `mlops.toml`, its settings, and where its state is kept.

`mlops.toml` is in git. `.mlops/` is not: the embedded store, artifacts, logs and locks live there.
Every setting can be overridden by `MLOPS_<SECTION>_<KEY>`, e.g. `MLOPS_TRACKING_URI`; secrets come
from the environment only.
"""

from __future__ import annotations

import json
import os
import re
import time
import tomllib
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops import files, trust
from jupyter_mlops.errors import NotAProject, nearest
from jupyter_mlops.trust import STATE_FOLDER, NotTrusted

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

SETTINGS_FILE = "mlops.toml"
#: What an environment variable may say for true and false.
_SWITCH = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False, "": False}
#: A bound of `[gate]`: `>= 0.9`, `< 1e-3`.
BOUND = re.compile(r"\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")


#: Bytes of a settings file; a larger one is not read.
_LARGEST_SETTINGS = 1_000_000
_IMPATIENT = "connect_timeout=5&tcp_user_timeout=20000"


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """Who this project is."""

    name: str = ""
    experiment: str = "default"


@dataclass(frozen=True, slots=True)
class TrackingSettings:
    """Where runs are recorded; empty means the embedded sqlite store.

    `artifacts` is where their files go: by default where the tracking server says; beside a
    database, `artifacts` under the data's remote.
    """

    uri: str = ""
    artifacts: str = ""


@dataclass(frozen=True, slots=True)
class DataSettings:
    """Where data versions are pushed to; empty means nowhere."""

    remote: str = ""


@dataclass(frozen=True, slots=True)
class LineageSettings:
    """How closely a recorded cell is watched; `deep` starts the kernels of jobs with the shim."""

    deep: bool = False


@dataclass(frozen=True, slots=True)
class JobsSettings:
    """How notebooks are executed; `timeout` is seconds for a whole notebook, 0 for no limit."""

    workers: int = 2
    timeout: int = 0
    kernel: str = ""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Where services listen, and under which names they answer; loopback unless the user says more."""

    host: str = "127.0.0.1"
    allow_hosts: tuple[str, ...] = ()
    max_body_mb: int = 16


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """When a comparison counts as drift: the share of drifted columns, as in Evidently's preset."""

    share: float = 0.5


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What a model must reach before `model promote` makes it champion; nothing by default.

    Every key of `[gate]` beside the named ones is a metric with its bound:

        [gate]
        accuracy = ">= 0.9"
        log_loss = "<= 0.3"
        data = "data/test.csv"   # scored on these rows; without it, the recorded numbers count
        target = "label"         # default: the one column that the model does not take
        against = "champion"     # also not worse than that alias …
        metric = "accuracy"      # … in this metric (default: the task's first) …
        margin = 0.01            # … by more than this, with 95 % confidence

    `bounds` has them as (metric, bound), because settings must be hashable.
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


@dataclass(frozen=True)
class Project:
    """The folder that everything recorded belongs to."""

    root: Path
    settings: Settings = field(default_factory=Settings)

    @classmethod
    def find(cls, start: Path | str | None = None) -> Project:
        """Return the project at or above `start` (default: `MLOPS_ROOT`, else the working folder).

        Raises:
            NotAProject: there is none, or its `mlops.toml` cannot be read.
        """
        start = Path(start or os.environ.get("MLOPS_ROOT") or Path.cwd()).absolute()
        for folder in (start, *start.parents):
            if (folder / SETTINGS_FILE).is_file():
                return cls(folder, read_settings(folder / SETTINGS_FILE))
        raise NotAProject(
            f"{start} is not in a project (no {SETTINGS_FILE} here or above)",
            "Type: %mlops init (in a terminal: jupyter mlops init)",
        )

    @property
    def name(self) -> str:
        """The name in `mlops.toml`, else the folder's."""
        return self.settings.project.name or self.root.name

    @property
    def state(self) -> Path:
        """The folder that git ignores: stores, logs, locks."""
        return self.root / STATE_FOLDER

    @cached_property
    def tracking_uri(self) -> str:
        """MLflow's tracking URI: the team's, else the embedded sqlite store."""
        uri = self.settings.tracking.uri
        if uri.startswith("postgresql") and "connect_timeout" not in uri:
            # A database behind a dead network is given up in seconds, not in minutes.
            uri += f"{'&' if '?' in uri else '?'}{_IMPATIENT}"
        return uri or f"sqlite:///{self.state / 'mlflow.db'}"

    @property
    def artifacts(self) -> str:
        """Where MLflow keeps artifacts; empty where the tracking server decides.

        A database has no place of its own: artifacts go to the bucket that the data goes to.
        """
        if self.settings.tracking.artifacts:
            return self.settings.tracking.artifacts.rstrip("/")
        if self.settings.tracking.uri.startswith(("http://", "https://")):
            return ""
        remote = self.settings.data.remote
        if self.settings.tracking.uri and "://" in remote:
            return f"{remote.rstrip('/')}/artifacts"
        return (self.state / "artifacts").as_uri()

    @property
    def events(self) -> Path:
        """One JSON line for each change; the server tails it to keep panels live."""
        return self.state / "events.jsonl"

    @property
    def trusted(self) -> bool:
        """Whether this user trusts the project: only then anything of it runs, and somebody is contacted."""
        return trust.is_trusted(self.root)

    def require_trust(self, what: str) -> None:
        """Refuse what runs something of this project or contacts somebody, unless the user trusts it.

        Args:
            what: what would happen, for the message: `its tracking store would be opened`.

        Raises:
            NotTrusted: the project is not trusted.
        """
        if not self.trusted:
            raise NotTrusted(f"{self.root} is not trusted: {what}")

    def trust_by_recording(self) -> None:
        """Trust the project as the user records in it: what is recorded stays in this folder.

        Raises:
            NotTrusted: it needs a yes of its own, because what is recorded would go elsewhere, or into a
                store that came with the folder, or because the folder is another user's.
        """
        if self.trusted:
            return
        places = self.named_outside()
        if places:
            raise NotTrusted(f"{self.root} is not trusted, and it sends what is recorded elsewhere: "
                             f"{', '.join(places)}")  # fmt: skip
        if not (trust.is_own(self.root) and trust.is_own(self.root / SETTINGS_FILE)):
            raise NotTrusted(f"{self.root} is not trusted, and it belongs to another user")
        if any(os.path.lexists(self.state / name) for name in ("mlflow.db", "artifacts", "spool")):
            raise NotTrusted(f"{self.root} is not trusted, and it brought a store of runs with it")
        trust.grant(self.root, "recorded in it")

    def named_outside(self) -> list[str]:
        """Return the places outside of the project that its own files name, without passwords.

        What a `MLOPS_*` variable says comes from the user and is not among them.
        """
        settings = self.settings
        named = [
            settings.tracking.uri if not _overridden("tracking", "uri") else "",
            settings.tracking.artifacts if not _overridden("tracking", "artifacts") else "",
            settings.data.remote if not _overridden("data", "remote") else "",
            *_named_by_dvc(self.root),
        ]
        return [*dict.fromkeys(shown_uri(place) for place in named if place)]

    def relative(self, path: Path | str) -> str:
        """Return `path` as the project writes it: relative to the root where it can be."""
        absolute = Path(path).absolute()
        try:
            return absolute.relative_to(self.root).as_posix()
        except ValueError:
            return absolute.as_posix()

    def locked(self, resource: str, *, timeout: float = 120) -> AbstractContextManager[None]:
        """Hold this project's lock for `resource` across processes."""
        return files.locked(self.state / "locks" / f"{resource}.lock", timeout=timeout)

    def announce(self, noun: str, action: str, name: str = "") -> None:
        """Tell every open panel that something of `noun` changed. Never fails the caller."""
        line = json.dumps({"noun": noun, "action": action, "name": name, "time": time.time()})
        try:
            if self.events.exists() and self.events.stat().st_size > 1_000_000:
                files.replace(self.events, "")
            files.append_line(self.events, line)
        except OSError:
            return


def read_settings(path: Path) -> Settings:
    """Read `mlops.toml` with the `MLOPS_*` overrides on top; unknown keys are errors."""
    try:
        if not _readable(path):
            raise NotAProject(
                f"{path} is larger than a settings file can be", "Is it the right one?"
            )
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise NotAProject(f"{path} is nested too deeply", "Correct it") from None
    except OSError as error:
        raise NotAProject(f"{path} cannot be read: {error.strerror}", "Is it yours?") from None
    except ValueError as error:  # TOML's own, a bad encoding, an integer of too many digits
        raise NotAProject(f"{path} cannot be read: {error}", "Correct that line") from None
    sections = {item.name: item.default_factory for item in fields(Settings)}
    _refuse_unknown(path, "section", given, sections)
    read: dict[str, Any] = {}
    for section, kind in sections.items():
        defaults: Any = kind()  # type: ignore[operator]
        values = given.get(section, {})
        if not isinstance(values, dict):
            raise NotAProject(f"{path}: {section} must be a section", f"Write: [{section}]")
        keys = {item.name: getattr(defaults, item.name) for item in fields(defaults)}
        free = keys.pop("bounds", None)
        if free is None:
            _refuse_unknown(path, f"key in [{section}]", values, keys)
        merged = {
            key: _typed(path, f"{section}.{key}", _override(section, key, values), default)
            for key, default in keys.items()
        }
        if free is not None:
            merged["bounds"] = _bounds(path, section, values, keys)
        read[section] = type(defaults)(**merged)
    return Settings(**read)


def _refuse_unknown(path: Path, what: str, given: Any, known: Any) -> None:
    for key in given:
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


def _overridden(section: str, key: str) -> bool:
    return _variable(section, key) in os.environ


def _named_by_dvc(root: Path) -> list[str]:
    """Return the remotes' URLs and the cache folder that DVC's settings name."""
    import configparser

    found = []
    for name in ("config", "config.local"):
        file = root / ".dvc" / name
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            text = file.read_text(encoding="utf-8") if _readable(file) else ""
            parser.read_string(text)
        except (OSError, ValueError, configparser.Error):
            found.append(f"whatever {file} says, which cannot be read")
            continue
        for section in parser.sections():
            found += [
                value for key, value in parser[section].items() if key in {"url", "dir"} and value
            ]
    return found


def shown_uri(uri: str) -> str:
    """Return a URI as it may be shown: without its password."""
    from urllib.parse import urlsplit

    try:
        password = urlsplit(uri).password if "://" in uri else None
    except ValueError:
        return uri
    return uri.replace(f":{password}@", ":***@").partition("?")[0] if password else uri


def _readable(file: Path) -> bool:
    """Whether this is an ordinary file of an ordinary size; a pipe would block its reader for ever."""
    return file.is_file() and file.stat().st_size <= _LARGEST_SETTINGS


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
    """Return a list of texts; in an environment variable they stand between commas."""
    if isinstance(value, str):
        value = [item.strip() for item in value.split(",") if item.strip()]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise NotAProject(f"{path}: {name} must be a list of texts", 'For example: ["a", "b"]')
    return tuple(value)
