"""The cells that a kernel executed, in execution order, and the states of its random generators.

`%load_ext` imports this module, so it must be light: a cell costs one append; the state of a random
generator is read once, when its module is first seen.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import time
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

#: The global random generators, and the modules that make them.
GENERATORS = {"random": "random", "numpy": "numpy.random", "torch": "torch"}


@dataclass(slots=True)
class CellExecution:
    """One execution of a cell. `ok` is None while it runs; `error` names the exception's type."""

    source: str
    ok: bool | None = None
    cell_id: str = ""
    error: str = ""
    at: float = 0.0


@dataclass(slots=True)
class History:
    """All executions of a kernel, including repeated and failed ones, and other state for a replay.

    A cell that another cell executes (`shell.run_cell` in a cell) is part of the outer cell.

    `deleted` holds the ids of cells that the front-end reported as deleted. `generators` maps each
    random generator to (number of cells before its state was read, state). A replay that sets the
    state at the same place gets the same numbers, even if no cell called `seed`.
    """

    cells: list[CellExecution] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)
    generators: dict[str, tuple[int, Any]] = field(default_factory=dict)
    folder: str = field(default_factory=os.getcwd)
    depth: int = 0

    def begin(self, source: str, cell_id: str = "", deleted: list[str] | None = None) -> None:
        """Record the start of a cell."""
        self.depth += 1
        if self.depth > 1:
            return
        self.deleted.update(deleted or ())
        self.deleted.discard(cell_id)
        self.cells.append(CellExecution(source, cell_id=cell_id, at=time.time()))

    def end(self, error: BaseException | None = None) -> None:
        """Record the result of the cell that started last."""
        self.depth = max(0, self.depth - 1)
        if self.depth:
            return
        if self.cells and self.cells[-1].ok is None:
            self.cells[-1].ok = error is None
            self.cells[-1].error = type(error).__name__ if error else ""
        self.look_at_generators(len(self.cells))

    def look_at_generators(self, after: int) -> None:
        """Save the state of each generator that was imported since the last call."""
        for name in GENERATORS:
            if name not in self.generators and (state := generator_state(name)) is not None:
                self.generators[name] = (after, state)

    def look_now(self) -> None:
        """Save the states in the middle of a cell, before it draws from a new generator."""
        running = bool(self.cells) and self.cells[-1].ok is None
        self.look_at_generators(len(self.cells) - running)


#: By the `id` of the namespace that the cells run in; the entry keeps the namespace alive.
_of: dict[int, tuple[dict[str, Any], History]] = {}


def attach(namespace: dict[str, Any], history: History) -> None:
    """Register `history` for the cells that run in `namespace`."""
    _of[id(namespace)] = (namespace, history)


def detach(namespace: dict[str, Any]) -> None:
    """Remove the history of `namespace`."""
    _of.pop(id(namespace), None)


def running(namespace: dict[str, Any]) -> History | None:
    """Return the history of `namespace` if a cell runs in it now; else None."""
    _, history = _of.get(id(namespace), (None, None))
    return history if history and history.cells and history.cells[-1].ok is None else None


def here() -> tuple[dict[str, Any], History] | None:
    """Return the namespace in which a cell runs now, and its history; None outside of a notebook."""
    for namespace, history in _of.values():
        if running(namespace) is not None:
            return namespace, history
    return None


def generator_state(name: str) -> Any:
    """Return the state of a global random generator as a JSON value; None if it is not imported."""
    if name == "random":
        version, words, gauss = random.getstate()
        return [version, [*words], gauss]
    module = sys.modules.get(GENERATORS[name])
    # Another thread may be in the middle of the import; then the next call reads the state.
    with contextlib.suppress(Exception):
        if name == "numpy" and module is not None:
            kind, words, position, has_gauss, cached = module.get_state()
            return [kind, words.tolist(), position, has_gauss, cached]
        if name == "torch" and module is not None:
            return module.get_rng_state().numpy().tobytes().hex()
    return None


def set_generator(name: str, state: Any) -> None:
    """Set a global random generator to a state from `generator_state`."""
    if name == "random":
        version, words, gauss = state
        random.setstate((version, tuple(words), gauss))
    elif name == "numpy":
        # Not as an attribute of NumPy: NumPy sets it only after the generator's import is complete.
        import_module("numpy.random").set_state(tuple(state))
    elif name == "torch":
        import torch

        torch.set_rng_state(torch.frombuffer(bytearray.fromhex(state), dtype=torch.uint8))
