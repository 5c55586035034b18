"""The verbs of a whole project: `init`, `trust`, `status`, `doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_mlops import files, tables
from jupyter_mlops import trust as trusted
from jupyter_mlops.environment import git
from jupyter_mlops.errors import BackendFailed, MlopsError
from jupyter_mlops.installation import doctor as doctor
from jupyter_mlops.project import Project
from jupyter_mlops.records import Record, TextRecord
from jupyter_mlops.runs.preview import Preview, preview
from jupyter_mlops.settings import SETTINGS_FILE
from jupyter_mlops.trust import STATE_FOLDER, NotTrusted
from jupyter_mlops.urls import without_password

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


class Initialised(TextRecord):
    """What `init` made and what it found."""

    name: str
    root: str
    made: list[str]
    found: list[str]

    def __str__(self) -> str:
        made = f"made {', '.join(self.made)}" if self.made else "nothing to do"
        found = f"; found {', '.join(self.found)}" if self.found else ""
        return f"project '{self.name}' in {self.root}: {made}{found}"


class Trust(TextRecord):
    """Whether a project is trusted, and what that means for it."""

    name: str
    root: str
    trusted: bool
    outside: list[str]
    schedules: bool

    def __str__(self) -> str:
        if not self.trusted:
            return f"{self.root} is not trusted: nothing of it runs, and nobody is contacted"
        means = [f"it may contact {', '.join(self.outside)}"] if self.outside else []
        means += ["its scheduled jobs run while JupyterLab does"] if self.schedules else []
        return f"{self.root} is trusted{': ' if means else ''}{'; '.join(means)}"


class ProjectOverview(Record):
    """The project at a glance."""

    name: str
    root: str
    trusted: bool
    experiment: str
    tracking: str
    remote: str
    commit: str
    dirty: bool
    runs: int | None
    data: int
    jobs: int
    services: int
    next_run: Preview | None = None

    def details(self) -> list[tuple[str, Any]]:
        """Return (title, value) pairs; what the next recorded cell would keep comes last, by itself."""
        pairs = [(name, value) for name, value in super().details() if name != "next_run"]
        if self.trusted:
            return [pair for pair in pairs if pair[0] != "trusted"]
        said = "no: nothing of it runs, and nobody is contacted; if you trust who made it: %mlops trust"
        return [(name, said if name == "trusted" else value) for name, value in pairs]

    def __str__(self) -> str:
        above = tables.pairs_text(self.details())
        if self.next_run is None:
            return above
        return f"{above}\n\n{self._heading()}\n{tables.pairs_text(self.next_run.details()[self._skip :])}"

    def _repr_html_(self) -> str:
        above = tables.pairs_html(self.details())
        if self.next_run is None:
            return above
        below = tables.pairs_html(self.next_run.details()[self._skip :])
        return f"{above}<p><b>{tables.escape(self._heading())}</b></p>{below}"

    @property
    def _skip(self) -> int:
        return 1 if self.next_run and self.next_run.cell else 0

    def _heading(self) -> str:
        cell = self.next_run.cell if self.next_run else ""
        if not cell:
            return "A recorded cell would keep:"
        return f"Recorded, {cell} would keep:"


def init(path: str = "", *, name: str = "") -> Initialised:
    """Make a folder a project: settings, git, DVC and an MLflow store, where there are none.

    Running it again changes nothing; two at once are safe.
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
        trusted.grant(root, "init")
        project = Project.find(root)
        _ignore(root)
        note("DVC", ensure_repository(project))
        if project.settings.tracking.uri:
            found.append(f"MLflow at {without_password(project.settings.tracking.uri)}")
        else:
            note("MLflow (sqlite)", ensure_store(project))
    project.announce("project", "initialised", project.name)
    return Initialised(name=project.name, root=str(root), made=made, found=found)


def trust(path: str = "", *, off: bool = False, project: Project | None = None) -> Trust:
    """Trust a project: from now on its jobs run, its models load, and what it names is contacted.

    The yes is kept outside of the project, for this user, this folder and its owner.

    Args:
        path: the project's folder, or one in it; default: the working folder.
        off: take it back. What runs already goes on until it ends or JupyterLab does.
        project: default: the project at or above `path`.
    """
    project = project or Project.find(path or None)
    if off:
        trusted.withdraw(project.root)
    else:
        trusted.grant(project.root, "trust")
        project.announce("project", "trusted", project.name)
    return trust_of(project)


def trust_of(project: Project) -> Trust:
    """Return whether a project is trusted, and what that means for it."""
    from jupyter_mlops import jobs

    return Trust(
        name=project.name,
        root=str(project.root),
        trusted=project.trusted,
        outside=project.named_outside(),
        schedules=jobs.has_schedules(project),
    )


def status(*, project: Project | None = None) -> ProjectOverview:
    """Show the project and how much of each noun it holds; in a notebook also what a recorded cell keeps."""
    from jupyter_mlops import data, jobs, services
    from jupyter_mlops.environment.packages import git_state

    project = project or Project.find()
    commit, patch = git_state(project.root)
    return ProjectOverview(
        name=project.name,
        root=str(project.root),
        trusted=project.trusted,
        experiment=project.settings.project.experiment,
        tracking=without_password(project.settings.tracking.uri or project.tracking_uri),
        remote=project.settings.data.remote,
        commit=commit[:12],
        dirty=bool(patch),
        runs=_runs(project),
        data=len(data.list(project=project)),
        jobs=len(jobs.list(project=project)),
        services=len(services.list(project=project)),
        next_run=preview(project=project),
    )


def _ensure_git(root: Path) -> bool:
    try:
        # A folder that the outer repository ignores is nobody's; it gets a repository of its own.
        if git.run(root, "check-ignore", "-q", ".").returncode != 0:
            return False
    except git.RepositoryRefused:
        return False  # it is there, and `doctor` says why it is not read
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


def _runs(project: Project) -> int | None:
    """Return how many runs there are; None where only a store elsewhere could say, and is not asked."""
    from jupyter_mlops.runs.run_list import count

    try:
        return count(project)
    except NotTrusted:
        return None
