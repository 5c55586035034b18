"""Hidden state: values that a recorded cell reads and that the notebook no longer explains.

Only certain cases are reported. A cell's id comes from the front-end. The saved notebook is used only
if it was saved after the cell ran. A notebook executed from top to bottom has no hidden state.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_mlops.cells import names, source

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

    from jupyter_mlops.runs.capsules.history import CellExecution, History

_MOST = 3


@dataclass(frozen=True, slots=True)
class SavedNotebook:
    """The code cells of the notebook's file (id → source, in order), and the time of its last save."""

    cells: dict[str, str]
    at: float


def saved(path: Path | None) -> SavedNotebook | None:
    """Read the notebook's file; None if it is missing, cannot be read or has no cell ids."""
    if path is None:
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cells = {
            cell["id"]: "".join(cell["source"])
            for cell in content["cells"]
            if cell["cell_type"] == "code"
        }
        return SavedNotebook(cells, path.stat().st_mtime)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find(
    history: History, namespace: Container[str], notebook: SavedNotebook | None = None
) -> list[str]:
    """Return one line for each name whose value the notebook no longer explains.

    Args:
        history: its last cell is the one being recorded.
        namespace: the names that exist now, before that cell runs.
        notebook: the saved notebook.
    """
    if not history.cells:
        return []
    last = len(history.cells) - 1
    unknown = any(names.read(cell.source).unknown for cell in history.cells)
    made = {name for cell in history.cells[:-1] for name in names.read(cell.source).makes}
    found: dict[str, str] = {}
    seen: set[tuple[str, int]] = set()
    waiting = [(name, last) for name in sorted(names.read(history.cells[last].source).takes)]
    while waiting:
        name, before = waiting.pop(0)
        maker = _maker(history, name, before)
        if maker is None:
            if not unknown and name in namespace and name not in made:
                found[name] = f"no executed cell defines `{name}`"
            continue
        if (name, maker) in seen:
            continue
        seen.add((name, maker))
        if name not in found and (reason := _reason(history, name, maker, last, notebook)):
            found[name] = reason
        waiting += [(item, maker) for item in sorted(names.read(history.cells[maker].source).takes)]
    lines = [*found.values()]
    return lines[:_MOST] + ([f"and {len(lines) - _MOST} more"] if len(lines) > _MOST else [])


def _maker(history: History, name: str, before: int) -> int | None:
    for index in range(before - 1, -1, -1):
        if name in names.read(history.cells[index].source).makes:
            return index
    return None


def _reason(
    history: History, name: str, maker: int, last: int, notebook: SavedNotebook | None
) -> str:
    """Return why the notebook no longer explains `name`; empty if it does."""
    cell = history.cells[maker]
    if not cell.cell_id:
        return ""
    title = f"`{name}` comes from cell [{maker + 1}]"
    if cell.cell_id in history.deleted:
        return f"{title}, deleted since"
    later = [item for item in history.cells[maker + 1 :] if item.cell_id == cell.cell_id]
    if any(not source.same(item.source, cell.source) for item in later):
        return f"{title}, edited since"
    recorded = history.cells[last].cell_id
    # Some front-ends send ids that are not in the file; then the file is not used.
    if notebook is not None and notebook.at > cell.at and recorded in notebook.cells:
        shown = notebook.cells.get(cell.cell_id)
        if shown is None:
            return f"{title}, deleted since"
        if not source.same(shown, cell.source):
            return f"{title}, edited since"
        order = [*notebook.cells]
        if order.index(recorded) < order.index(cell.cell_id):
            return f"{title}, which is below this one"
    times = _times(history, name, maker)
    return f"{title}, which changed its own result {times} times" if times > 1 else ""


def _times(history: History, name: str, maker: int) -> int:
    """Return how often a cell that reads its own result (`x += 1`) ran since another cell set it."""
    cell = history.cells[maker]
    if name not in names.read(cell.source).takes:
        return 1
    times = 0
    for index in range(maker, -1, -1):
        other: CellExecution = history.cells[index]
        if other.cell_id == cell.cell_id:
            times += other.ok is not False
        elif name in names.read(other.source).makes:
            break
    return times
