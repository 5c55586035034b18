"""Record in memory which cells a shell executes, from `%load_ext` on.

The extension only appends to a list in this process and reads the state of each global random
generator once. It must start early: the cells executed before a recording (also deleted ones), their
ids and the start of the random numbers cannot be found later. Cells executed before `%load_ext` come
from IPython's history, which has their source and errors, but not their ids.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from jupyter_mlops.runs.capsules import history as kept
from jupyter_mlops.runs.capsules.history import CellExecution, History
from jupyter_mlops.runs.capsules.import_watch import ImportWatch

_watched: WeakKeyDictionary[Any, tuple[Any, Any, ImportWatch]] = WeakKeyDictionary()


def watch(shell: Any) -> None:
    """Begin to record the executed cells of `shell`; a second call does nothing."""
    if shell in _watched:
        return
    history = History(cells=_earlier(shell))

    def before(info: Any) -> None:
        if info is not None and info.raw_cell is not None:
            meta = getattr(info, "cell_meta", None) or {}
            history.begin(info.raw_cell, info.cell_id or "", meta.get("deletedCells"))

    def after(result: Any) -> None:
        history.end(result and (result.error_before_exec or result.error_in_exec))

    shell.events.register("pre_run_cell", before)
    shell.events.register("post_run_cell", after)
    history.look_now()
    import_watch = ImportWatch([*kept.GENERATORS.values()], lambda _name: history.look_now())
    _watched[shell] = (before, after, import_watch)
    kept.attach(shell.user_ns, history)


def unwatch(shell: Any) -> None:
    """Stop recording and delete the history."""
    known = _watched.pop(shell, None)
    if known:
        shell.events.unregister("pre_run_cell", known[0])
        shell.events.unregister("post_run_cell", known[1])
        known[2].stop()
        kept.detach(shell.user_ns)


def _earlier(shell: Any) -> list[CellExecution]:
    """Return the cells executed before; the last one holds `%load_ext` and still runs."""
    manager = shell.history_manager
    sources = [*getattr(manager, "input_hist_raw", [])][1:]
    failed = getattr(manager, "exceptions", {})
    cells = [
        CellExecution(source, ok=number not in failed, error=_kind(failed.get(number)))
        for number, source in enumerate(sources, start=1)
    ]
    if cells and cells[-1].ok:
        cells[-1].ok = None
    return cells


def _kind(stored: Any) -> str:
    return str(stored.get("ename", "")) if isinstance(stored, dict) else ""
