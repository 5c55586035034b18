"""Replays two runs unchanged; effects are measured against the outcomes of these replays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_mlops.errors import BackendFailed, MlopsError
from jupyter_mlops.replays.reproduce import recorded_environment
from jupyter_mlops.replays.why.outcomes import CachedOutcome, ReplayEnvironment
from jupyter_mlops.replays.why.shortened_history import shortened

if TYPE_CHECKING:
    from jupyter_mlops.project import Project
    from jupyter_mlops.replays.why.factors import ComparedRun
    from jupyter_mlops.replays.why.outcomes import ReplayCache


@dataclass
class ReplayedRuns:
    """Runs A and B, the metrics that changed between them, and their replays.

    `environment_a` and `environment_b` are the environments to replay in; default: the running one. With
    `swaps_environment` they differ, and the environment is swapped like any other factor.
    """

    project: Project
    a: ComparedRun
    b: ComparedRun
    changed: list[str]
    tolerance: float
    cache: ReplayCache
    environment_a: ReplayEnvironment = field(default_factory=ReplayEnvironment)
    environment_b: ReplayEnvironment = field(default_factory=ReplayEnvironment)
    outcome_a: CachedOutcome = field(default_factory=CachedOutcome)
    outcome_b: CachedOutcome = field(default_factory=CachedOutcome)
    swaps_environment: bool = False
    notes: list[str] = field(default_factory=list)

    def find_environments(self, env: str) -> None:
        """Find or build the runs' own environments, if `env` is `recorded`, or is empty and they differ."""
        differ = bool(self.a.packages and self.b.packages) and self.a.packages != self.b.packages
        if (env or ("recorded" if differ else "current")) == "current":
            return
        try:
            self.environment_a, self.environment_b = self._built(self.a), self._built(self.b)
        except MlopsError as error:
            self.environment_a = self.environment_b = ReplayEnvironment()
            self.notes.append(f"the current packages are used for both runs: {error}")
            return
        self.swaps_environment = differ

    def replay_unchanged(self) -> None:
        """Replay A and B unchanged.

        Raises:
            BackendFailed: one of them cannot be replayed.
        """
        self.outcome_a = self._again(self.a, self.environment_a)
        self.outcome_b = self._again(self.b, self.environment_b)

    @property
    def there(self) -> list[str]:
        """The metrics that changed and that both replays have."""
        return [
            name
            for name in self.changed
            if name in self.outcome_a.metrics and name in self.outcome_b.metrics
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
        back = self._reproduced(self.a, self.outcome_a) & self._reproduced(self.b, self.outcome_b)

        def moved(name: str) -> float:
            before, after = self.a.recorded(name), self.b.recorded(name)
            return abs(after - before) / max(abs(before), abs(after))

        return max([name for name in self.there if name in back] or self.there, key=moved)

    def close(self, one: float, other: float) -> bool:
        """Whether two values of a metric are the same within the tolerance."""
        return abs(one - other) <= self.tolerance * max(abs(one), abs(other))

    def _built(self, side: ComparedRun) -> ReplayEnvironment:
        found = recorded_environment(side.detail, side.manifest, project=self.project)
        self.notes += found.notes
        return ReplayEnvironment(found.python, found.name) if found.name else ReplayEnvironment()

    def _again(self, side: ComparedRun, environment: ReplayEnvironment) -> CachedOutcome:
        """Replay a run; if its slice gives the same metrics, it replaces the run's capsule."""
        name, whole, short = side.detail.name, side.capsule, shortened(side.capsule)
        outcome = CachedOutcome(failed="no slice")
        if short is not None:
            title = f"{name}, {len(short.cells)} of its {len(whole.cells)} cells"
            outcome = self.cache.outcome(side.detail, short, environment, title)
            if self._reproduced(side, outcome) == {*self.changed}:
                side.capsule, side.drew = short, outcome.drew
                return outcome
        full = self.cache.outcome(side.detail, whole, environment, f"{name} unchanged")
        if full.failed:
            raise BackendFailed(
                f"Run '{name}' cannot be replayed: {full.failed.rstrip('.')}",
                f"More about it: %mlops run reproduce {name}",
            )
        if (
            short is not None
            and self._reproduced(side, outcome) >= self._reproduced(side, full) != set()
        ):
            side.capsule, side.drew = short, outcome.drew
            return outcome
        side.drew = full.drew
        return full

    def _reproduced(self, side: ComparedRun, outcome: CachedOutcome) -> set[str]:
        if outcome.failed:
            return set()
        return {
            name
            for name in self.changed
            if name in outcome.metrics and self.close(side.recorded(name), outcome.metrics[name])
        }
