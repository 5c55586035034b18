"""A scratch copy of the project for a run: code from its snapshot, data from the cache.

It is in `.mlops/reproduce/`, next to a note that names its process. The next replay removes the copies
of killed processes.
"""

from __future__ import annotations

import json
import secrets
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mlops import data, files, guarded, temporary
from jupyter_mlops.data import dvc_file
from jupyter_mlops.environment import git
from jupyter_mlops.errors import BackendFailed, MlopsError, NotFound
from jupyter_mlops.paths import ThroughALink, UnsafePath, below, is_link
from jupyter_mlops.processes.identity import ProcessId
from jupyter_mlops.project import Project
from jupyter_mlops.replays import filtered_files
from jupyter_mlops.runs.capsules.capsule import is_elsewhere
from jupyter_mlops.settings import SETTINGS_FILE
from jupyter_mlops.text import error_line
from jupyter_mlops.tracking.store import ensure_store
from jupyter_mlops.trust import REPLAYS, STATE_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_mlops.runs.capsules.capsule import Capsule

_SOURCE = "The run's capsule"
_EMPTY = "empty-store-"
_NOT_COPIED = (
    STATE_FOLDER, ".git", ".venv", "venv", "node_modules", "__pycache__", ".ipynb_checkpoints",
    "cache", "tmp",
)  # fmt: skip
_LARGEST_UNASKED = 1_000_000_000


@dataclass(slots=True)
class Scratch:
    """A scratch project; `notes` lists what could not be restored."""

    project: Project
    notes: list[str] = field(default_factory=list)


@contextmanager
def checkout(
    project: Project, run_id: str, capsule: Capsule, *, fresh: bool = False
) -> Iterator[Scratch]:
    """Create the scratch project of a run, and always remove it after the block.

    With `fresh`, data files that the session created are left out, and data files that it changed
    have their committed content.

    Raises:
        NotFound: the snapshot is no longer in git.
        BackendFailed: the copy cannot be made; the snapshot may have a file where another needs a folder.
    """
    home = project.state / REPLAYS
    sweep(project)
    top = below(home, f"{run_id[:8]}-{secrets.token_hex(3)}", source="A run's id")
    note = top.with_name(f"{top.name}.json")
    root = _root(top, capsule)
    inside = root.relative_to(top).as_posix()
    files.replace(note, json.dumps(ProcessId.own().note() | {"root": inside}))
    try:
        try:
            root, notes = _filled(project, capsule, top, fresh=fresh)
        except OSError as error:
            raise BackendFailed(
                f"The copy for the replay cannot be made: {error_line(error)}",
                "Record the run again",
            ) from error
        yield Scratch(Project(root, project.settings), notes)
    finally:
        _remove(project, top)
        note.unlink(missing_ok=True)


def _filled(
    project: Project, capsule: Capsule, top: Path, *, fresh: bool
) -> tuple[Path, list[str]]:
    """Fill a copy with code, settings and data; return the project's folder in it, and the notes."""
    notes: list[str] = []
    _code(project, capsule, top, notes)
    root = _root(top, capsule)  # again: the snapshot may contain links
    root.mkdir(parents=True, exist_ok=True)
    _own_state(root)
    if not (root / SETTINGS_FILE).is_file():
        guarded.put(project.root / SETTINGS_FILE, root, root / SETTINGS_FILE)
    _data(project, capsule, root, notes)
    if fresh:
        _before_the_session(project, capsule, root)
    if capsule.commit:
        with suppress(git.GitFailed):
            notes += filtered_files.place(project, top)
    _own_cache(root)
    return root, notes


def sweep(project: Project) -> None:
    """Remove the scratch projects of killed processes."""
    for note in (project.state / REPLAYS).glob("*.json"):
        try:
            owner = ProcessId.noted(files.json_in(note))
        except (OSError, ValueError):
            continue
        if owner is not None and owner.ended:
            _remove(project, note.with_suffix(""))
            note.unlink(missing_ok=True)


def _root(top: Path, capsule: Capsule) -> Path:
    """Return the project's folder in the snapshot."""
    if not capsule.commit or not capsule.prefix.strip("/"):
        return top
    return below(top, capsule.prefix, source=_SOURCE)


def _code(project: Project, capsule: Capsule, top: Path, notes: list[str]) -> None:
    if not capsule.commit:
        notes.append("no snapshot (git was not available): the current code is used")
        shutil.copytree(
            project.root, top, symlinks=True, ignore=shutil.ignore_patterns(*_NOT_COPIED)
        )
        return
    try:
        git.text(
            project.root, "worktree", "add", "--quiet", "--detach", str(top), capsule.commit,
            seconds=None,
        )  # fmt: skip
    except git.GitFailed as error:
        raise NotFound(
            f"The snapshot {capsule.commit[:12]} of the code cannot be checked out: {error}",
            "A clone gets it by: git fetch origin 'refs/mlops/*:refs/mlops/*'",
        ) from None


def _remove(project: Project, top: Path) -> None:
    shutil.rmtree(top, ignore_errors=True)
    with suppress(git.GitFailed, OSError):
        git.text(project.root, "worktree", "prune")


def _data(project: Project, capsule: Capsule, root: Path, notes: list[str]) -> None:
    """Restore the capsule's files, then those that `.dvc` files in the snapshot name."""
    # Every path is checked before the first file is written.
    for path, version, target in _uses(capsule, root, notes):
        _place(project, version, root, target, path, notes)
    total = 0
    copy = Project(root, project.settings)
    for file in dvc_file.files_of(copy):
        try:
            pointer = dvc_file.read(file, copy)
        except MlopsError as error:
            notes.append(error.what)
            continue
        if pointer.target.exists():
            continue
        total += pointer.size
        if total <= _LARGEST_UNASKED:
            path = pointer.target.relative_to(root).as_posix()
            _place(project, pointer.version, root, pointer.target, path, notes)


def _uses(capsule: Capsule, root: Path, notes: list[str]) -> list[tuple[str, str, Path]]:
    """Return (path, version, place) of the capsule's files, without files outside the project."""
    found = []
    for use in capsule.data:
        if is_elsewhere(use.path):
            continue
        try:
            place = below(root, use.path, source=_SOURCE, link=True)
        except ThroughALink:
            # It may be the user's own data folder: read it, but do not write to it.
            notes.append(f"{use.path}: behind a symbolic link, so its current content is used")
            continue
        found.append((use.path, data.checked(use.version, _SOURCE), place))
    return found


def committed(project: Project, capsule: Capsule) -> list[str]:
    """Return the files that the session changed and that are in the last commit before it."""
    if not (capsule.commit and capsule.changed):
        return []
    paths = [path for path in capsule.changed if not is_elsewhere(path)]
    for path in paths:
        with suppress(ThroughALink):  # git does not follow it
            below(project.root, path, source=_SOURCE, link=True)
    output = git.text(
        project.root, "ls-tree", "-z", "--name-only", f"{capsule.commit}^", "--", *paths,
        check=False,
    )  # fmt: skip
    return [path for path in output.split("\0") if path]


def _before_the_session(project: Project, capsule: Capsule, root: Path) -> None:
    made = []
    for path in capsule.made:
        with suppress(ThroughALink):
            if not is_elsewhere(path):
                made.append(below(root, path, source=_SOURCE, link=True))
    for place in made:
        if not place.is_dir() or is_link(place):  # the snapshot may have a folder there
            guarded.remove(root, place)
    for path in committed(project, capsule):
        git.text(root, "restore", "--source", f"{capsule.commit}^", "--worktree", "--", path)


def _place(
    project: Project, version: str, root: Path, target: Path, shown: str, notes: list[str]
) -> None:
    try:
        if not version.endswith(".dir"):
            guarded.put(data.cached(version, project=project), root, target)
            return
        if is_link(target):
            guarded.remove(root, target)  # its target belongs to the user
        listed = data.listing(version, project=project)
        for place, oid in data.places(listed, target, shown).items():
            guarded.put(data.cached(oid, project=project), root, place)
    except UnsafePath:
        raise  # not an accident
    except (MlopsError, OSError) as error:
        notes.append(f"{shown}: {error.what if isinstance(error, MlopsError) else error}")


def _own_state(root: Path) -> None:
    """Remove from a snapshot the state folder, and what is no folder or file where we or DVC write one.

    Through a link we would write elsewhere.
    """
    _remove_any(root / STATE_FOLDER)
    for name in (".dvc", ".dvc/tmp", ".dvc/cache"):
        if is_link(root / name) or not (root / name).is_dir():
            _remove_any(root / name)
    for name in (SETTINGS_FILE, ".dvc/config", ".dvc/config.local"):
        if is_link(root / name) or not (root / name).is_file():
            _remove_any(root / name)


def _remove_any(path: Path) -> None:
    if path.is_dir() and not is_link(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _own_cache(root: Path) -> None:
    """Create a DVC repository in the scratch project, so that nothing is written to the user's."""
    config = root / ".dvc" / "config"
    if not config.exists():
        guarded.replace(b"[core]\n    no_scm = true\n", root, config)
    local = b"[cache]\n    dir = cache\n    type = copy\n"
    guarded.replace(local, root, config.with_name("config.local"))


def give_store(project: Project, to: Project) -> None:
    """Copy an empty store into a scratch project: MLflow takes two seconds to create one."""
    template = project.state / f"{_EMPTY}{metadata.version('mlflow')}.db"
    if not template.exists():
        with project.locked("empty-store"), temporary.folder() as folder:
            for old in project.state.glob(f"{_EMPTY}*.db"):
                old.unlink(missing_ok=True)
            place = Project(folder)
            ensure_store(place, quietly=True)  # it is the replay's, not the project's
            files.replace(template, (place.state / "mlflow.db").read_bytes())
    store = to.state / "mlflow.db"
    # A process with another version of MLflow may remove the template at this moment.
    with suppress(FileNotFoundError):
        guarded.put(template, to.root, store)
