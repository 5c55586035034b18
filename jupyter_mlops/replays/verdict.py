"""The result of `run reproduce`: each metric and file compared, and the verdict."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from jupyter_mlops import tables
from jupyter_mlops.records import Record

if TYPE_CHECKING:
    from jupyter_mlops.replays.execution import ReplayOutcome

Verdict = Literal["reproduced", "differs", "failed"]


class ComparedValue(Record):
    """One metric, output file or error, in the run and in the replay."""

    what: Literal["metric", "output", "error"]
    name: str
    then: str
    now: str
    same: bool
    identical: bool

    @property
    def word(self) -> str:
        """The word that is printed."""
        if not self.same:
            return "DIFFERS"
        return "REPRODUCED" if not self.identical else "REPRODUCED, bit for bit"


class Reproduction(Record):
    """Result of one replay in a clean kernel. `notes` lists what the replay did differently.

    `environment` is `current`, or `recorded` with the name of the environment that was built.
    """

    run_id: str
    name: str
    verdict: Verdict
    tolerance: float
    compared: list[ComparedValue] = []
    cells: int = 0
    seconds: float = 0.0
    error: str = ""
    environment: str = "current"
    notes: list[str] = []

    @property
    def status(self) -> str:
        """`failed` when the replay could not be carried out."""
        return self.verdict

    def _heading(self) -> str:
        same = sum(item.same for item in self.compared)
        line = f"{self.verdict.upper()} · {self.name} {self.run_id[:8]}"
        if self.verdict != "failed":
            line += f" · {same} of {len(self.compared)} the same · {self.cells} cells"
        if self.environment != "current":
            line += f" · environment {self.environment}"
        return f"{line} · {tables.duration(self.seconds)}"

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {
                "what": item.what,
                "name": item.name,
                "recorded": item.then,
                "replayed": item.now,
                "": item.word,
            }
            for item in self.compared
        ]

    def __str__(self) -> str:
        parts = [self._heading()]
        if self.error:
            parts.append(self.error)
        if self.compared:
            parts.append(tables.table_text(self._rows()))
        return "\n".join([*parts, *(f"note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        lines = [f"<p><b>{tables.escape(self._heading())}</b></p>"]
        if self.error:
            lines.append(f"<p>{tables.escape(self.error)}</p>")
        if self.compared:
            lines.append(tables.table_html(self._rows()))
        return "".join([*lines, *(f"<p>note: {tables.escape(note)}</p>" for note in self.notes)])


def compare(
    then: ReplayOutcome, now: ReplayOutcome, tolerance: float
) -> tuple[list[ComparedValue], Verdict]:
    """Compare two outcomes.

    Metrics are the same if they differ by at most `tolerance` times the larger one. Files are the
    same if their contents are equal.
    """
    compared = []
    for name in sorted({*then.metrics, *now.metrics}):
        old, new = then.metrics.get(name), now.metrics.get(name)
        identical = name in then.metrics and name in now.metrics and _identical(old, new)
        close = old is not None and new is not None and _close(old, new, tolerance)
        compared.append(
            ComparedValue(
                what="metric",
                name=name,
                then=_number(old),
                now=_number(new),
                same=identical or close,
                identical=identical,
            )
        )
    for name in sorted({*then.outputs, *now.outputs}):
        before, after = then.outputs.get(name, "—"), now.outputs.get(name, "—")
        compared.append(
            ComparedValue(
                what="output",
                name=name,
                then=before[:12],
                now=after[:12],
                same=before == after,
                identical=before == after,
            )
        )
    if then.error or now.error:
        same = then.error == now.error
        compared.append(
            ComparedValue(
                what="error",
                name="",
                then=then.error or "—",
                now=now.error or "—",
                same=same,
                identical=same,
            )
        )
    return compared, "reproduced" if all(item.same for item in compared) else "differs"


def _identical(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is new
    return old == new or (math.isnan(old) and math.isnan(new))


def _close(old: float, new: float, tolerance: float) -> bool:
    if not (math.isfinite(old) and math.isfinite(new)):
        return False
    return abs(old - new) <= tolerance * max(abs(old), abs(new))


def _number(value: float | None) -> str:
    return "—" if value is None else repr(value)
