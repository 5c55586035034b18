"""The capsule of a run: one artifact with everything needed to execute the run again.

It holds the kernel's full history in execution order, with the recorded cell last: a static choice
of the needed cells is wrong too often. It also holds the versions of the data, a git commit of the
code with untracked files, and the states of the random generators. The packages are in the run's
manifest.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from jupyter_mlops import data, files
from jupyter_mlops.cells import needed_files, own_lines
from jupyter_mlops.data import dvc_file
from jupyter_mlops.environment import git
from jupyter_mlops.errors import BackendFailed, MlopsError, NotFound
from jupyter_mlops.records import Record
from jupyter_mlops.runs import query
from jupyter_mlops.runs.capsules import hidden_state as hidden
from jupyter_mlops.runs.capsules import session_files, snapshot
from jupyter_mlops.runs.capsules.history import History, generator_state
from jupyter_mlops.runs.records import DataUse
from jupyter_mlops.secrets.redaction import is_secret_file, redact_all
from jupyter_mlops.text import error_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Executor, Future

    from jupyter_mlops.project import Project
    from jupyter_mlops.runs.batch import RunBatch

ARTIFACT = "mlops/capsule.json"
#: Set in the kernel of a replay: a replayed run needs no capsule.
OFF = "MLOPS_CAPSULE_OFF"
_LARGEST_LITERAL = 1_000_000_000
_NOT_DATA = {".py", ".pyc", ".ipynb", ".so", ".dvc", ".toml", ".lock"}
_LARGEST_CAPSULE = 1_000_000_000
#: git reads any other text as a revision name or an option.
_COMMIT = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})?")


class CapsuleCell(Record):
    """One execution of a cell; `ok` is False if it failed, and `error` is its exception's type."""

    source: str
    ok: bool = True
    error: str = ""
    cell_id: str = ""


class Capsule(Record):
    """Everything needed to execute a run again.

    `cells` is the history, the recorded cell last. `folder` is the kernel's working folder. `data`
    lists the files to restore, by paths from the project's root. `commit` is empty if the project
    is not in git. `redacted` names the files from which secrets were removed. `generators` maps each
    random generator to (number of cells before its state was read, state). `before` holds the states
    right before the recorded cell. `made` and `changed` are the data files that the session created
    or changed before that cell.
    """

    format: int = 1
    cells: list[CapsuleCell]
    folder: str = "."
    #: Never a git option: another person may have written the capsule.
    commit: str = Field(default="", pattern="^([0-9a-f]{40}|[0-9a-f]{64})?$")
    prefix: str = ""
    left_out: list[str] = []
    redacted: list[str] = []
    data: list[DataUse] = []
    hidden: list[str] = []
    generators: dict[str, tuple[int, Any]] = {}
    before: dict[str, Any] = {}
    made: list[str] = []
    changed: list[str] = []

    @field_validator("commit")
    @classmethod
    def _is_a_commit(cls, commit: str) -> str:
        if not _COMMIT.fullmatch(commit):
            raise ValueError("its commit id is invalid")
        return commit


class PendingCapsule:
    """A capsule while its cell runs; the constructor collects what must be read before the cell."""

    def __init__(
        self,
        executor: Executor,
        project: Project,
        history: History,
        namespace: dict[str, Any],
        notebook: str = "",
    ) -> None:
        self._executor = executor
        self._held: Future[None] | None = None
        self.project = project
        self.history = history
        self.started = time.time_ns()
        self.count = len(history.cells)
        self._frozen = Event()
        self._taken = executor.submit(snapshot.take, project, frozen=self._frozen)
        path = project.root / notebook if notebook else None
        self.hidden = hidden.find(history, namespace, hidden.saved(path))
        history.look_at_generators(self.count - 1)
        found = {name: generator_state(name) for name in history.generators}
        self.before = {name: state for name, state in found.items() if state is not None}

    def wait(self) -> None:
        """Wait until git has read the files; then the cell may change them."""
        self._frozen.wait()

    def keep(self, batch: RunBatch, used: Iterable[tuple[str, str]], *, ok: bool) -> Capsule:
        """Add the capsule to the run's batch, and return it.

        Args:
            batch: the data that is written to the run.
            used: path and version of each file that the cell read.
            ok: whether the cell ended without an error.
        """
        taken = self._taken.result()
        executed = self.history.cells[: self.count]
        # Redact before the JSON encoding, which would escape a quote in a secret.
        sources = redact_all(item.source for item in executed)
        cells = [
            CapsuleCell(
                source=source,
                ok=ok if number == self.count else item.ok is not False,
                error=item.error,
                cell_id=item.cell_id,
            )
            for number, (source, item) in enumerate(zip(sources, executed, strict=True), start=1)
        ]
        # A replay restores a file that the cell changed from the snapshot, as it was before the cell.
        unchanged = {path: version for path, version in used if self._unchanged(path)}
        named = self._named(unchanged, taken)
        made, changed = session_files.files(
            self.project,
            dict.fromkeys([*taken.changed, *named, *unchanged]),
            session_files.process_began(),
        )
        capsule = Capsule(
            cells=cells,
            folder=self.project.relative(self.history.folder),
            commit=taken.commit,
            prefix=taken.prefix,
            left_out=taken.left_out,
            redacted=taken.redacted,
            data=[
                DataUse(path=path, version=version) for path, version in (named | unchanged).items()
            ],
            hidden=self.hidden,
            generators=self.history.generators,
            before=self.before,
            made=[path for path in made if self._unchanged(path)],
            changed=[path for path in changed if self._unchanged(path)],
        )
        batch.text(ARTIFACT, capsule.to_json())
        batch.tags["mlops.hidden"] = "; ".join(self.hidden)
        self._held = self._executor.submit(taken.keep, self.project, batch.run.run_id)
        return capsule

    def finish(self) -> None:
        """Wait until a git ref protects the snapshot from `git gc`.

        Raises:
            GitFailed: the ref cannot be written.
        """
        if self._held is not None:
            self._held.result()

    def _unchanged(self, path: str) -> bool:
        try:
            return (self.project.root / path).stat().st_mtime_ns < self.started
        except OSError:
            return False

    def _named(self, known: dict[str, str], taken: snapshot.Snapshot) -> dict[str, str]:
        """Return the versions of files that the history names and git does not store."""
        paths = [path for path in self._literals() if path not in known]
        if not paths:
            return {}
        ignored = set(taken.left_out)
        if taken.commit:
            output = git.text(
                self.project.root, "check-ignore", "-z", "--stdin",
                give="\0".join(paths), check=False,
            )  # fmt: skip
            ignored.update(output.split("\0"))
        else:
            ignored.update(paths)
        found = {}
        for path in paths:
            if path in ignored and (version := self._version(path)):
                found[path] = version
        return found

    def _literals(self) -> list[str]:
        """Return the project's files and versioned folders named by strings in the history."""
        root = self.project.root
        found: dict[str, None] = {}
        for cell in self.history.cells[: self.count]:
            for text in needed_files.possible_paths(cell.source):
                for base in (Path(self.history.folder), root):
                    target = Path(os.path.normpath(base / text))
                    if (
                        target != root
                        and target.is_relative_to(root)
                        and target.suffix not in _NOT_DATA
                        and not target.is_relative_to(self.project.state)
                        and (target.is_file() or target.with_name(f"{target.name}.dvc").is_file())
                        and self._unchanged(str(target))
                    ):
                        found[self.project.relative(target)] = None
        return [*found]

    def _version(self, path: str) -> str:
        target = self.project.root / path
        if is_secret_file(path):
            return ""
        try:
            if target.is_dir():
                file = target.with_name(f"{target.name}.dvc")
                return dvc_file.read(file, self.project).version
            if target.stat().st_size > _LARGEST_LITERAL:
                return ""
            return data.version(target, project=self.project).version
        except (MlopsError, OSError):
            return ""


def load(run_id: str, name: str, *, project: Project) -> Capsule:
    """Return the capsule of a run.

    Raises:
        NotFound: the run has no capsule: it is a job's, or was recorded without a notebook's history.
    """
    return parsed(content(run_id, name, project=project), name)


def content(run_id: str, name: str, *, project: Project) -> bytes:
    """Return the capsule of a run as it is stored.

    Raises:
        NotFound: the run has no capsule.
    """
    try:
        file = query.artifact(run_id, ARTIFACT, project=project)
        return files.content(file, most=_LARGEST_CAPSULE)
    except (NotFound, OSError):
        raise NotFound(
            f"Run '{name}' has no capsule",
            "Runs of %%mlops run cells have one; a job runs again by: %mlops job run",
        ) from None


def parsed(content: bytes, name: str) -> Capsule:
    """Return a stored capsule.

    Raises:
        BackendFailed: it cannot be read, or has no cell to execute.
    """
    try:
        found = Capsule.model_validate_json(content.decode(errors="replace"))
        if not found.cells:
            raise ValueError("it has no cells")
    except ValueError as error:  # pydantic's too
        raise BackendFailed(
            f"The capsule of run '{name}' cannot be read: {error_line(error)}",
            "Record the run again",
        ) from None
    return found


def is_elsewhere(path: str) -> bool:
    """Return whether a file is outside the project, where no replay restores a version."""
    return "://" in path or os.path.isabs(path)  # noqa: PTH117 - it may be a URL


def body(cell: CapsuleCell) -> str:
    """Return a cell without its `%%mlops run` line."""
    return own_lines.without_recording(cell.source)
