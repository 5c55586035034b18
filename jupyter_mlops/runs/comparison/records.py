"""What `run compare` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from jupyter_mlops.data.records import DataDiff
from jupyter_mlops.records import Record

if TYPE_CHECKING:
    import pandas as pd


class Curve(Record):
    """One metric over its steps: for each run a list of [step, value], empty without the metric."""

    metric: str
    lines: list[list[tuple[int, float | None]]]


class Comparison(Record):
    """What differs between runs, metrics first; `code` is a unified diff against the first run."""

    view: ClassVar[str] = "jupyter_mlops.runs.comparison.view"

    runs: list[str]
    names: list[str]
    differences: list[Difference]
    same: int
    data: list[DataChange] = []
    code: str = ""
    curves: list[Curve] = []

    @property
    def titles(self) -> list[str]:
        """The title of each run in a table."""
        return [f"{name} ({run[:6]})" for name, run in zip(self.names, self.runs, strict=True)]

    @property
    def df(self) -> pd.DataFrame:
        """The differences as a DataFrame: one row for each, one column for each run."""
        import pandas as pd

        return pd.DataFrame(
            [[item.what, item.name, *item.values] for item in self.differences],
            columns=["what", "name", *self.titles],
        )


class Difference(Record):
    """One difference between runs; `values` has one value for each run, in the requested order."""

    what: Literal["metric", "param", "data", "code", "package", "machine", "commit"]
    name: str
    values: list[str | float | None]


class DataChange(Record):
    """One data file whose version in `runs` is not that of the first run.

    `diff` is None if the two were not compared, and `note` says why; `command` compares them in full.
    """

    runs: list[str] = []
    path: str
    command: str
    diff: DataDiff | None = None
    note: str = ""
