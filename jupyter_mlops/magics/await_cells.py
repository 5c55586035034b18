"""Recorded cells that await: `%%mlops run` on top of `await …`.

IPython runs a magic inside its event loop and waits for it to return, so a magic cannot await. Such a
cell is therefore rewritten, before IPython reads it, into a line that awaits the recording; IPython
then runs it as it runs any cell with a top-level await: interrupts, status and all. What the
history keeps, and a replay sends, is the cell as it was typed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MAGIC = "%%mlops"


def register(shell: Any) -> None:
    """Rewrite such cells from now on."""
    transforms = shell.input_transformers_cleanup
    names = [getattr(transform, "__name__", "") for transform in transforms]
    # Before cell magics become calls, and after empty lines above them are gone.
    at = names.index("cell_magic") if "cell_magic" in names else len(names)
    transforms.insert(at, _transform(shell))


def unregister(shell: Any) -> None:
    """Leave cells as they are."""
    transforms = shell.input_transformers_cleanup
    transforms[:] = [one for one in transforms if getattr(one, "__module__", "") != __name__]


def awaits(shell: Any, cell: str) -> bool:
    """Whether a cell awaits at its top level; one that does not parse does not."""
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
