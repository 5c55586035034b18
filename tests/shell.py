"""A real IPython shell in this process, as a notebook's user sees it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cells:
    """Runs cells in a fresh shell with the extension loaded."""

    def __init__(self) -> None:
        self.shell: Any = InteractiveShell.instance()
        self.shell.colors = "nocolor"
        self.shell.run_line_magic("load_ext", "jupyter_mlops")

    def __call__(self, source: str) -> Any:
        """Run one cell; return IPython's result."""
        return self.shell.run_cell(source, store_history=False)


@contextmanager
def started() -> Iterator[Cells]:
    """Give a shell of its own to a block, then put `__main__` back: a shell replaces that module."""
    main = sys.modules["__main__"]
    try:
        yield Cells()
    finally:
        InteractiveShell.clear_instance()
        sys.modules["__main__"] = main
