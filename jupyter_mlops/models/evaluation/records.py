"""Records that `model evaluate` and `model gate` return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from jupyter_mlops import tables
from jupyter_mlops.records import Record

if TYPE_CHECKING:
    import pandas as pd

Method = Literal["holdout", "kfold", "bootstrap"]


class Interval(Record):
    """One metric with its confidence interval; None if it is not defined."""

    metric: str
    value: float | None
    low: float | None
    high: float | None


class Evaluation(Record):
    """Result of the evaluation of a run's model, recorded as the run `run_id`."""

    run_id: str
    evaluates: str
    name: str
    data: str
    version: str
    target: str
    rows: int
    method: Method
    seed: int
    confidence: float
    metrics: list[Interval]

    @property
    def df(self) -> pd.DataFrame:
        """The metrics as a DataFrame: metric, value, low, high."""
        import pandas as pd

        return pd.DataFrame([item.model_dump() for item in self.metrics])

    def _title(self) -> str:
        data = f"{self.data}@{self.version[:6]}" if self.version else self.data
        return (
            f"{self.name} ({self.evaluates[:8]}) on {data}: {self.method}, {self.rows} rows, "
            f"{self.confidence:.0%} intervals, recorded as {self.run_id[:8]}"
        )

    def __str__(self) -> str:
        return f"{self._title()}\n{tables.table_text([item.row() for item in self.metrics])}"

    def _repr_html_(self) -> str:
        rows = tables.table_html([item.row() for item in self.metrics])
        return f"<p>{tables.escape(self._title())}</p>{rows}"


class Rule(Record):
    """Result of one rule of a gate: the rule, the value found, and the status."""

    shown: ClassVar[tuple[str, ...]] = ("rule", "found", "low", "high", "status", "note")

    rule: str
    metric: str
    found: float | None
    low: float | None = None
    high: float | None = None
    status: Literal["ok", "failed"]
    note: str = ""


class Gate(Record):
    """Result of a model's check against the bounds in `[gate]` of mlops.toml."""

    name: str
    version: int | None
    run_id: str
    status: Literal["passed", "failed"]
    error: str
    rules: list[Rule]

    def _title(self) -> str:
        version = f" version {self.version}" if self.version else ""
        return f"{self.name}{version} ({self.run_id[:8]}): {self.status}"

    def __str__(self) -> str:
        return f"{self._title()}\n{tables.table_text(self._rows())}"

    def _repr_html_(self) -> str:
        return f"<p>{tables.escape(self._title())}</p>{tables.table_html(self._rows())}"

    def _rows(self) -> list[dict[str, Any]]:
        return [rule.row() for rule in self.rules]
