"""Record one cell: run it once inside an MLflow run, and keep what it did without being asked."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops import data, tables
from jupyter_mlops.errors import MlopsError, NotFound
from jupyter_mlops.project import Project
from jupyter_mlops.runs import formats, recording
from jupyter_mlops.runs.capsules import history
from jupyter_mlops.runs.capsules.capsule import OFF, Preparing
from jupyter_mlops.runs.capture import code, environment, fitted, indexes
from jupyter_mlops.runs.capture.reads import Reads
from jupyter_mlops.runs.models import REFERENCE
from jupyter_mlops.runs.redaction import is_secret_file, learn, redact_items

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_FIGURES = 20


@dataclass
class Recording:
    """A cell being recorded. After the block, `summary` says in one line what was kept."""

    run: recording.ActiveRun
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
        """Return the one line that the cell ends with."""
        parts = [f"{self.run.name} {self.run_id[:8]}"]
        if self.metrics:
            parts.append(
                " ".join(f"{k}={tables.number(v)}" for k, v in [*self.metrics.items()][:4])
            )
        if self.model:
            parts.append(f"model ({self.model})")
        if self.inputs:
            parts.append(" ".join(f"{path}@{version[:6]}" for path, version in self.inputs[:3]))
        return " · ".join(["recorded", *parts, *self.notes])


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
    project: Project | None = None,
) -> Iterator[Recording]:
    """Record what happens in the block as a run of the cell `source`.

    The block executes the cell; it may set `result` to the value of the last expression, and add
    to `images` the PNGs that the cell displayed.

    Args:
        name: the run's name.
        source: the cell as the user wrote it.
        namespace: the user's variables, read after the block.
        plain: the same as plain Python, where it has magics.
        experiment: default: the project's.
        notebook: path of the notebook, if it is known.
        model: the variable that holds the model, when the guess would be wrong.
        keep_model: False stores no model.
        project: default: the project at or above the working folder.

    Raises:
        SyntaxError: the cell does not parse; nothing is recorded.
    """
    project = project or Project.find()
    read = code.read(plain or source)
    before = environment.seeds()
    learn(_sources(source, namespace))
    commit, patch = environment.git_state(project.root)
    tags = {"mlflow.source.git.commit": commit, "mlops.dirty": "yes" if patch else ""}
    with recording.start(
        name,
        kind="cell",
        tags=tags,
        notebook=notebook,
        experiment=experiment,
        active=True,
        project=project,
    ) as run:
        done = Recording(run, project, source, namespace)
        preparing = _prepare(done, notebook)
        reads = Reads(project)
        figures = _figures()
        torch_inputs = fitted.TorchInputs(read)
        try:
            with reads, torch_inputs:
                yield done
        finally:
            # What a failed or interrupted cell read and set is kept too: it says why.
            ok = sys.exc_info()[1] is None
            learn((), namespace)
            _keep_surroundings(done, read, reads, before, patch)
            if preparing:
                _keep_capsule(done, preparing, ok=ok)
        done.metrics = code.metrics(read, namespace, done.result)
        run.log_metrics(done.metrics)
        _keep_figures(done, figures)
        found = fitted.find(read, namespace, torch_inputs, model)
        if model and not found:
            raise NotFound(
                f"No fitted model in the variable '{model}'", "Name the one that the cell fits"
            )
        if found:
            _keep_hyper_parameters(done, found[-1])
            if keep_model:
                _keep_model(done, found[-1])


def _sources(source: str, namespace: dict[str, Any]) -> list[str]:
    """Return the cell and those that ran before it: what one gives away, another may have printed."""
    kept = history.running(namespace)
    return [source, *(cell.source for cell in kept.cells)] if kept else [source]


def _prepare(done: Recording, notebook: str) -> Preparing | None:
    """Begin the capsule, where a notebook's history is known."""
    kept = history.running(done.namespace)
    if kept is None or OFF in os.environ:
        return None
    try:
        preparing = Preparing(done.project, kept, done.namespace, notebook)
    except Exception as error:  # whatever it stumbles over, the user's cell runs and is recorded
        done.notes.append(f"no capsule: {type(error).__name__}: {error}")
        return None
    if preparing.hidden:
        done.notes.append(f"hidden state: {'; '.join(preparing.hidden)}")
    return preparing


def _keep_capsule(done: Recording, preparing: Preparing, *, ok: bool) -> None:
    try:
        preparing.keep(done.run, done.inputs, ok=ok)
    except Exception as error:  # the run is worth more than its capsule
        done.notes.append(f"no capsule: {type(error).__name__}: {error}")


def _keep_surroundings(
    done: Recording, read: code.CellCode, reads: Reads, before: dict[str, str], patch: str
) -> None:
    done.params = code.parameters(read, done.namespace)
    done.run.log_params(done.params)
    if reads.blind:
        done.run.set_tags({"mlops.lineage": reads.blind})
    remote_inputs, remote_outputs = reads.urls.found()
    done.inputs = [(use.path, use.version) for use in _versions(done, reads.inputs)] + remote_inputs
    outputs = [(use.path, use.version) for use in _versions(done, reads.outputs)] + remote_outputs
    done.run.store.log_data(
        done.run_id,
        [(*use, "input") for use in done.inputs] + [(*use, "output") for use in outputs],
    )
    packages = environment.packages()
    done.run.set_tags({"mlops.packages": len(packages)})
    done.run.log_text(done.source, "mlops/cell.py")
    done.run.log_dict(
        {
            "params": redact_items(done.params),
            "inputs": dict(done.inputs),
            "outputs": dict(outputs),
            "seeds": before,
            "hardware": environment.hardware(),
            "packages": packages,
            "indexes": indexes.options(),
            "sources": indexes.sources(),
        },
        "mlops/manifest.json",
    )
    if patch:
        done.run.log_text(patch, "mlops/uncommitted.patch")


def _versions(done: Recording, paths: list[Path]) -> Iterator[data.DataVersion]:
    for path in paths:
        if is_secret_file(str(path)):
            done.notes.append(
                f"{done.project.relative(path)} is not kept: it holds secrets by its name"
            )
            continue
        try:
            yield data.version(path, project=done.project)
        except MlopsError as error:
            done.notes.append(f"{done.project.relative(path)} has no version: {error.what}")


def _keep_hyper_parameters(done: Recording, found: fitted.Fitted) -> None:
    fresh = {}
    for key, value in found.params.items():
        if key not in done.params:
            fresh[key] = value
        elif str(done.params[key]) != str(value):
            fresh[f"{found.name}.{key}"] = value
    done.params |= fresh
    done.run.log_params(fresh)


def _keep_model(done: Recording, found: fitted.Fitted) -> None:
    try:
        done.model = formats.log_model(found)
    except MlopsError as error:
        done.notes.append(f"no model: {error}")
        done.run.set_tags({"mlops.model": str(error)})
        return
    done.run.set_tags({"mlops.model": found.name, "mlops.model_format": done.model})
    if found.sample is not None:
        _keep_reference(done, found.sample)


def _keep_reference(done: Recording, sample: Any) -> None:
    """Keep the sample of training rows; an array's columns are named x0, x1, …."""
    import tempfile

    import pandas as pd

    frame = sample
    if not hasattr(sample, "columns"):
        flat = sample.reshape(len(sample), -1)
        frame = pd.DataFrame(flat, columns=[f"x{i}" for i in range(flat.shape[1])])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(REFERENCE).name
        frame.rename(columns=str).to_parquet(path, index=False)
        done.run.log_artifact(path, str(Path(REFERENCE).parent))


def _figures() -> set[int]:
    """Return the numbers of the open matplotlib figures, if matplotlib is in use."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set(pyplot.get_fignums()) if pyplot else set()


def _keep_figures(done: Recording, before: set[int]) -> None:
    """Keep the images that the cell displayed, then the figures it left open."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for index, png in enumerate(done.images[:_MOST_FIGURES], start=1):
            path = Path(folder) / f"shown-{index}.png"
            path.write_bytes(png)
            done.run.log_artifact(path, "figures")
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return
    new = [number for number in pyplot.get_fignums() if number not in before]
    for index, number in enumerate(new[:_MOST_FIGURES], start=1):
        figure = pyplot.figure(number)
        label = "".join(c if c.isalnum() else "-" for c in figure.get_label()) or f"figure-{index}"
        done.run.log_figure(figure, f"figures/{label}.png")
