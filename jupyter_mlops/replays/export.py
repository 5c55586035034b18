"""`run export`: a run's history as a clean notebook, its constants in one parameters cell."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from jupyter_mlops import files, tables
from jupyter_mlops.cells import own_lines
from jupyter_mlops.cells.constants import hoist
from jupyter_mlops.errors import Conflict, NotFound, UsageError
from jupyter_mlops.project import Project
from jupyter_mlops.records import TextRecord
from jupyter_mlops.replays import arguments
from jupyter_mlops.runs import query
from jupyter_mlops.runs.capsules.capsule import Capsule, CapsuleCell, body, load
from jupyter_mlops.runs.capsules.slice_record import Slice
from jupyter_mlops.runs.records import RunDetail

_LOAD = "%load_ext jupyter_mlops"
_NAME = re.compile(r"[^\w.-]+")


class Exported(TextRecord):
    """The written notebook; `left_out` lists the cells of the history that are not in it.

    `slice` is the run's slice, if a replay verified the notebook.
    """

    path: str
    cells: int
    parameters: list[str] = []
    left_out: list[str] = []
    slice: Slice | None = None

    def __str__(self) -> str:
        line = f"{self.path}: {self.cells} cells"
        if self.parameters:
            line += f", parameters {', '.join(self.parameters)}"
        if self.slice:
            tries = "1 try" if self.slice.tries == 1 else f"{self.slice.tries} tries"
            line += f"\n{self.slice.summary} by a replay · {tries}"
            line += f" · {tables.duration(self.slice.seconds)}"
            if not self.slice.smallest:
                line += " · search stopped early; for a longer one: --seconds N"
        return "\n".join([line, *(f"left out: {item}" for item in self.left_out)])


@dataclass(frozen=True, slots=True)
class NotebookDraft:
    """A notebook of some cells of a history: its constants, then (number from 0, source) by cell.

    `taken` counts the cells, including those that contain only constants.
    """

    taken: int
    parameters: dict[str, str]
    cells: list[tuple[int, str]]


def export(
    run: str,
    *,
    output: str = "",
    slice: bool = False,
    seconds: float = 120,
    project: Project | None = None,
) -> Exported:
    """Write a run's history as a notebook that `job run` can run.

    It contains the successful cells in execution order, including repeated ones. A constant that is
    set once, at the top level, moves to the cell tagged `parameters`, so its value applies to all
    cells.

    Args:
        run: its name, id, or the start of its id.
        output: the file to write; default: the run's name and `.ipynb`, in the project's root.
        slice: only the needed cells, found and verified by replays.
        seconds: time limit for making a slice smaller.
        project: default: the project at or above the working folder.

    Raises:
        NotFound: there is no such run or folder, the run has no capsule, or no slice of it can be
            verified.
        Conflict: the file exists already.
        UsageError: the run has not ended, or `seconds` is invalid.
    """
    project = project or Project.find()
    if not seconds >= 0:
        raise UsageError(f"--seconds must be 0 or more, not {seconds}", "For example: --seconds 60")
    detail = query.get(run, project=project)
    arguments.check_ended(detail)
    capsule = load(detail.run_id, detail.name, project=project)
    target = _target(output, detail, project)
    left_out: list[str] = []
    found = None
    if slice:
        from jupyter_mlops.replays.slice import shorten

        found = shorten(
            project,
            detail,
            capsule,
            [_text(cell) for cell in capsule.cells],
            lambda numbers: _replayed(draft(capsule, numbers), capsule),
            seconds=seconds,
        )
        numbers = [number - 1 for number in found.cells]
        target = _target(output, detail, project)  # check again after the search
    else:
        numbers, left_out = _succeeded(capsule)
    made = draft(capsule, numbers)
    notebook = _notebook(made, detail, capsule, found)
    files.replace(target, notebook)
    return Exported(
        path=project.relative(target),
        cells=len(made.cells) + 2 + bool(made.parameters),
        parameters=[*made.parameters],
        left_out=left_out,
        slice=found,
    )


def draft(capsule: Capsule, numbers: list[int]) -> NotebookDraft:
    """Return the notebook with these cells (from 0), the recorded one last."""
    parameters, cleaned = hoist([_text(capsule.cells[number]) for number in numbers])
    pairs = zip(numbers, cleaned, strict=True)
    return NotebookDraft(
        len(numbers),
        parameters,
        [(number, text) for number, text in pairs if text.strip() or number == numbers[-1]],
    )


def _text(cell: CapsuleCell) -> str:
    """Return a cell without the lines that belong to this tool."""
    return own_lines.without_own_lines(body(cell))


def _replayed(made: NotebookDraft, capsule: Capsule) -> Capsule:
    """Return a capsule with the cells of a draft, and the run's code and data."""
    first = ["\n".join(made.parameters.values())] if made.parameters else []
    head = [CapsuleCell(source=text) for text in [*first, _LOAD]]
    return capsule.model_copy(
        update={
            "cells": [
                *head,
                *(
                    capsule.cells[number].model_copy(update={"source": text})
                    for number, text in made.cells
                ),
            ],
            "generators": {
                name: (len(head) + sum(number < after for number, _ in made.cells), state)
                if after
                else (0, state)
                for name, (after, state) in capsule.generators.items()
            },
        }
    )


def _notebook(made: NotebookDraft, detail: RunDetail, capsule: Capsule, found: Slice | None) -> str:
    """Return the text of the notebook's file."""
    import nbformat

    new = nbformat.v4
    count = f"{made.taken} of {len(capsule.cells)} cells"
    cells = [new.new_markdown_cell(_origin(detail, capsule, count, found))]
    if made.parameters:
        text = "\n".join(made.parameters.values())
        cells.append(new.new_code_cell(text, metadata={"tags": ["parameters"]}))
    cells.append(new.new_code_cell(_LOAD))
    for number, code in made.cells:
        last = number == len(capsule.cells) - 1
        text = f"%%mlops run {shlex.quote(detail.name)}\n{code}" if last else code
        fails = not last and not capsule.cells[number].ok
        metadata = {"tags": ["raises-exception"]} if fails else {}
        cells.append(new.new_code_cell(text, metadata=metadata))
    notebook = new.new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
            "mlops": {
                "run": detail.run_id,
                "cells": made.taken,
                "of": len(capsule.cells),
                "verified": found.verified.isoformat() if found else "",
                "generators": bool(found and found.generators),
            },
        },
    )
    nbformat.validate(notebook)
    return f"{nbformat.writes(notebook)}\n"


def _succeeded(capsule: Capsule) -> tuple[list[int], list[str]]:
    """Return the numbers of the cells to write, the recorded one last, and a reason for each other cell."""
    numbers, left_out = [], []
    for number, cell in enumerate(capsule.cells, start=1):
        if cell.ok or number == len(capsule.cells):
            numbers.append(number - 1)
        else:
            left_out.append(f"cell [{number}] failed ({cell.error})")
    return numbers, left_out


def _target(output: str, detail: RunDetail, project: Project) -> Path:
    if output:
        target = Path(output).expanduser().absolute()
        if target.suffix != ".ipynb":
            raise UsageError(
                f"--output {output} does not end in .ipynb", f"Type: --output {output}.ipynb"
            )
    else:
        target = project.root / f"{_NAME.sub('-', detail.name).strip('-.') or 'run'}.ipynb"
    if target.exists():
        raise Conflict(f"{project.relative(target)} exists already", "Type: --output OTHER.ipynb")
    if not target.parent.is_dir():
        raise NotFound(f"No folder {target.parent}", "Create it first")
    return target


def _origin(detail: RunDetail, capsule: Capsule, count: str, found: Slice | None) -> str:
    lines = [
        f"# {detail.name}",
        "",
        f"Run `{detail.run_id}` of {detail.start_time:%Y-%m-%d %H:%M}"
        + (f", from `{detail.notebook}`" if detail.notebook else "")
        + (f", at commit `{detail.commit[:12]}`" if detail.commit else "")
        + f". {count} of its history, "
        + (
            f"**verified** by a replay on {found.verified:%Y-%m-%d %H:%M} UTC."
            if found
            else "not verified by a replay."
        ),
    ]
    if found and found.generators:
        lines += [
            "",
            "A replay begins with the run's random states. Without a seed, this notebook gets other random numbers.",
        ]
    if detail.metrics:
        lines += ["", "| metric | value |", "| --- | --- |"]
        lines += [f"| {name} | {value} |" for name, value in detail.metrics.items()]
    inputs = [use for use in detail.data if use.role == "input"] or capsule.data
    if inputs:
        lines += ["", "Data: " + ", ".join(f"`{use.path}@{use.version[:12]}`" for use in inputs)]
    if capsule.hidden:
        lines += ["", "Hidden state when it was recorded: " + "; ".join(capsule.hidden)]
    return "\n".join(lines)
