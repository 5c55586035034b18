"""Removes from a run's history the cells that its recorded cell seems not to need.

In one kernel the second run's history holds the first run and all cells in between. Without them the
difference of the two is easier to read, and a replay is faster. The choice is not trusted: a short
form is used only if its replay gives the recorded metrics. It is between the two proposals of
`slices`: it keeps the cells that assign each name, and those that change an object by a call.
"""

from __future__ import annotations

import ast

from jupyter_mlops.cells import names, slices, source
from jupyter_mlops.cells.programs import Program
from jupyter_mlops.runs.capsules.capsule import Capsule, body

#: Modules with process-wide state: a cell that changes them is kept.
_PROCESS = {"os", "sys", "warnings"}


def shortened(capsule: Capsule) -> Capsule | None:
    """Return the capsule with only the cells that seem needed; None if that leaves out nothing."""
    sources = [body(cell) for cell in capsule.cells]
    late: set[str] = set()
    while True:
        kept, found = _walk(capsule, sources, late)
        if found <= late:
            break
        late |= found
    dropped = [text for number, text in enumerate(sources) if number not in kept]
    if not Program.of(dropped).lines:
        return None
    order = sorted(kept)
    return capsule.model_copy(
        update={
            "cells": [capsule.cells[number] for number in order],
            "generators": {
                name: (sum(number < after for number in order), state)
                for name, (after, state) in capsule.generators.items()
            },
        }
    )


def _walk(capsule: Capsule, sources: list[str], late: set[str]) -> tuple[set[int], set[str]]:
    """Return the cells to keep, and the names that functions in them read when they are called.

    Such a name may be assigned after the function, so it is needed from the end: `late`.
    """
    last = len(sources) - 1
    needed = {*names.read(sources[last]).takes} | late
    kept, found = {last}, _late(sources[last])
    for number in range(last - 1, -1, -1):
        cell, text = capsule.cells[number], sources[number]
        read = names.read(text)
        ours = not Program.of([text]).lines
        if ours or cell.error == "KeyboardInterrupt":
            continue
        makes = read.makes & needed
        if not (
            makes
            or read.unknown
            or source.read(text).has_magics
            or (needed | _PROCESS) & slices.effects(text).commands
        ):
            continue
        kept.add(number)
        if cell.ok:
            needed -= makes - read.takes - late
        needed |= read.takes
        found |= _late(text)
    return kept, found


def _late(text: str) -> set[str]:
    """Return the names that a cell reads, if it defines functions; else an empty set."""
    tree = source.read(text).program
    scopes = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    if any(isinstance(node, scopes) for node in ast.walk(tree)):
        return {*names.read(text).takes}
    return set()
