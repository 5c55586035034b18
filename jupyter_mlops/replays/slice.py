"""A run's slice: the cells that are needed to reproduce it, found by replays.

An analysis of the code proposes cells, a replay decides. Each try replays the notebook as it would be
written. It is verified only if its metrics, output files and error are equal to the run's.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jupyter_mlops.cells import slices
from jupyter_mlops.errors import NotFound
from jupyter_mlops.progress import say
from jupyter_mlops.replays.execution import ReplayOutcome, outcome, recorded
from jupyter_mlops.replays.verdict import compare
from jupyter_mlops.runs.capsules.slice_record import ARTIFACT, TAG, Slice
from jupyter_mlops.tracking.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_mlops.project import Project
    from jupyter_mlops.runs.capsules.capsule import Capsule
    from jupyter_mlops.runs.records import RunDetail

_TOLERANCE = 1e-9
_MOST_TRIES = 25


def shorten(
    project: Project,
    detail: RunDetail,
    capsule: Capsule,
    sources: list[str],
    draft: Callable[[list[int]], Capsule],
    *,
    seconds: float,
) -> Slice:
    """Return the smallest set of cells found that reproduces the run.

    Args:
        project: the user's project.
        detail: the run.
        capsule: its history.
        sources: the cells as a notebook would have them; empty if nothing is left of one.
        draft: returns the capsule of the notebook with these cells (from 0, the recorded one last).
        seconds: time limit for making it smaller.

    Raises:
        NotFound: even the whole history does not reproduce the run, or there is nothing to compare.
    """
    search = _Search(project, detail, capsule, sources, draft)
    kept, smallest = search.enough(), False
    for step in search.smaller(kept):
        kept, smallest = step
        if search.tries >= _MOST_TRIES or time.monotonic() - search.started > seconds:
            break
    found = Slice(
        cells=[number + 1 for number in kept],
        of=len(capsule.cells),
        generators=search.generators,
        smallest=smallest,
        verified=datetime.now(UTC),
        tries=search.tries,
        seconds=round(time.monotonic() - search.started, 1),
    )
    keep(project, detail, found)
    return found


def keep(project: Project, detail: RunDetail, found: Slice) -> None:
    """Write the slice to the run."""
    store = open_store(project)
    store.client.log_text(detail.run_id, found.to_json(), ARTIFACT)
    store.log(detail.run_id, tags={TAG: found.summary})
    project.announce("run", "shortened", detail.name)


class _Search:
    def __init__(
        self,
        project: Project,
        detail: RunDetail,
        capsule: Capsule,
        sources: list[str],
        draft: Callable[[list[int]], Capsule],
    ) -> None:
        self.project = project
        self.detail = detail
        self.capsule = capsule
        self.draft = draft
        self.then = recorded(detail)
        self.sources = sources
        last = len(sources) - 1
        #: Cells that can be in a notebook; a cell that a person interrupted might not end.
        self.possible = [
            number
            for number, cell in enumerate(capsule.cells)
            if (cell.error != "KeyboardInterrupt" and sources[number].strip()) or number == last
        ]
        self.generators = False
        self.tries = 0
        self.started = time.monotonic()
        self._known: dict[tuple[bool, tuple[int, ...]], bool] = {}
        self._why = ""

    def enough(self) -> list[int]:
        """Return a set of cells that reproduces the run: a proposal, else all of them."""
        then = self.then
        if not (then.metrics or then.outputs or then.error):
            raise NotFound(
                f"Run '{self.detail.name}' has no metric and no output file to verify a slice by",
                "Type: %mlops run export without --slice",
            )
        narrow = self._proposed(slices.narrow(self.sources))
        failed = [number for number, cell in enumerate(self.capsule.cells) if not cell.ok]
        wide = self._proposed(slices.wide(self.sources, failed))
        for kept, generators in (
            (narrow, False), (wide, False), (wide, True),
            (self.possible, False), (self.possible, True),
        ):  # fmt: skip
            self.generators = generators
            if self._same(kept):
                return kept
        raise NotFound(
            f"Run as a notebook, the cells of '{self.detail.name}' give another result "
            f"({self._why}): no slice can be verified",
            f"Type: %mlops run reproduce {self.detail.name}",
        )

    def smaller(self, kept: list[int]) -> Iterator[tuple[list[int], bool]]:
        """Yield smaller and smaller sets that reproduce the run, each with whether it is the smallest."""
        yield kept, False
        proposed = self._proposed(slices.narrow(self.sources))
        if len(proposed) < len(kept) and {*proposed} <= {*kept} and self._same(proposed):
            kept = proposed
            yield kept, False
        size = max(1, (len(kept) - 1) // 2)
        while len(kept) > 1:
            shorter = kept
            for chunk in _chunks(kept[:-1], size):
                left = [number for number in shorter if number not in chunk]
                if not slices.lacks(self.sources, left) and self._same(left):
                    shorter = left
                yield shorter, False
            if size == 1 and shorter == kept:
                break
            kept, size = shorter, max(1, size // 2)
        yield kept, True

    def _proposed(self, numbers: list[int]) -> list[int]:
        return [number for number in numbers if number in self.possible]

    def _same(self, kept: list[int]) -> bool:
        """Replay a notebook of these cells; return whether it reproduces the run."""
        key = (self.generators, tuple(kept))
        if key not in self._known:
            self.tries += 1
            say(
                f"slice {self.detail.name}: try {self.tries}, "
                f"{len(kept)} of {len(self.sources)} cells …"
            )
            capsule = self.draft(kept)
            if not self.generators:
                capsule = capsule.model_copy(update={"generators": {}, "before": {}})
            now = outcome(self.project, self.detail, capsule, title=f"slice {self.detail.name}")
            self._known[key] = self._compare(now)
        return self._known[key]

    def _compare(self, now: ReplayOutcome) -> bool:
        self._why = now.failed
        if now.failed:
            return False
        compared, verdict = compare(self.then, now, _TOLERANCE)
        self._why = "; ".join(
            f"{item.name or item.what}: {item.then} → {item.now}"
            for item in compared
            if not item.same
        )
        return verdict == "reproduced"


def _chunks(items: list[int], size: int) -> Iterator[set[int]]:
    for start in range(0, len(items), size):
        yield {*items[start : start + size]}
