"""The record of a slice that a replay has verified."""

from __future__ import annotations

from datetime import datetime

from jupyter_mlops.records import Record

ARTIFACT = "mlops/slice.json"
TAG = "mlops.slice"


class Slice(Record):
    """The cells that are enough to reproduce a run; `cells` counts from 1, the recorded cell last.

    `generators` says that the replay set the random generators to the run's states. A notebook cannot
    do this, so without a seed its numbers differ. `smallest` says that removing any one more cell was
    tried; it is False if the time ran out.
    """

    cells: list[int]
    of: int
    generators: bool = False
    smallest: bool = False
    verified: datetime
    tries: int
    seconds: float

    @property
    def summary(self) -> str:
        """The slice in a few words."""
        words = f"{len(self.cells)} of {self.of} cells, verified"
        return f"{words} with the run's random states" if self.generators else words
