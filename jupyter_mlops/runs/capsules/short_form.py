"""What is kept of a slice that a replay has verified."""

from __future__ import annotations

from datetime import datetime

from jupyter_mlops.records import Record

ARTIFACT = "mlops/slice.json"
TAG = "mlops.slice"


class Slice(Record):
    """The cells of a run that a replay found to be enough; `cells` counts from 1, the recorded last.

    `generators` says that the replay set the random generators to the run's states, which a notebook
    cannot: without a seed, other numbers come out of it. `smallest` says that leaving out any one
    more cell was tried; otherwise the time was over.
    """

    cells: list[int]
    of: int
    generators: bool = False
    smallest: bool = False
    verified: datetime
    tries: int
    seconds: float

    @property
    def said(self) -> str:
        """The short form in a few words."""
        words = f"{len(self.cells)} of {self.of} cells, verified"
        return f"{words} with the run's random states" if self.generators else words
