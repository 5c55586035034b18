"""A project: a folder with an `mlops.toml`, its settings and its state folder.

`mlops.toml` is in git. `.mlops/` is not: it holds the embedded store, artifacts, logs and locks.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mlops import files, trust
from jupyter_mlops.errors import NotAProject
from jupyter_mlops.paths import is_link
from jupyter_mlops.progress import say
from jupyter_mlops.settings import SETTINGS_FILE, Settings, overridden, read_settings, readable
from jupyter_mlops.trust import STATE_FOLDER, NotTrusted
from jupyter_mlops.urls import without_password

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_SHORT_TIMEOUTS = "connect_timeout=5&tcp_user_timeout=20000"
#: The places in DVC's settings: a remote's `url` and the cache's `dir`, with or without quotes.
_PLACE = re.compile(r"""^\s*["']?(?:url|dir)["']?\s*=\s*(.+)$""", re.MULTILINE | re.IGNORECASE)
#: What makes a value in DVC's settings longer than its line.
_MANY_LINES = ("'''", '"""')


@dataclass(frozen=True)
class Project:
    """A project folder and its settings."""

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
            "Type: %mlops init",
        )

    @property
    def name(self) -> str:
        """The name in `mlops.toml`, else the folder's name."""
        return self.settings.project.name or self.root.name

    @property
    def state(self) -> Path:
        """The folder of stores, logs and locks; git ignores it."""
        return self.root / STATE_FOLDER

    @cached_property
    def tracking_uri(self) -> str:
        """MLflow's tracking URI: the team's, else the embedded sqlite store."""
        uri = self.settings.tracking.uri
        if uri.startswith("postgresql") and "connect_timeout" not in uri:
            # By default, a connection through a dead network takes minutes to fail.
            uri += f"{'&' if '?' in uri else '?'}{_SHORT_TIMEOUTS}"
        return uri or f"sqlite:///{self.state / 'mlflow.db'}"

    @property
    def artifacts(self) -> str:
        """Where MLflow keeps artifacts; empty if the tracking server decides.

        A database stores no artifacts: they go to the bucket of the data remote.
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
        """The file with one JSON line per change; the server tails it to update open panels."""
        return self.state / "events.jsonl"

    @property
    def trusted(self) -> bool:
        """Whether this user trusts the project. If not, none of its code runs and no server is contacted."""
        return trust.is_trusted(self.root)

    def require_trust(self, what: str) -> None:
        """Raise unless the user trusts the project; called before its code runs or a server is contacted.

        Args:
            what: what was not done, for the message: `its tracking store was not opened`.

        Raises:
            NotTrusted: the project is not trusted.
        """
        if not self.trusted:
            raise NotTrusted(f"{self.root} is not trusted: {what}")

    def trust_by_recording(self) -> None:
        """Trust the project because the user records in it, if all that is recorded stays in this folder.

        Raises:
            NotTrusted: the user must trust it explicitly, because its settings name places elsewhere,
                because it contains a store already, or because another user owns it.
        """
        if self.trusted:
            return
        places = self.named_outside()
        if places:
            raise NotTrusted(f"{self.root} is not trusted, and its files name places elsewhere: "
                             f"{', '.join(places)}")  # fmt: skip
        if not (trust.is_own(self.root) and trust.is_own(self.root / SETTINGS_FILE)):
            raise NotTrusted(f"{self.root} is not trusted, and it belongs to another user")
        stores = [self.state, self.root / ".dvc" / "cache", self.root / ".dvc" / "tmp"]
        links = [self.root / ".dvc", self.root / ".dvc" / "config"]
        if any(map(os.path.lexists, stores)) or any(map(is_link, links)):
            raise NotTrusted(f"{self.root} is not trusted, and it already contains a store")
        trust.grant(self.root, "recorded in it")
        if any((self.root / "jobs").glob("*.yaml")):
            say(f"{self.root} is trusted now, because you recorded in it: its scheduled jobs run while JupyterLab "
                "runs. To undo: %mlops trust --off")  # fmt: skip

    def named_outside(self) -> list[str]:
        """Return the places outside of the project that its own files name, without passwords.

        Settings from `MLOPS_*` variables are left out: they come from the user.
        """
        settings = self.settings
        named = [
            settings.tracking.uri if not overridden("tracking", "uri") else "",
            settings.tracking.artifacts if not overridden("tracking", "artifacts") else "",
            settings.data.remote if not overridden("data", "remote") else "",
            *_named_by_dvc(self.root),
        ]
        return [*dict.fromkeys(without_password(place) for place in named if place)]

    def relative(self, path: Path | str) -> str:
        """Return `path` relative to the project's root, or absolute if it is outside."""
        absolute = Path(path).absolute()
        try:
            return absolute.relative_to(self.root).as_posix()
        except ValueError:
            return absolute.as_posix()

    def locked(self, resource: str, *, timeout: float = 120) -> AbstractContextManager[None]:
        """Hold this project's lock for `resource` across processes."""
        return files.locked(self.state / "locks" / f"{resource}.lock", timeout=timeout)

    def announce(self, noun: str, action: str, name: str = "") -> None:
        """Notify every open panel that something of `noun` changed. Raises nothing."""
        line = json.dumps({"noun": noun, "action": action, "name": name, "time": time.time()})
        try:
            if self.events.exists() and self.events.stat().st_size > 1_000_000:
                files.replace(self.events, "")
            files.append_line(self.events, line)
        except OSError:
            return


def _named_by_dvc(root: Path) -> list[str]:
    """Return the remotes' URLs and the cache folder that DVC's settings name."""
    found = []
    for name in ("config", "config.local"):
        file = root / ".dvc" / name
        try:
            if readable(file):
                found += _places_in(file.read_text(encoding="utf-8"))
            elif os.path.lexists(file):
                found.append(f"addresses in {file} that cannot be read")
        except (OSError, ValueError):
            found.append(f"addresses in {file} that cannot be read")
    return [place.strip("\"'") or "a place without a name" for place in found]


def _places_in(text: str) -> list[str]:
    """Return the values of DVC's settings that name a place. DVC ends a line at more characters than a newline."""
    lines = [*text.split("\n"), *text.splitlines()]
    found = [place.strip() for line in lines for place in _PLACE.findall(line)]
    if any(quotes in text for quotes in _MANY_LINES):
        found.append("places in a value of several lines")
    return [*dict.fromkeys(found)]
