"""What the next recorded cell would capture; nothing is recorded or executed.

It is the first recorded cell below the running cell in the saved notebook. If there is none, the cell
that ran last is shown as if it were recorded.
"""

from __future__ import annotations

import ast
import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_mlops import tables
from jupyter_mlops.cells import needed_files, own_lines, recorded_values, source
from jupyter_mlops.environment import packages as environment
from jupyter_mlops.project import Project
from jupyter_mlops.records import Record
from jupyter_mlops.runs.capsules import hidden_state as hidden
from jupyter_mlops.runs.capsules import history, snapshot
from jupyter_mlops.runs.capsules.history import CellExecution, History
from jupyter_mlops.runs.capture import fitted_models
from jupyter_mlops.runs.capture.file_reads import FileWatch
from jupyter_mlops.runs.capture.notebook import path as notebook_path
from jupyter_mlops.secrets.redaction import HIDDEN, redact
from jupyter_mlops.text import counted, listed

_MOST = 8
_FITS = {"fit", "partial_fit"}
_ON_TABLES = _FITS | {"predict", "predict_proba", "score", "transform", "fit_transform"}


class Preview(Record):
    """What a recorded cell would record. `cell` names the inspected cell; empty if there is none.

    `parameters` and `metrics` of a cell that has not run yet come from its source: `…` stands for a
    value that only the execution gives.
    """

    cell: str = ""
    parameters: dict[str, str] = {}
    metrics: dict[str, str] = {}
    model: str = ""
    files: list[str] = []
    hidden_state: list[str] = []
    lineage: str = ""
    code: str = ""
    left_out: list[str] = []
    history: str = ""
    packages: int = 0
    seeds: list[str] = []
    hardware: str = ""

    def details(self) -> list[tuple[str, Any]]:
        """Return (title, value) pairs, long lists cut."""
        pairs = {name.replace("_", " "): value for name, value in super().details()}
        for title in ("parameters", "metrics"):
            if title in pairs:
                items = [f"{k} = {v}" for k, v in pairs[title].items()]
                pairs[title] = _some(items)
        for title in ("files", "left out", "seeds"):
            if title in pairs:
                pairs[title] = _some(pairs[title])
        if "hidden state" in pairs:
            pairs["hidden state"] = "; ".join(pairs["hidden state"])
        return [*pairs.items()]


@dataclass(frozen=True, slots=True)
class _Cell:
    """The inspected cell; `result` is the value of its last expression, if it ran."""

    title: str
    source: str
    ran: bool
    result: Any = None
    cell_id: str = ""


def preview(*, project: Project | None = None) -> Preview | None:
    """Return what the next recorded cell would capture; None if no notebook is running.

    Nothing is written to the store, to git or to the data cache.
    """
    here = history.here()
    if here is None:
        return None
    namespace, executed = here
    project = project or Project.find()
    notebook = notebook_path(namespace)
    saved = hidden.saved(Path(project.root, notebook) if notebook else None)
    cell = _below(executed, saved) or _above(executed, namespace)
    pending = snapshot.pending(project)
    found = Preview(
        lineage=_lineage(project),
        code=_code(project, pending),
        left_out=pending.left_out,
        history=counted(len(executed.cells) - 1, "executed cell"),
        packages=len(environment.packages()),
        seeds=[*environment.seeds()],
        hardware=_hardware(),
    )
    if cell is None:
        return found
    found.cell = cell.title
    with contextlib.suppress(SyntaxError):
        _contents(found, cell, namespace)
    found.files = _files(cell.source, Path(executed.folder), project)
    found.hidden_state = _hidden(cell, executed, namespace, saved)
    return found


def _below(executed: History, saved: hidden.SavedNotebook | None) -> _Cell | None:
    """Return the first recorded cell below the running cell in the saved notebook."""
    asking = executed.cells[-1].cell_id
    if saved is None or asking not in saved.cells:
        return None
    order = [*saved.cells]
    for cell_id in order[order.index(asking) + 1 :]:
        words = own_lines.recording(saved.cells[cell_id])
        if words is not None:
            title = f"the cell '{words[1]}' below" if len(words) > 1 else "the recorded cell below"
            return _Cell(title, saved.cells[cell_id], False, cell_id=cell_id)
    return None


def _above(executed: History, namespace: dict[str, Any]) -> _Cell | None:
    """Return the cell that ran last, except recorded cells and cells with only our lines."""
    # `In` has one entry for each execution, including the running cell; the history begins later.
    number = len(namespace.get("In", ())) - 1
    for offset, item in enumerate(reversed(executed.cells[:-1]), start=1):
        if own_lines.recording(item.source) is not None or _is_ours(item.source):
            continue
        result = namespace.get("Out", {}).get(number - offset)
        return _Cell(f"cell [{number - offset}]", item.source, True, result, item.cell_id)
    return None


def _is_ours(text: str) -> bool:
    cell = source.read(text)
    return cell.tree is not None and all(map(own_lines.is_own, cell.tree.body))


def _contents(found: Preview, cell: _Cell, namespace: dict[str, Any]) -> None:
    read = recorded_values.read(cell.source)
    values = recorded_values.parameters(
        read, namespace if cell.ran else {**namespace, **read.constants}
    )
    found.parameters = {name: redact(str(value), key=name) for name, value in values.items()}
    if cell.ran:
        measured = recorded_values.metrics(read, namespace, cell.result)
        found.metrics = {name: tables.number(value) for name, value in measured.items()}
        models = fitted_models.find(read, namespace, fitted_models.TorchInputs(read))
        if models:
            found.model = f"{models[-1].name} ({type(models[-1].model).__name__})"
            for name, value in models[-1].params.items():
                found.parameters.setdefault(name, redact(str(value), key=name))
        return
    found.model, no_numbers = _before_it_runs(source.read(cell.source).program)
    found.model = found.model or ("the module it trains" if "backward" in read.keywords else "")
    found.metrics = {
        name: "…"
        for name in [*read.computed, read.last_name]
        if name and not name.startswith("_") and name not in no_numbers
        and (name not in namespace or recorded_values.as_float(namespace[name]) is not None)
    }  # fmt: skip


def _before_it_runs(program: ast.Module) -> tuple[str, set[str]]:
    """Return the name of the model that the cell fits, and the names that cannot be numbers.

    A name is no number if the cell uses its attributes or items, or passes it to `fit` or `score`.
    """
    model, others = "", set()
    for node in ast.walk(program):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.value, ast.Name):
            others.add(node.value.id)
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr in _ON_TABLES:
            others |= {argument.id for argument in node.args if isinstance(argument, ast.Name)}
        if node.func.attr in _FITS and isinstance(node.func.value, ast.Name):
            model = node.func.value.id
    for node in ast.walk(program):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value
            if (
                isinstance(value, ast.Call)
                and isinstance(value.func, ast.Attribute)
                and value.func.attr in _FITS
            ):
                model = node.targets[0].id
    return model, {*others, model}


def _files(cell_source: str, folder: Path, project: Project) -> list[str]:
    """Return the project's files that the cell names; other files are known only when it runs."""
    found: dict[str, None] = {}
    for text in needed_files.possible_paths(cell_source):
        target = Path(os.path.normpath(folder / text))
        if target.is_relative_to(project.root) and target.is_file():
            size = tables.size(target.stat().st_size)
            found[f"{project.relative(target)} ({size})"] = None
    return [*found]


def _hidden(
    cell: _Cell, executed: History, namespace: dict[str, Any], saved: hidden.SavedNotebook | None
) -> list[str]:
    cells = executed.cells[:-1]
    if cell.ran:
        position = max(i for i, item in enumerate(cells) if item.source == cell.source)
        cells = cells[:position]
    looked = History(
        cells=[*cells, CellExecution(cell.source, cell_id=cell.cell_id)], deleted=executed.deleted
    )
    return hidden.find(looked, namespace, saved)


def _code(project: Project, pending: snapshot.SnapshotPreview) -> str:
    if not pending.repository:
        return "no snapshot: the project is not in git"
    commit, _ = environment.git_state(project.root)
    changed = counted(len(pending.changed), "file") if pending.changed else ""
    if not commit:
        return f"no commit yet, {changed}" if changed else "no commit yet"
    return f"commit {commit[:8]}" + (f" and {changed} changed since" if changed else "")


def _lineage(project: Project) -> str:
    with FileWatch(project) as reads:
        pass
    return reads.blind or "every project file that it opens, through native readers too"


def _hardware() -> str:
    facts = environment.hardware()
    gpus = facts.get("gpu", [])
    parts = [
        f"Python {facts['python']}",
        f"{facts['cores']} cores",
        tables.size(facts["memory_bytes"]) if "memory_bytes" in facts else "",
        ", ".join(gpus) if gpus else ("no GPU" if "torch" in sys.modules else ""),
    ]
    return ", ".join(part for part in parts if part)


def _some(items: list[str]) -> str:
    return listed([item.replace(HIDDEN, f"{HIDDEN} (a secret)") for item in items], _MOST)
