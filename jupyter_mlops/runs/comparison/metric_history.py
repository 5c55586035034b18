"""Reads metrics over their steps from the store; thins a long history but keeps its peaks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from jupyter_mlops.runs.comparison.curves import MOST_POINTS
from jupyter_mlops.runs.comparison.records import Curve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyter_mlops.tracking.store import Store

# Each history needs one request.
_MOST_CURVES = 16


def read(
    store: Store, details: Sequence[Any], most_points: int | None = MOST_POINTS
) -> list[Curve]:
    """Return the metrics that one of the runs logged at several steps.

    Args:
        store: where the runs are.
        details: the runs; a curve has one line for each.
        most_points: a longer line is thinned to this number; None keeps all.
    """
    stepped = [_stepped(store, detail.run_id) for detail in details]
    found = []
    for name in sorted(set().union(*stepped))[:_MOST_CURVES]:
        lines = [
            _history(store, detail.run_id, name) if name in detail.metrics else []
            for detail in details
        ]
        if any(len(line) > 1 for line in lines):
            kept = lines if most_points is None else [thin(line, most_points) for line in lines]
            found.append(Curve(metric=name, lines=kept))
    return found


def thin(line: Sequence[tuple[int, float | None]], most: int) -> list[tuple[int, float | None]]:
    """Return at most `most` points (4 or more): the first, the last, and the extremes of each part between."""
    if len(line) <= most:
        return [*line]
    inner = line[1:-1]
    parts = max(1, (most - 2) // 2)
    kept = [line[0]]
    for part in range(parts):
        chunk = inner[part * len(inner) // parts : (part + 1) * len(inner) // parts]
        known = [point for point in chunk if point[1] is not None and math.isfinite(point[1])]
        if not known:
            kept += chunk[:1]
            continue
        low, high = (choose(known, key=lambda point: point[1] or 0.0) for choose in (min, max))
        kept += [low] if low == high else sorted((low, high))
    return [*kept, line[-1]]


def _stepped(store: Store, run_id: str) -> set[str]:
    """Return the metrics whose latest step is not 0; the others have one value and no curve."""
    return {item.key for item in store.client.get_run(run_id).data.to_proto().metrics if item.step}


def _history(store: Store, run_id: str, name: str) -> list[tuple[int, float | None]]:
    # If a step was logged twice, the last value counts.
    found: dict[int, float | None] = {
        item.step: float(item.value)
        for item in sorted(
            store.client.get_metric_history(run_id, name), key=lambda item: item.timestamp
        )
    }
    return sorted(found.items())
