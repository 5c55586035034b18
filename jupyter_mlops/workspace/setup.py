"""`init`: make a folder a project."""

from __future__ import annotations

from pathlib import Path

from jupyter_mlops import files
from jupyter_mlops import trust as trust_records
from jupyter_mlops.environment import git
from jupyter_mlops.errors import BackendFailed, MlopsError
from jupyter_mlops.project import Project
from jupyter_mlops.settings import SETTINGS_FILE
from jupyter_mlops.trust import STATE_FOLDER
from jupyter_mlops.urls import without_password
from jupyter_mlops.workspace.records import Initialised

_LARGEST_IGNORE = 4_000_000
_TEMPLATE = """\
# The settings of this project; each can be overridden by MLOPS_<SECTION>_<KEY>.

[project]
name = {name}
experiment = {name}

# With a team, three lines replace the embedded defaults:
# [tracking]
# uri = "https://mlflow.example.org"     # or postgresql://…
# [data]
# remote = "s3://bucket/data"
"""


def init(path: str = "", *, name: str = "") -> Initialised:
    """Make a folder a project: create settings, git, DVC and an MLflow store if they do not exist.

    A second run changes nothing; two runs at once are safe.
    """
    from jupyter_mlops.data.setup import ensure_repository
    from jupyter_mlops.tracking.store import ensure_store

    root = Path(path or ".").absolute()
    root.mkdir(parents=True, exist_ok=True)
    made: list[str] = []
    found: list[str] = []

    def note(what: str, fresh: bool) -> None:
        (made if fresh else found).append(what)

    with files.locked(root / STATE_FOLDER / "locks" / "init.lock"):
        note("git", _ensure_git(root))
        note(SETTINGS_FILE, _ensure_settings(root, name or root.name or "project"))
        trust_records.grant(root, "init")
        project = Project.find(root)
        _ignore(root)
        note("DVC", ensure_repository(project))
        if project.settings.tracking.uri:
            found.append(f"MLflow at {without_password(project.settings.tracking.uri)}")
        else:
            note("MLflow (sqlite)", ensure_store(project))
    project.announce("project", "initialised", project.name)
    return Initialised(name=project.name, root=str(root), made=made, found=found)


def _ensure_git(root: Path) -> bool:
    try:
        # A folder that the outer repository ignores gets its own repository.
        if git.run(root, "check-ignore", "-q", ".").returncode != 0:
            return False
    except git.RepositoryRefused:
        return False  # a repository exists, and `doctor` says why it is not read
    except git.NoRepository:
        pass
    done = git.outside(root, "init", "-q", ".")
    if done.returncode:
        raise BackendFailed(f"git init failed: {git.reason(done)}")
    return True


def _ensure_settings(root: Path, name: str) -> bool:
    if (root / SETTINGS_FILE).exists():
        return False
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    files.replace(root / SETTINGS_FILE, _TEMPLATE.format(name=quoted))
    return True


def _ignore(root: Path) -> None:
    file = root / ".gitignore"
    try:
        present = files.content(file, most=_LARGEST_IGNORE, link=False).decode(
            errors="surrogateescape"
        )
    except FileNotFoundError:
        present = ""
    except OSError as error:
        raise MlopsError(
            f"{file} cannot be used: {error.strerror}", "Replace it by a file"
        ) from None
    line = f"/{STATE_FOLDER}/"
    if line not in present.splitlines():
        text = f"{present.rstrip()}\n{line}\n".lstrip("\n")
        files.replace(file, text.encode(errors="surrogateescape"))
