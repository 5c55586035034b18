"""What `run why` returns: how much of a metric's change each factor explains."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from jupyter_mlops.records import Record

if TYPE_CHECKING:
    import pandas as pd


class Effect(Record):
    """One factor's part of a metric's change.

    `kind` is `swapped` (measured by replays), `together` (factors that only run together), `same`,
    `not swapped` (what replays could not put in place), `left over` (interaction, and what replays
    did not bring back). `share` is the part of the change, None where the metric did not change.
    """

    factor: str
    value: float
    share: float | None = None
    kind: Literal["swapped", "together", "same", "not swapped", "left over"] = "swapped"
    what: list[str] = []
    within_noise: bool = False


class MetricChange(Record):
    """One metric of both runs, and its change in parts, which add up to it.

    `noise` is the largest error of the replays of the two runs themselves.
    """

    metric: str
    before: float
    after: float
    effects: list[Effect]
    noise: float = 0.0

    @property
    def change(self) -> float:
        """The second run's value minus the first's."""
        return self.after - self.before


class Explanation(Record):
    """The difference between two runs, factor by factor, for every metric that changed.

    `metric` is the one that is shown. `replays` counts those executed now, `known` the cached ones.
    """

    view: ClassVar[str] = "jupyter_mlops.replays.why.view"

    runs: list[str]
    names: list[str]
    metric: str
    metrics: list[MetricChange]
    exact: bool = False
    replays: int = 0
    known: int = 0
    seconds: float = 0.0
    notes: list[str] = []

    @property
    def shown_change(self) -> MetricChange:
        """The change of the metric that is shown."""
        return next(item for item in self.metrics if item.metric == self.metric)

    @property
    def df(self) -> pd.DataFrame:
        """One row for each metric and factor."""
        import pandas as pd

        return pd.DataFrame(
            {"metric": item.metric, **effect.model_dump()}
            for item in self.metrics
            for effect in item.effects
        )
