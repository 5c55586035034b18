"""Compare two tables column by column, and give a verdict for the whole table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jupyter_mlops.drift.columns import compare_column
from jupyter_mlops.drift.records import ColumnDrift, DriftReport, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

#: With fewer current rows, distances are large without drift, because of the sample's noise.
SMALL_WINDOW = 1000
_NOTES = 5


def compare(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    *,
    columns: Sequence[str] | None = None,
    share: float = 0.5,
    labels: tuple[str, str] = ("reference", "current"),
    service: str = "",
    warnings: Sequence[str] = (),
) -> DriftReport:
    """Compare two tables on `columns` (default: all of both), with Evidently's tests.

    The verdict is "drift" if at least `share` of the evaluated columns drift.
    """
    old, new = _by_name(reference), _by_name(current)
    compared = [
        _compare(name, old.get(name, []), new.get(name, []))
        for name in (columns if columns is not None else dict.fromkeys((*new, *old)))
    ]
    evaluated = [column for column in compared if column.drift is not None]
    drifted = sum(1 for column in evaluated if column.drift)
    part = drifted / len(evaluated) if evaluated else None
    verdict: Verdict = "not evaluated"
    if part is not None:
        verdict = "drift" if part >= share else "no drift"
    notes = list(warnings)
    if len(current) < SMALL_WINDOW:
        notes.append(
            f"too few rows to say ({len(current):,}; {SMALL_WINDOW:,} wanted): "
            "a column can drift by chance"
        )
    notes += [f"{column.column}: {column.reason}" for column in evaluated if column.reason][:_NOTES]
    skipped = len(compared) - len(evaluated)
    if skipped:
        notes.append(
            f"{skipped} of {len(compared)} columns not evaluated: the reason is in each row"
        )
    return DriftReport(
        reference=labels[0],
        current=labels[1],
        service=service,
        verdict=verdict,
        drifted=drifted,
        evaluated=len(evaluated),
        share=part,
        threshold=share,
        reference_rows=len(reference),
        current_rows=len(current),
        time=datetime.now(UTC),
        warnings=notes,
        columns=compared,
    )


def _by_name(frame: pd.DataFrame) -> dict[str, list[pd.Series[Any]]]:
    """Return columns by name; several columns can have the same name."""
    found: dict[str, list[pd.Series[Any]]] = {}
    for position, name in enumerate(frame.columns):
        found.setdefault(str(name), []).append(frame.iloc[:, position])
    return found


def _compare(name: str, old: list[pd.Series[Any]], new: list[pd.Series[Any]]) -> ColumnDrift:
    for side, where in ((old, "reference"), (new, "current data")):
        if len(side) > 1:
            reason = f"{len(side)} columns of this name in the {where}"
            return ColumnDrift(column=name, status="not evaluated", reason=reason)
    return compare_column(name, old[0] if old else None, new[0] if new else None)
