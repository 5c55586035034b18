"""Find and read notebooks for the job verbs; code cells are numbered from 1."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import NotFound, UsageError, nearest
from jupyter_mlops.text import cut, error_line

if TYPE_CHECKING:
    from jupyter_mlops.project import Project

PARAMETERS_TAG = "parameters"
SKIP_TAG = "skip-execution"
MAY_FAIL_TAG = "raises-exception"
_HOW_TO_REPAIR = "Name a .ipynb file; a damaged one may open in JupyterLab, which can save it again"


@dataclass(frozen=True, slots=True)
class CodeCell:
    """One code cell: its number among code cells (from 1), its index among all cells, its source."""

    number: int
    index: int
    source: str
    tags: frozenset[str] = field(default_factory=frozenset)
    stage: str = ""

    @property
    def title(self) -> str:
        """Title in a progress line: the heading above the cell, else its first line of code."""
        return self.stage or first_line(self.source)


def locate(notebook: str | Path, project: Project) -> Path:
    """Return the notebook's path, also for one relative to the project or without `.ipynb`.

    Raises:
        NotFound: there is no such file.
        UsageError: it is a folder.
    """
    text = str(notebook).strip()
    if not text:
        raise UsageError("No notebook given", "Type its path, e.g. train.ipynb")
    given = Path(text).expanduser()
    places = [given] if given.is_absolute() else [Path.cwd() / given, project.root / given]
    for place in places:
        if place.is_file():
            return place.resolve()
        with_suffix = place.with_name(f"{place.name}.ipynb")
        if with_suffix.is_file():
            return with_suffix.resolve()
    if any(place.is_dir() for place in places):
        raise UsageError(f"{text} is a folder, not a notebook", f"Type a file: {text}/NAME.ipynb")
    known = [path.name for path in places[-1].parent.glob("*.ipynb")]
    hint = nearest(given.name, known) or (
        f"Here are: {', '.join(sorted(known)[:5])}" if known else ""
    )
    raise NotFound(f"No notebook {text}", hint or "Type a path relative to the project")


def read(path: Path) -> Any:
    """Return the notebook at `path` in nbformat 4; the file itself is never changed.

    Raises:
        UsageError: the file is not a notebook.
    """
    import nbformat

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nbformat warns of cells without ids and adds them
            notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
            nbformat.validate(notebook, relax_add_props=True)
    except OSError as error:
        raise UsageError(f"{path.name} cannot be read: {error.strerror}") from None
    except nbformat.reader.NotJSONError:  # its message ends with the whole file
        raise UsageError(f"{path.name} is not a notebook: it is not JSON", _HOW_TO_REPAIR) from None
    except Exception as error:  # nbformat has no common base class, and bad JSON raises many types
        raise UsageError(
            f"{path.name} is not a notebook: {error_line(error)}", _HOW_TO_REPAIR
        ) from None
    return notebook


def code_cells(notebook: Any) -> list[CodeCell]:
    """Return the code cells in order, each with the markdown heading directly above it."""
    cells: list[CodeCell] = []
    stage = ""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            stage = heading(cell.source) or stage
        elif cell.cell_type == "code":
            tags = frozenset(cell.metadata.get("tags") or ())
            cells.append(CodeCell(len(cells) + 1, index, cell.source, tags, stage))
            stage = ""
    return cells


def heading(markdown: str) -> str:
    """Return the last heading of a markdown cell, without its marks."""
    found = ""
    fenced = False
    for line in markdown.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        mark, _, text = line.partition(" ")
        if not fenced and mark and set(mark) == {"#"}:
            found = text.strip().strip("#*_` ")
    return found


def first_line(source: str, width: int = 60) -> str:
    """Return the first line that is not blank, a comment, an import or `%load_ext`."""
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    telling = [
        line for line in lines if not line.startswith(("#", "%load_ext", "import ", "from "))
    ]
    line = (telling or lines or ["(empty)"])[0]
    return cut(line, width)


def kernel_name(notebook: Any, project: Project) -> str:
    """Return the kernel's name: `jobs.kernel` of `mlops.toml`, else the notebook's own."""
    own = notebook.metadata.get("kernelspec", {}).get("name", "")
    return project.settings.jobs.kernel or str(own or "")
