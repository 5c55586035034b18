"""`run export`: a run's history as a clean notebook, its constants in one parameters cell."""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from pathlib import Path

from jupyter_mlops import files
from jupyter_mlops.errors import Conflict, NotFound, UsageError
from jupyter_mlops.project import Project
from jupyter_mlops.records import Record
from jupyter_mlops.runs import query
from jupyter_mlops.runs.capsules import names
from jupyter_mlops.runs.capsules.capsule import Capsule, body, load
from jupyter_mlops.runs.records import RunDetail

_LOAD = "%load_ext jupyter_mlops"
#: Lines that belong to this tool or to the machine the notebook was run on.
_DROPPED = re.compile(r"^\s*%(?:mlops|load_ext\s+jupyter_mlops|reload_ext\s+jupyter_mlops)\b")
_NAME = re.compile(r"[^\w.-]+")


class Exported(Record):
    """A notebook that was written; `left_out` says which cells of the history are not in it."""

    path: str
    cells: int
    parameters: list[str] = []
    left_out: list[str] = []

    def __str__(self) -> str:
        line = f"{self.path}: {self.cells} cells"
        if self.parameters:
            line += f", parameters {', '.join(self.parameters)}"
        return "\n".join([line, *(f"left out: {item}" for item in self.left_out)])

    def _repr_html_(self) -> None:  # type: ignore[override]
        """Text says it."""


def export(run: str, *, output: str = "", project: Project | None = None) -> Exported:
    """Write a run's history as a notebook that `job run` can run.

    The cells that succeeded stand in the order in which they ran, repeats too. A constant that is
    set once, at the top level, moves to the cell tagged `parameters`, so that a value given there
    holds everywhere.

    Args:
        run: its name, id, or the start of its id.
        output: the file to write; default: the run's name and `.ipynb`, in the project's root.
        project: default: the project at or above the working folder.

    Raises:
        NotFound: there is no such run, it has no capsule, or no such folder.
        Conflict: the file is there already.
    """
    import nbformat

    project = project or Project.find()
    detail = query.get(run, project=project)
    capsule = load(detail.run_id, detail.name, project=project)
    target = _target(output, detail, project)
    sources, left_out = _kept(capsule)
    parameters, sources = hoist(sources)
    head = f"%%mlops run {_quoted(detail.name)}\n"
    sources[-1] = head + sources[-1]
    new = nbformat.v4
    cells = [new.new_markdown_cell(_origin(detail, capsule))]
    if parameters:
        text = "\n".join(parameters.values())
        cells.append(new.new_code_cell(text, metadata={"tags": ["parameters"]}))
    cells.append(new.new_code_cell(_LOAD))
    cells += [new.new_code_cell(source) for source in sources if source.strip()]
    notebook = new.new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        },
    )
    nbformat.validate(notebook)
    files.replace(target, nbformat.writes(notebook) + "\n")
    return Exported(
        path=project.relative(target),
        cells=len(cells),
        parameters=[*parameters],
        left_out=left_out,
    )


def hoist(sources: list[str]) -> tuple[dict[str, str], list[str]]:
    """Take constants out of cells: name → its line, and the cells without those lines.

    A constant moves when nothing else makes its name: the one statement stands by itself at the top
    level, and no cell may make names that cannot be seen.
    """
    read = [names.read(source) for source in sources]
    if any(item.unknown for item in read):
        return {}, sources
    makers = Counter(name for item in read for name in item.makes)
    found: dict[str, str] = {}
    cleaned = []
    for source in sources:
        lines = source.splitlines()
        gone: set[int] = set()
        for name, first, last in _constants(source):
            alone = makers[name] == 1 and not _changed_elsewhere(name, sources)
            if alone and name not in found:
                found[name] = "\n".join(lines[first - 1 : last])
                gone |= {*range(first, last + 1)}
        kept = [line for number, line in enumerate(lines, start=1) if number not in gone]
        cleaned.append("\n".join(kept).strip("\n"))
    return found, cleaned


def _kept(capsule: Capsule) -> tuple[list[str], list[str]]:
    """Return the cells to write, the recorded one last, and why the others are not."""
    sources, left_out = [], []
    for number, cell in enumerate(capsule.cells, start=1):
        last = number == len(capsule.cells)
        if not cell.ok and not last:
            left_out.append(f"cell [{number}] failed ({cell.error})")
            continue
        text = "\n".join(line for line in body(cell).splitlines() if not _DROPPED.match(line))
        if text.strip() or last:
            sources.append(text)
    return sources, left_out


def _constants(source: str) -> list[tuple[str, int, int]]:
    """Return (name, first line, last line) of each top-level `name = constant` of a plain cell."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)  # a cell with magics is left as it is
    except (SyntaxError, ValueError):
        return []
    taken = Counter(
        line
        for statement in tree.body
        for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    )
    found = []
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target, value = statement.target, statement.value
        else:
            continue
        first, last = statement.lineno, statement.end_lineno or statement.lineno
        if (
            isinstance(target, ast.Name)
            and not target.id.startswith("_")
            and _is_constant(value)
            and all(taken[line] == 1 for line in range(first, last + 1))
        ):
            found.append((target.id, first, last))
    return found


def _is_constant(value: ast.expr) -> bool:
    """Whether a value can be given as a parameter: what JSON has, at most a flat list of it."""
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
        value = value.operand
        return isinstance(value, ast.Constant) and isinstance(value.value, (int, float))
    if isinstance(value, ast.List):
        return bool(value.elts) and all(
            not isinstance(item, ast.List) and _is_constant(item) for item in value.elts
        )
    return isinstance(value, ast.Constant) and (
        value.value is None or isinstance(value.value, (bool, int, float, str))
    )


def _changed_elsewhere(name: str, sources: list[str]) -> bool:
    """Whether a cell uses the name before it is made, or deletes or augments it."""
    for source in sources:
        read = names.read(source)
        if name in read.makes:
            try:
                tree = ast.parse(names.plain(source))
            except (SyntaxError, ValueError):
                return True
            stores = [
                node
                for node in ast.walk(tree)
                if isinstance(node, ast.Name)
                and node.id == name
                and isinstance(node.ctx, (ast.Store, ast.Del))
            ]
            return len(stores) != 1
        if name in read.takes:
            return True
    return False


def _target(output: str, detail: RunDetail, project: Project) -> Path:
    if output:
        target = Path(output).expanduser().absolute()
        if target.suffix != ".ipynb":
            raise UsageError(f"{output} is not a notebook's name", f"Type: --output {output}.ipynb")
    else:
        target = project.root / f"{_NAME.sub('-', detail.name).strip('-.') or 'run'}.ipynb"
    if target.exists():
        raise Conflict(f"{project.relative(target)} is there already", "Type: --output OTHER.ipynb")
    if not target.parent.is_dir():
        raise NotFound(f"No folder {target.parent}", "Make it first")
    return target


def _origin(detail: RunDetail, capsule: Capsule) -> str:
    lines = [
        f"# {detail.name}",
        "",
        f"Run `{detail.run_id}` of {detail.start_time:%Y-%m-%d %H:%M}"
        + (f", from `{detail.notebook}`" if detail.notebook else "")
        + (f", at commit `{detail.commit[:12]}`" if detail.commit else "")
        + ".",
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


def _quoted(name: str) -> str:
    import shlex

    return shlex.quote(name)
