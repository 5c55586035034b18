"""Record one cell: run it once inside an MLflow run, and record what it did."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops import formats, tables
from jupyter_mlops.cells import recorded_values
from jupyter_mlops.environment import package_indexes
from jupyter_mlops.environment import packages as environment
from jupyter_mlops.environment.git import GitFailed
from jupyter_mlops.errors import MlopsError, NotFound
from jupyter_mlops.project import Project
from jupyter_mlops.runs import active_run
from jupyter_mlops.runs.batch import RunBatch
from jupyter_mlops.runs.capsules import history
from jupyter_mlops.runs.capsules.capsule import OFF, PendingCapsule
from jupyter_mlops.runs.capture import figures, fitted_models
from jupyter_mlops.runs.capture.file_reads import FileWatch
from jupyter_mlops.runs.capture.notebook import path as notebook_path
from jupyter_mlops.runs.logged_model import REFERENCE
from jupyter_mlops.runs.mlflow_calls import autologs_models, lands_in
from jupyter_mlops.runs.signatures import MANIFEST
from jupyter_mlops.secrets.redaction import is_secret_file, learn, redact, redact_items

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

    from jupyter_mlops.formats.base.fitted_model import FittedModel
    from jupyter_mlops.tracking.store import Store

SOURCE = "mlops/cell.py"
_NO_VERSION = " has no version: "


@dataclass
class Recording:
    """The recording of one cell. After the block, `summary` says in one line what was recorded."""

    run: active_run.ActiveRun
    project: Project
    source: str
    namespace: dict[str, Any]
    result: Any = None
    images: list[bytes] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    inputs: list[tuple[str, str]] = field(default_factory=list)
    model: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def run_id(self) -> str:
        """The run's id in MLflow."""
        return self.run.run_id

    def summary(self) -> str:
        """Return the line that is printed below the cell."""
        parts = [f"{self.run.name} {self.run_id[:8]}"]
        if self.metrics:
            parts.append(
                " ".join(f"{k}={tables.number(v)}" for k, v in [*self.metrics.items()][:4])
            )
        if self.model:
            parts.append(f"model ({self.model})")
        if self.inputs:
            parts.append(" ".join(f"{path}@{version[:6]}" for path, version in self.inputs[:3]))
        waits = [active_run.kept_here(self.run)] if self.run.waits_for else []
        return " · ".join(["recorded", *parts, *self.notes, *waits])


@contextmanager
def record_cell(
    name: str,
    source: str,
    namespace: dict[str, Any],
    *,
    plain: str = "",
    experiment: str = "",
    notebook: str = "",
    model: str = "",
    keep_model: bool = True,
    format: str = formats.AUTO,
    project: Project | None = None,
) -> Iterator[Recording]:
    """Record the block as a run of the cell `source`.

    The block executes the cell; it may set `result` to the value of the last expression, and add
    to `images` the PNGs that the cell displayed.

    Args:
        name: the run's name; default: the notebook's.
        source: the cell as the user wrote it.
        namespace: the user's variables, read after the block.
        plain: the cell as the user's shell transforms it; used if we cannot parse `source`.
        experiment: default: the project's.
        notebook: path of the notebook; default: the kernel's, if it is known.
        model: the variable that holds the model; default: the detected one.
        keep_model: False stores no model.
        format: how the model is stored: one of `formats.choices()`.
        project: default: the project at or above the working folder.

    Raises:
        UsageError, MissingBackend: the format is unknown or not installed; nothing is recorded.
        SyntaxError: the cell does not parse; nothing is recorded.
    """
    project = project or Project.find()
    project.trust_by_recording()
    formats.require(format)
    notebook = notebook or notebook_path(namespace)
    notebook = project.relative(notebook) if notebook else ""
    name = name or Path(notebook).stem or "cell"
    read = recorded_values.read(source, plain)
    before = environment.seeds()
    learn(_sources(source, namespace))
    with ThreadPoolExecutor(2, "mlops-git") as git:
        # git runs in parallel with the store's calls and with the cell.
        state = git.submit(environment.git_state, project.root)
        preparing, problem = _prepare(git, project, namespace, notebook)
        with active_run.start(
            name,
            kind="cell",
            notebook=notebook,
            experiment=experiment,
            active=True,
            left=_known_before(read, source, namespace),
            project=project,
        ) as run:
            done = Recording(run, project, source, namespace)
            done.notes += problem
            if preparing:
                preparing.wait()
                if preparing.hidden:
                    done.notes.append(f"hidden state: {'; '.join(preparing.hidden)}")
            commit, patch = state.result()
            batch = RunBatch(run)
            batch.tags |= {
                "mlflow.source.git.commit": commit,
                "mlops.dirty": "yes" if patch else "",
            }
            reads = FileWatch(project)
            shown_before = figures.open_numbers()
            torch_inputs = fitted_models.TorchInputs(read)
            found: list[FittedModel] = []
            try:
                try:
                    with reads, torch_inputs:
                        yield done
                finally:
                    # Inputs and parameters of a failed cell are recorded too: they help to explain it.
                    ok = sys.exc_info()[1] is None
                    learn((), namespace)
                    _keep_surroundings(batch, done, read, reads, before, patch)
                    if preparing:
                        _keep_capsule(batch, done, preparing, ok=ok)
                done.metrics = recorded_values.metrics(read, namespace, done.result)
                batch.metrics |= done.metrics
                for file, png in figures.images(done.images, shown_before):
                    batch.files[f"figures/{file}"] = png
                found = fitted_models.find(read, namespace, torch_inputs, model)
                if found:
                    _keep_hyper_parameters(batch, done, found[-1])
                    if keep_model and found[-1].sample is not None:
                        batch.files[REFERENCE] = _reference(found[-1].sample)
            finally:
                batch.write()
                if preparing:
                    _finish(done, preparing)
            if model and not found:
                what = f"Variable '{model}' holds no fitted model"
                if model not in namespace:
                    what = f"There is no variable '{model}'"
                raise NotFound(what, "Name the model that the cell fits: --model VARIABLE")
            if found and keep_model:
                _keep_model(batch, done, found[-1], format)
                batch.write()


def _sources(source: str, namespace: dict[str, Any]) -> list[str]:
    """Return the source of this cell and of earlier cells: one cell may print a secret of another."""
    kept = history.running(namespace)
    return [source, *(cell.source for cell in kept.cells)] if kept else [source]


def _known_before(
    read: recorded_values.CellCode, source: str, namespace: dict[str, Any]
) -> dict[str, dict[str, str]]:
    """Return the values known before the cell runs; they are written if the kernel is killed."""
    values = recorded_values.parameters(read, {**namespace, **read.constants})
    return {
        "params": redact_items(values),
        "texts": {SOURCE: redact(source)},
    }


def _prepare(
    git: Executor, project: Project, namespace: dict[str, Any], notebook: str
) -> tuple[PendingCapsule | None, list[str]]:
    """Begin the capsule if the kernel's history is known; if this fails, return the reason as a note."""
    kept = history.running(namespace)
    if kept is None or OFF in os.environ:
        return None, []
    try:
        return PendingCapsule(git, project, kept, namespace, notebook), []
    except Exception as error:  # an error here must not stop the user's cell
        return None, [f"no capsule: {type(error).__name__}: {error}"]


def _keep_capsule(batch: RunBatch, done: Recording, preparing: PendingCapsule, *, ok: bool) -> None:
    try:
        preparing.keep(batch, done.inputs, ok=ok)
    except Exception as error:  # record the run without its capsule
        done.notes.append(f"no capsule: {type(error).__name__}: {error}")


def _finish(done: Recording, preparing: PendingCapsule) -> None:
    try:
        preparing.finish()
    except (OSError, GitFailed) as error:
        done.notes.append(f"the code could not be stored in git: {error}")


def _keep_surroundings(
    batch: RunBatch,
    done: Recording,
    read: recorded_values.CellCode,
    reads: FileWatch,
    before: dict[str, str],
    patch: str,
) -> None:
    done.params = recorded_values.parameters(read, done.namespace)
    batch.params |= done.params
    batch.tags["mlops.lineage"] = reads.layers_text
    remote_inputs, remote_outputs = reads.urls.found()
    # A file that was read and then deleted has a version if it was hashed in time.
    done.inputs = [*_versions(done, reads, [*reads.inputs, *reads.lost]), *remote_inputs]
    outputs = [*_versions(done, reads, reads.outputs), *remote_outputs]
    done.run.log_data(
        [(*use, "input") for use in done.inputs] + [(*use, "output") for use in outputs],
    )
    batch.tags["mlops.unversioned"] = "; ".join(n for n in done.notes if _NO_VERSION in n)
    packages = environment.packages()
    batch.tags["mlops.packages"] = len(packages)
    batch.text(SOURCE, done.source)
    batch.json(
        MANIFEST,
        {
            "params": redact_items(done.params),
            "inputs": dict(done.inputs),
            "outputs": dict(outputs),
            "seeds": before,
            "hardware": environment.hardware(),
            "packages": packages,
            "indexes": package_indexes.options(),
            "sources": package_indexes.sources(),
        },
    )
    if patch:
        batch.text("mlops/uncommitted.patch", patch)


def _versions(done: Recording, reads: FileWatch, paths: list[Path]) -> Iterator[tuple[str, str]]:
    for path in paths:
        name, now = done.project.relative(path), reads.uses.now(path)
        if is_secret_file(str(path)) or is_secret_file(str(now)):
            done.notes.append(f"{name} was not stored: its name says that it holds secrets")
            continue
        try:
            yield name, reads.early.version(path, now).version
        except MlopsError as error:
            why = error.what if now.exists() else "it was deleted after the cell read it"
            done.notes.append(f"{name}{_NO_VERSION}{why}")


def _keep_hyper_parameters(batch: RunBatch, done: Recording, found: FittedModel) -> None:
    fresh = {}
    for key, value in found.params.items():
        if key not in done.params:
            fresh[key] = value
        elif str(done.params[key]) != str(value):
            fresh[f"{found.name}.{key}"] = value
    done.params |= fresh
    batch.params |= fresh


def _keep_model(batch: RunBatch, done: Recording, found: FittedModel, format: str) -> None:
    batch.tags["mlops.model"] = found.name
    if done.run.plain is not None and done.run.plain.model_logged:
        done.model = "logged by the cell"  # do not store the same model twice
        if autologs_models():
            done.notes.append("to store it without a pickle: mlflow.autolog(log_models=False)")
        return

    def log(store: Store, _: str) -> tuple[str, str]:
        with lands_in(done.run.entity, store):
            return formats.save(
                found, format, params=batch.written_params, metrics=batch.written_metrics
            )

    try:
        done.model, why = done.run.write(log)
    except MlopsError as error:
        done.notes.append(f"no model: {error}")
        batch.tags["mlops.model"] = str(error)
        return
    batch.tags["mlops.model_format"] = done.model
    if why:
        done.notes.append(why)


def _reference(sample: Any) -> bytes:
    """Return the sample of training rows as Parquet; an array's columns are named x0, x1, …."""
    import io

    import pandas as pd

    frame = sample
    if not hasattr(sample, "columns"):
        flat = sample.reshape(len(sample), -1)
        frame = pd.DataFrame(flat, columns=[f"x{i}" for i in range(flat.shape[1])])
    buffer = io.BytesIO()
    frame.rename(columns=str).to_parquet(buffer, index=False)
    return buffer.getvalue()
