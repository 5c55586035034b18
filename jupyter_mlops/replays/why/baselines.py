"""Replays two runs unchanged; effects are measured against the outcomes of these replays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_mlops.errors import BackendFailed, MlopsError
from jupyter_mlops.replays.reproduce import recorded_environment
from jupyter_mlops.replays.why.outcomes import Came, Place
from jupyter_mlops.replays.why.shortened_history import shortened

if TYPE_CHECKING:
    from jupyter_mlops.project import Project
    from jupyter_mlops.replays.why.factors import ComparedRun
    from jupyter_mlops.replays.why.outcomes import Trials


@dataclass
class Pair:
    """Runs A and B, the metrics that changed between them, and their replays.

    `at_a` and `at_b` are the environments to replay in; default: the running one. With
    `swaps_environment` they differ, and the environment is swapped like any other factor.
    """

    project: Project
    a: ComparedRun
    b: ComparedRun
    changed: list[str]
    tolerance: float
    trials: Trials
    at_a: Place = field(default_factory=Place)
    at_b: Place = field(default_factory=Place)
    came_a: Came = field(default_factory=Came)
    came_b: Came = field(default_factory=Came)
    swaps_environment: bool = False
    notes: list[str] = field(default_factory=list)

    def find_places(self, env: str) -> None:
        """Find or build the runs' own environments, if `env` is `recorded`, or is empty and they differ."""
        differ = bool(self.a.packages and self.b.packages) and self.a.packages != self.b.packages
        if (env or ("recorded" if differ else "current")) == "current":
            return
        try:
            self.at_a, self.at_b = self._built(self.a), self._built(self.b)
        except MlopsError as error:
            self.at_a = self.at_b = Place()
            self.notes.append(f"the current packages are used for both runs: {error}")
            return
        self.swaps_environment = differ

    def do_again(self) -> None:
        """Replay A and B unchanged.

        Raises:
            BackendFailed: one of them cannot be replayed.
        """
        self.came_a = self._again(self.a, self.at_a)
        self.came_b = self._again(self.b, self.at_b)

    @property
    def there(self) -> list[str]:
        """The metrics that changed and that both replays have."""
        return [
            name
            for name in self.changed
            if name in self.came_a.metrics and name in self.came_b.metrics
        ]

    def most_changed(self) -> str:
        """Return the project's metric, else the one that changed most.

        A metric that both replays reproduce is preferred.

        Raises:
            BackendFailed: the replays have none of the metrics.
        """
        if not self.there:
            raise BackendFailed(f"The replays gave no {' and no '.join(self.changed[:3])}")
        gate = self.project.settings.gate
        for name in (gate.metric, *(name for name, _ in gate.bounds)):
            if name in self.there:
                return name
        back = self._reproduced(self.a, self.came_a) & self._reproduced(self.b, self.came_b)

        def moved(name: str) -> float:
            before, after = self.a.recorded(name), self.b.recorded(name)
            return abs(after - before) / max(abs(before), abs(after))

        return max([name for name in self.there if name in back] or self.there, key=moved)

    def close(self, one: float, other: float) -> bool:
        """Whether two values of a metric are the same within the tolerance."""
        return abs(one - other) <= self.tolerance * max(abs(one), abs(other))

    def _built(self, side: ComparedRun) -> Place:
        found = recorded_environment(side.detail, side.manifest, project=self.project)
        self.notes += found.notes
        return Place(found.python, found.name) if found.name else Place()

    def _again(self, side: ComparedRun, place: Place) -> Came:
        """Replay a run; if its short form gives the same metrics, it replaces the run's capsule."""
        name, whole, short = side.detail.name, side.capsule, shortened(side.capsule)
        came = Came(failed="no short form")
        if short is not None:
            title = f"{name}, {len(short.cells)} of its {len(whole.cells)} cells"
            came = self.trials.come(side.detail, short, place, title)
            if self._reproduced(side, came) == {*self.changed}:
                side.capsule, side.drew = short, came.drew
                return came
        full = self.trials.come(side.detail, whole, place, f"{name} unchanged")
        if full.failed:
            raise BackendFailed(
                f"Run '{name}' cannot be replayed: {full.failed.rstrip('.')}",
                f"More about it: %mlops run reproduce {name}",
            )
        if (
            short is not None
            and self._reproduced(side, came) >= self._reproduced(side, full) != set()
        ):
            side.capsule, side.drew = short, came.drew
            return came
        side.drew = full.drew
        return full

    def _reproduced(self, side: ComparedRun, came: Came) -> set[str]:
        if came.failed:
            return set()
        return {
            name
            for name in self.changed
            if name in came.metrics and self.close(side.recorded(name), came.metrics[name])
        }
