"""Starts a run, writes to it, and closes it in every case."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import uuid
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_mlops import temporary
from jupyter_mlops.progress import say
from jupyter_mlops.project import Project
from jupyter_mlops.runs import mlflow_calls, spool_sync
from jupyter_mlops.runs.kinds import KIND_TAG, RunKind
from jupyter_mlops.secrets.redaction import redact, redact_file, redact_items
from jupyter_mlops.text import cut, error_line
from jupyter_mlops.tracking import live, spool, team
from jupyter_mlops.tracking.store import Store, open_store
from jupyter_mlops.urls import without_password

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import mlflow.entities

T = TypeVar("T")
#: Seconds that a finished cell spends on sending the runs in the spool.
_PATIENCE = 5.0
_UNCUT, _LONGEST_FAILURE = 10_000, 500


class ActiveRun:
    """An open run. Each value is written at once, so a killed process loses none.

    If the team's store is unreachable, the rest of the run is written to the spool. `run_id` does
    not change; `store` and `entity` are the current target. `waits_for` then names the team's store.
    """

    def __init__(self, store: Store, run: mlflow.entities.Run, name: str) -> None:
        self.store = store
        self.entity = run
        self.run_id: str = run.info.run_id
        self.name = name
        self.failure = ""
        self.waits_for = ""
        #: MLflow's list of open runs, if this run is in it.
        self.plain: mlflow_calls.OpenRuns | None = None
        #: Params, tags and texts to write into the run if this process is killed.
        self.left: dict[str, Any] | None = None

    def log_params(self, params: dict[str, Any]) -> None:
        """Record parameters; secrets are replaced by `***`."""
        self.log(params=params)

    def log_metrics(self, metrics: dict[str, float]) -> None:
        """Record metrics."""
        self.log(metrics=metrics)

    def set_tags(self, tags: dict[str, Any]) -> None:
        """Record tags; secrets are replaced by `***`."""
        self.log(tags=tags)

    def log(self, **what: dict[str, Any]) -> Any:
        """Record params, metrics and tags together; return the result of `Store.log`."""
        now = time.time_ns() // 1_000_000
        return self.write(lambda store, run_id: store.log(run_id, at=now, **what))

    def log_data(self, uses: Sequence[tuple[str, str, str]]) -> None:
        """Record data versions as (path, version, role)."""
        self.write(lambda store, run_id: store.log_data(run_id, uses))

    def log_artifact(self, path: Path | str, folder: str = "") -> None:
        """Log a local file as an artifact; secrets in a text file are replaced by `***`."""
        clean = redact_file(Path(path))
        with temporary.folder() as aside:
            kept = Path(path)
            if clean is not None:
                kept = aside / kept.name
                kept.write_bytes(clean)
            with self._whole({f"{folder}/{kept.name}".lstrip("/"): kept}):
                self.write(
                    lambda store, run_id: store.client.log_artifact(
                        run_id, str(kept), folder or None
                    )
                )

    def log_folder(self, folder: Path) -> None:
        """Log all files of a local folder as artifacts, with one store look-up for all."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        def log(store: Store, _: str) -> None:
            uri = self.entity.info.artifact_uri
            get_artifact_repository(uri, tracking_uri=store.uri).log_artifacts(str(folder))

        files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
        with self._whole({name: path for name, path in files.items() if path.is_file()}):
            self.write(log)

    @contextmanager
    def _whole(self, copied: dict[str, Path]) -> Iterator[None]:
        """After an error (a full disk), remove partly copied artifacts: they would look complete."""
        try:
            yield
        except Exception:
            uri = str(self.entity.info.artifact_uri)
            root = Path(uri.removeprefix("file://"))
            for name, path in copied.items() if root.is_absolute() else ():
                with suppress(OSError):
                    if (root / name).stat().st_size != path.stat().st_size:
                        (root / name).unlink()
            raise

    def log_text(self, text: str, name: str) -> None:
        """Log a text as artifact `name`; secrets are replaced by `***`."""
        kept = redact(text)
        self.write(lambda store, run_id: store.client.log_text(run_id, kept, name))

    def log_dict(self, value: dict[str, Any], name: str) -> None:
        """Log a JSON document as artifact `name`; secrets are replaced by `***`."""
        self.log_text(json.dumps(value, indent=2, default=str), name)

    def log_figure(self, figure: Any, name: str) -> None:
        """Log a matplotlib figure as artifact `name`."""
        self.write(lambda store, run_id: store.client.log_figure(run_id, figure, name))

    def fail(self, message: str) -> None:
        """Close this run as failed when its block ends; `message` is the reason."""
        self.failure = message or "failed"

    def close(self, status: str) -> None:
        """End the run."""
        self.write(lambda store, run_id: store.client.set_terminated(run_id, status))
        if self.waits_for:
            spool.settle(self.store, self.kept_as)
        live.unmark(self.store.project, self.run_id)
        live.unmark(self.store.project, self.kept_as)

    @property
    def kept_as(self) -> str:
        """The run's id in the store that it is written to now."""
        return str(self.entity.info.run_id)

    def write(self, call: Callable[[Store, str], T]) -> T:
        """Call with the current store and the run's id in it; use the spool if the store is unreachable."""
        try:
            return call(self.store, self.kept_as)
        except Exception as error:
            if self.waits_for or not spool.needed(self.store.project, error):
                raise
            self._use_spool()
        return call(self.store, self.kept_as)

    def _use_spool(self) -> None:
        project = self.store.project
        tags = self.entity.data.tags
        self.waits_for = without_password(project.settings.tracking.uri)
        self.store, self.entity = spool.begin(project, self.name, tags, into=self.run_id)
        live.mark(project, self.kept_as, self.left, spooled=True)
        live.unmark(project, self.run_id)


class Terminated(SystemExit):
    """SIGTERM arrived while a run was open."""


@contextmanager
def start(
    name: str,
    *,
    kind: RunKind = "job",
    params: dict[str, Any] | None = None,
    tags: dict[str, Any] | None = None,
    parent: str = "",
    notebook: str = "",
    experiment: str = "",
    active: bool = False,
    left: dict[str, Any] | None = None,
    project: Project | None = None,
) -> Iterator[ActiveRun]:
    """Open a run, and close it as finished, failed or killed.

    Args:
        name: shown in lists; need not be unique.
        kind: what is executed.
        params: recorded at once.
        tags: recorded at once.
        parent: id of the parent run.
        notebook: path of the notebook, relative to the project.
        experiment: default: the project's.
        active: also make it MLflow's active run, so that plain `mlflow.log_*` calls write to it.
        left: {params, tags, texts} to write if this process is killed, already redacted.
        project: default: the project at or above the working folder.

    Raises:
        NotTrusted: the user must trust the project before anything is recorded in it.
    """
    project = project or Project.find()
    project.trust_by_recording()
    name = redact(name)
    parent = parent or os.environ.get("MLOPS_PARENT_RUN", "")
    if active:
        parent = mlflow_calls.parent(project) or parent
    all_tags = {
        KIND_TAG: kind,
        "mlops.notebook": notebook,
        "mlflow.source.name": notebook,
        "mlflow.source.type": "NOTEBOOK" if kind == "cell" else "JOB",
        "mlflow.user": os.environ.get("USER", ""),
        "mlops.parent": parent,
        "mlflow.parentRunId": parent,
    } | (tags or {})
    kept = redact_items({key: value for key, value in all_tags.items() if value})
    attempt = uuid.uuid4().hex
    opened = None
    status, failure = "KILLED", ""
    with _sigterm_raises() as sigterm:
        try:
            live.announce(project, attempt, left)
            opened = _begin(project, name, kept | {spool.ATTEMPT: attempt}, experiment)
            opened.left = left
            if opened.waits_for:
                live.mark(project, opened.run_id, left, spooled=True)
                live.forget(project, attempt)
            else:
                live.made(project, attempt, opened.run_id)
            project.announce("run", "started", name)
            if params:
                opened.log_params(params)
            with (
                mlflow_calls.lands_in(opened.entity, opened.store)
                if active
                else nullcontext() as opened.plain
            ):
                yield opened
            failure = opened.failure
            status = "FAILED" if failure else "FINISHED"
        except (KeyboardInterrupt, SystemExit, GeneratorExit) as stop:
            failure = "Interrupted" if isinstance(stop, KeyboardInterrupt) else "Terminated"
            raise
        except BaseException as error:
            status, failure = "FAILED", f"{type(error).__name__}: {error}"
            raise
        finally:
            sigterm.waits = True
            if opened is not None:
                live.forget(project, attempt)
                _end(opened, status, failure)
            elif status == "KILLED":
                _give_up(project, attempt, left, failure)
            else:
                live.forget(project, attempt)
    if not opened.waits_for:
        spool_sync.send_waiting(project, patience=_PATIENCE)
    elif kind != "cell":  # a cell prints it in its summary
        say(f"{name} is {kept_here(opened)}")


def _end(opened: ActiveRun, status: str, failure: str) -> None:
    """Close a run; write the error in one line, and the start-time values of a killed run."""
    if failure:
        # Redact before the cut: a part of a secret would not be recognized.
        error = cut(redact(error_line(failure, _UNCUT)), _LONGEST_FAILURE)
        if status == "KILLED":
            opened.write(lambda store, run_id: live.leave(store, run_id, opened.left, error))
        else:
            opened.set_tags({"mlops.error": error})
    opened.close(status)
    opened.store.project.announce("run", status.lower(), opened.name)


def _give_up(project: Project, attempt: str, left: dict[str, Any] | None, failure: str) -> None:
    """Close the run that an interrupted attempt may have created; if this fails, it is closed later."""
    with suppress(Exception):
        live.give_up(project, attempt, open_store(project), left, failure)


def kept_here(run: ActiveRun) -> str:
    """Return the message about a run that waits in the spool."""
    return f"recorded locally; it will be sent when {run.waits_for} answers"


def _begin(project: Project, name: str, tags: dict[str, str], experiment: str) -> ActiveRun:
    """Create a run in the project's store, or in the spool if the team's store is unreachable."""
    try:
        store = open_store(project)
        live.close_dead(store)
        experiment_id = store.experiment_id(experiment)
        with team.asked_once():
            run = store.client.create_run(experiment_id, run_name=name, tags=tags)
        return ActiveRun(store, run, name)
    except Exception as error:
        if not spool.needed(project, error):
            raise
    store, run = spool.begin(project, name, tags, experiment=experiment)
    opened = ActiveRun(store, run, name)
    opened.waits_for = without_password(project.settings.tracking.uri)
    return opened


@dataclass
class _Sigterm:
    """SIGTERM handler of an open run; with `waits`, the run is closed before the process ends."""

    waits: bool = False
    received: bool = False

    def handle(self, number: int, _frame: Any) -> None:
        self.received = True
        if not self.waits:
            raise Terminated(128 + number)


@contextmanager
def _sigterm_raises() -> Iterator[_Sigterm]:
    """Turn SIGTERM into an exception while a run is open; send it again if it arrives during the close."""
    sigterm = _Sigterm()
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(
        signal.SIGTERM
    ) in {signal.SIG_DFL, None}
    if not ours:
        yield sigterm
        return
    signal.signal(signal.SIGTERM, sigterm.handle)
    try:
        yield sigterm
        failed = False
    except BaseException:
        failed = True
        raise
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if sigterm.received and not failed:  # it arrived during the close
            os.kill(os.getpid(), signal.SIGTERM)
