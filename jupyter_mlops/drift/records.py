"""What the noun `drift` says of itself."""

from __future__ import annotations

from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from jupyter_mlops import tables
from jupyter_mlops.records import Record

if TYPE_CHECKING:
    import pandas as pd

ColumnStatus = Literal["drift", "no drift", "not evaluated"]
Verdict = Literal["drift", "no drift", "not evaluated"]


class Histogram(Record):
    """Shares of reference and current rows in the same bins; `labels` name them in order."""

    labels: list[str]
    reference: list[float]
    current: list[float]
    numeric: bool


class ColumnDrift(Record):
    """One column's comparison; `score`, `method` and `threshold` are Evidently's.

    `drift` is None where the column could not be evaluated, and `reason` says why. With a score,
    `reason` says why a verdict of "no drift" is weak, if it is.
    """

    shown: ClassVar[tuple[str, ...]] = ("column", "status", "score", "threshold", "method")

    column: str
    method: str = ""
    score: float | None = None
    threshold: float | None = None
    drift: bool | None = None
    status: ColumnStatus
    reason: str = ""
    histogram: Histogram | None = None


class DriftReport(Record):
    """The comparison of current data with the reference that a run was trained on.

    `run_id` is the check's own run, empty where it was not recorded. `share` of the evaluated
    columns drifted; from `threshold` on, the whole does.
    """

    view = "jupyter_mlops.drift.view"

    run_id: str = ""
    reference: str
    current: str
    service: str = ""
    verdict: Verdict
    drifted: int
    evaluated: int
    share: float | None
    threshold: float
    reference_rows: int
    current_rows: int
    time: datetime
    warnings: list[str] = []
    columns: list[ColumnDrift]

    @property
    def df(self) -> pd.DataFrame:
        """The columns as a DataFrame, without their histograms."""
        import pandas as pd

        return pd.DataFrame([column.model_dump(exclude={"histogram"}) for column in self.columns])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:  # noqa: ARG002
        bundle: dict[str, Any] = import_module(self.view).mimebundle(self)
        return bundle


class DriftCheck(Record):
    """One earlier check, as `drift history` lists it."""

    shown: ClassVar[tuple[str, ...]] = (
        "run_id",
        "service",
        "verdict",
        "drifted",
        "evaluated",
        "time",
    )

    run_id: str
    service: str
    reference: str
    current: str
    verdict: Verdict
    drifted: int
    evaluated: int
    current_rows: int
    time: datetime

    def row(self) -> dict[str, Any]:
        """Return the line of this check in a list."""
        return {
            "check": self.run_id[:8],
            "service": self.service or self.current,
            "verdict": self.verdict,
            "drifted": f"{self.drifted} of {self.evaluated}",
            "rows": self.current_rows,
            "when": tables.ago(self.time),
        }
