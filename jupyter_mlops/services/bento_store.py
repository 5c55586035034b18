"""Read the project's Bento store without BentoML, whose import is slow.

`bentos/NAME/latest` names a version, and `bentos/NAME/VERSION/src/origin.json` says what was packaged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jupyter_mlops import files
from jupyter_mlops.errors import MlopsError, NotFound, UsageError, nearest
from jupyter_mlops.paths import below
from jupyter_mlops.text import cut

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project

_NAME = re.compile(r"[a-z0-9]([-._a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Bento:
    """One packaged version of a service: its folder and its origin."""

    path: Path
    origin: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Bento:
        """Read the Bento in the folder `path` (`…/NAME/VERSION`).

        Raises:
            ValueError: its origin.json is not valid.
        """
        origin = files.json_in(path / "src" / "origin.json")
        if not isinstance(origin, dict) or not isinstance(origin.get("run_id"), str):
            raise ValueError("its origin.json is not valid")  # noqa: TRY004 - the content is wrong
        return cls(path, origin)

    @property
    def name(self) -> str:
        """The service's name."""
        return self.path.parent.name

    @property
    def tag(self) -> str:
        """BentoML's tag, `name:version`."""
        return f"{self.name}:{self.path.name}"

    @property
    def created(self) -> datetime:
        """When it was built."""
        return datetime.fromisoformat(self.origin["built"])

    @property
    def source(self) -> Path:
        """The folder with service.py, the model and the reference data."""
        return self.path / "src"

    def read_json(self, name: str) -> Any:
        """Read one of the Bento's JSON files."""
        return files.json_in(self.source / name)


def home(project: Project) -> Path:
    """The folder for BENTOML_HOME."""
    return project.state / "bentoml"


def names(project: Project) -> list[str]:
    """The names of all services, sorted; folders whose name is not a valid one are no services."""
    found = (path.parent.name for path in (home(project) / "bentos").glob("*/latest"))
    return sorted(name for name in found if _NAME.fullmatch(name))


def latest(project: Project, name: str) -> Bento:
    """Return the latest version of a service.

    Raises:
        NotFound: no service of that name was built.
    """
    check_name(name)
    folder = home(project) / "bentos" / name
    try:
        version = files.content(folder / "latest", most=1000).decode().strip()
        return _read(project, name, version)
    except (OSError, ValueError, MlopsError):
        known = names(project)
        hint = nearest(name, known) or (
            f"Known: {', '.join(known)}" if known else "Build one: %mlops service build RUN"
        )
        raise NotFound(f"No service '{name}'", hint) from None


def by_tag(project: Project, tag: str) -> Bento:
    """Return one version of a service.

    Raises:
        NotFound: it does not exist, or its folder is damaged.
    """
    name, _, version = tag.partition(":")
    try:
        return _read(project, name, version)
    except (OSError, ValueError):
        raise NotFound(f"No service '{cut(tag, 64)}'", "Type: %mlops service list") from None


def _read(project: Project, name: str, version: str) -> Bento:
    source = f"The Bento store's '{cut(name, 64)}'"
    return Bento.read(below(home(project) / "bentos", f"{name}/{version}", source=source))


def publish(project: Project, built: Path, name: str) -> Bento:
    """Move a checked Bento into the store in one step, and make it the latest version."""
    target = home(project) / "bentos" / name / built.name
    target.parent.mkdir(parents=True, exist_ok=True)
    built.rename(target)
    files.replace(target.parent / "latest", built.name)
    return Bento.read(target)


def check_name(name: str) -> None:
    """Refuse a name that BentoML or the file system does not allow.

    Raises:
        UsageError: it is not lower-case letters, digits, `-`, `_` and `.`, at most 63 of them.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{cut(name, 64)}' is not a valid name for a service", f"For example: {slug(name)}"
        )


def slug(name: str) -> str:
    """Return the most similar valid name for a service."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-") or "model"
