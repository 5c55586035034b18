"""Record cells with a top-level await: `%%mlops run` above `await …`.

IPython runs a magic inside its event loop and waits for it to return, so a magic cannot await. An
input transformer therefore rewrites such a cell into a line that awaits the recording. IPython runs
it like any cell with a top-level await, with interrupts and status. The history, and a replay, have
the original cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MAGIC = "%%mlops"


def register(shell: Any) -> None:
    """Add the input transformer to `shell`."""
    transforms = shell.input_transformers_cleanup
    names = [getattr(transform, "__name__", "") for transform in transforms]
    # After empty leading lines are removed, and before cell magics become calls.
    at = names.index("cell_magic") if "cell_magic" in names else len(names)
    transforms.insert(at, _transform(shell))


def unregister(shell: Any) -> None:
    """Remove the input transformer from `shell`."""
    transforms = shell.input_transformers_cleanup
    transforms[:] = [one for one in transforms if getattr(one, "__module__", "") != __name__]


def awaits(shell: Any, cell: str) -> bool:
    """Whether a cell has a top-level await; False if it does not parse."""
    if "await" not in cell and "async" not in cell:
        return False
    from jupyter_mlops.cells import source

    try:
        return source.awaits(shell.transform_cell(cell))
    except SyntaxError:
        return False


def _transform(shell: Any) -> Callable[[list[str]], list[str]]:
    def awaited(lines: list[str]) -> list[str]:
        if not lines or lines[0].split(maxsplit=1)[:1] != [_MAGIC]:
            return lines
        line, cell = lines[0].strip().removeprefix(_MAGIC).strip(), "".join(lines[1:])
        if not awaits(shell, cell):
            return lines
        return [f"await get_ipython().find_cell_magic('mlops').awaited({line!r}, {cell!r})\n"]

    return awaited
