"""Notebooks for jobs on real kernels, written as a list of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nbformat
import pytest

if TYPE_CHECKING:
    from jupyter_mlops.project import Project

PYTHON = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


@pytest.fixture
def write(project: Project) -> Any:
    """Write a notebook into the project: text is code, a pair is a tag and code, `#` is markdown."""

    def written(name: str, *cells: Any) -> str:
        made = []
        for cell in cells:
            if isinstance(cell, tuple):
                made.append(nbformat.v4.new_code_cell(cell[1], metadata={"tags": [cell[0]]}))
            elif cell.startswith("# "):
                made.append(nbformat.v4.new_markdown_cell(cell))
            else:
                made.append(nbformat.v4.new_code_cell(cell))
        content = nbformat.v4.new_notebook(cells=made, metadata=PYTHON)
        nbformat.write(content, project.root / name)
        return name

    return written
