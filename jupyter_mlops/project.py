"""A project: one folder with an `mlops.toml`, its settings, and where its state is kept.

`mlops.toml` is in git. `.mlops/` is not: the embedded store, artifacts, logs and locks live there.
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

_IMPATIENT = "connect_timeout=5&tcp_user_timeout=20000"
#: What DVC's settings say of places: a remote's `url`, the cache's `dir`; its parser takes quotes away.
_PLACE = re.compile(r"""^\s*["']?(?:url|dir)["']?\s*=\s*(.+?)\s*$""", re.MULTILINE | re.IGNORECASE)


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
            raise NotTrusted(f"{self.root} is not trusted, and its files name places elsewhere: "
                             f"{', '.join(places)}")  # fmt: skip
        if not (trust.is_own(self.root) and trust.is_own(self.root / SETTINGS_FILE)):
            raise NotTrusted(f"{self.root} is not trusted, and it belongs to another user")
        brought = [self.state, self.root / ".dvc" / "cache", self.root / ".dvc" / "tmp"]
        links = [self.root / ".dvc", self.root / ".dvc" / "config"]
        if any(map(os.path.lexists, brought)) or any(map(is_link, links)):
            raise NotTrusted(
                f"{self.root} is not trusted, and it brought a store of its own with it"
            )
        trust.grant(self.root, "recorded in it")
        if any((self.root / "jobs").glob("*.yaml")):
            say(f"{self.root} is trusted, as you recorded in it: its jobs run while JupyterLab does. "
                "To take that back: %mlops trust --off")  # fmt: skip

    def named_outside(self) -> list[str]:
        """Return the places outside of the project that its own files name, without passwords.

        What a `MLOPS_*` variable says comes from the user and is not among them.
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


def _named_by_dvc(root: Path) -> list[str]:
    """Return the remotes' URLs and the cache folder that DVC's settings name."""
    found = []
    for name in ("config", "config.local"):
        file = root / ".dvc" / name
        try:
            if readable(file):
                found += _PLACE.findall(file.read_text(encoding="utf-8"))
            elif os.path.lexists(file):
                found.append(f"whatever {file} says, which cannot be read")
        except (OSError, ValueError):
            found.append(f"whatever {file} says, which cannot be read")
    return [place.strip("\"'") for place in found]
