"""A real IPython shell in this process, as a notebook's user sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_mlops.project import Project


@pytest.fixture
def cell(project: Project) -> Iterator[Callable[[str], Any]]:
    """Give a function that runs one cell in a fresh shell with the extension loaded."""
    shell = InteractiveShell.instance()
    shell.colors = "nocolor"
    shell.run_line_magic("load_ext", "jupyter_mlops")

    def run(source: str) -> Any:
        return shell.run_cell(source, store_history=False)

    run.shell = shell  # type: ignore[attr-defined]
    yield run
    InteractiveShell.clear_instance()
