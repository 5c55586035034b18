"""A run being recorded: started, written to, and always closed."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops.project import Project
from jupyter_mlops.runs import live, plain
from jupyter_mlops.runs.redaction import redact, redact_file, redact_items
from jupyter_mlops.runs.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    import mlflow.entities


class ActiveRun:
    """A run that is open: what it is given is written at once and survives a kill."""

    def __init__(self, store: Store, run: mlflow.entities.Run, name: str) -> None:
        self.store = store
        self.entity = run
        self.run_id: str = run.info.run_id
        self.name = name
        self.failure = ""
        #: The runs open to plain MLflow calls, where this is one of them.
        self.plain: plain.Open | None = None

    def log_params(self, params: dict[str, Any]) -> None:
        """Record parameters; secrets are replaced by `***`."""
        self.store.log(self.run_id, params=params)

    def log_metrics(self, metrics: dict[str, float]) -> None:
        """Record metrics."""
        self.store.log(self.run_id, metrics=metrics)

    def set_tags(self, tags: dict[str, Any]) -> None:
        """Record tags; secrets are replaced by `***`."""
        self.store.log(self.run_id, tags=tags)

    def log_artifact(self, path: Path | str, folder: str = "") -> None:
        """Keep a copy of a local file; of a text, one without secrets."""
        clean = redact_file(Path(path))
        if clean is not None:
            with tempfile.TemporaryDirectory() as aside:
                copy = Path(aside, Path(path).name)
                copy.write_bytes(clean)
                self.store.client.log_artifact(self.run_id, str(copy), folder or None)
            return
        self.store.client.log_artifact(self.run_id, str(path), folder or None)

    def log_folder(self, folder: Path) -> None:
        """Keep all files of a local folder, by their paths in it: one look-up for many files."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        uri = self.store.project.tracking_uri
        files = get_artifact_repository(self.entity.info.artifact_uri, tracking_uri=uri)
        files.log_artifacts(str(folder))

    def log_text(self, text: str, name: str) -> None:
        """Keep a text as artifact `name`; secrets are replaced by `***`."""
        self.store.client.log_text(self.run_id, redact(text), name)

    def log_dict(self, value: dict[str, Any], name: str) -> None:
        """Keep a JSON document as artifact `name`; secrets are replaced by `***`."""
        self.log_text(json.dumps(value, indent=2, default=str), name)

    def log_figure(self, figure: Any, name: str) -> None:
        """Keep a matplotlib figure as artifact `name`."""
        self.store.client.log_figure(self.run_id, figure, name)

    def fail(self, message: str) -> None:
        """Close this run as failed when its block ends, with one line that says why."""
        self.failure = message or "failed"


class Terminated(SystemExit):
    """SIGTERM arrived while a run was open."""


@contextmanager
def start(
    name: str,
    *,
    kind: str = "job",
    params: dict[str, Any] | None = None,
    tags: dict[str, Any] | None = None,
    parent: str = "",
    notebook: str = "",
    experiment: str = "",
    active: bool = False,
    left: dict[str, Any] | None = None,
    project: Project | None = None,
) -> Iterator[ActiveRun]:
    """Open a run, and close it whatever happens: finished, failed, or killed.

    Args:
        name: shown in lists; need not be unique.
        kind: `cell`, `job`, `sweep` or `drift`.
        params: recorded at once.
        tags: recorded at once.
        parent: id of the run that this one is a part of.
        notebook: path of the notebook, relative to the project.
        experiment: default: the project's.
        active: also make it MLflow's active run, so that plain `mlflow.log_*` calls land in it.
        left: what the run keeps if this process is killed: {params, tags, texts}, already redacted.
        project: default: the project at or above the working folder.
    """
    project = project or Project.find()
    name = redact(name)
    store = open_store(project)
    live.close_dead(store)
    parent = parent or os.environ.get("MLOPS_PARENT_RUN", "")
    if active:
        parent = plain.parent(store) or parent
    all_tags = {
        "mlops.kind": kind,
        "mlops.notebook": notebook,
        "mlflow.source.name": notebook,
        "mlflow.source.type": "NOTEBOOK" if kind == "cell" else "JOB",
        "mlflow.user": os.environ.get("USER", ""),
        "mlops.parent": parent,
        "mlflow.parentRunId": parent,
    } | (tags or {})
    run = store.client.create_run(
        store.experiment_id(experiment),
        run_name=name,
        tags=redact_items({key: value for key, value in all_tags.items() if value}),
    )
    opened = ActiveRun(store, run, name)
    live.mark(project, opened.run_id, left)
    project.announce("run", "started", name)
    status = "KILLED"
    try:
        with _sigterm_raises():
            if params:
                opened.log_params(params)
            with plain.lands_in(run, store) if active else nullcontext() as opened.plain:
                yield opened
            status = "FAILED" if opened.failure else "FINISHED"
    except (KeyboardInterrupt, SystemExit, GeneratorExit) as stop:
        opened.failure = "Interrupted" if isinstance(stop, KeyboardInterrupt) else "Terminated"
        raise
    except BaseException as error:
        status = "FAILED"
        opened.failure = f"{type(error).__name__}: {error}"
        raise
    finally:
        if opened.failure:
            opened.set_tags({"mlops.error": opened.failure.strip().splitlines()[0][:500]})
        store.client.set_terminated(opened.run_id, status)
        live.unmark(project, opened.run_id)
        project.announce("run", status.lower(), name)


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Turn SIGTERM into an exception while a run is open, then let it do its work."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.getsignal(signal.SIGTERM)
    if previous not in {signal.SIG_DFL, None}:
        yield
        return

    def handle(number: int, _frame: Any) -> None:
        raise Terminated(128 + number)

    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
