"""Notebooks written as a list of cells: `write(path, "code", parameters("n = 1"), markdown("# Train"))`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from jupyter_mlops.project import Project

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def notebook(*cells: Any, metadata: dict[str, Any] | None = None) -> Any:
    made = [nbformat.v4.new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    return nbformat.v4.new_notebook(cells=made, metadata=PYTHON if metadata is None else metadata)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that is only a folder: enough for what reads notebooks and runs nothing."""
    (tmp_path / "mlops.toml").touch()
    monkeypatch.chdir(tmp_path)
    return Project.find(tmp_path)


@pytest.fixture
def write(folder: Project) -> Any:
    """Write a notebook into the project and return its name."""

    def written(
        *cells: Any, name: str = "train.ipynb", metadata: dict[str, Any] | None = None
    ) -> str:
        path = folder.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook(*cells, metadata=metadata), path)
        return name

    return written
