"""The answer to `run why`: effects measured against the replays of A and B, and notes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_mlops.errors import BackendFailed
from jupyter_mlops.replays.why import attribution
from jupyter_mlops.replays.why.attribution import FactorGroup, FailedCombination, Metrics
from jupyter_mlops.replays.why.factors import ENVIRONMENT, FACTORS, RANDOM, FactorSwaps
from jupyter_mlops.replays.why.records import Effect, Explanation, MetricChange
from jupyter_mlops.runs.capsules.capsule import is_elsewhere

if TYPE_CHECKING:
    from jupyter_mlops.replays.why.baselines import ReplayedRuns

_MOST_NOTES = 5
_LARGE = 0.2  # share of the change above which an interaction gets a note


def explain(pair: ReplayedRuns, shown: str, *, exact: bool) -> Explanation:
    """Swap the factors that differ between two replayed runs, and return their effects.

    Args:
        pair: the runs.
        shown: the metric that a combination must have; without it, the combination is broken.
        exact: every combination, or each factor by itself.

    Raises:
        BackendFailed: a replay of the runs themselves has no such metric.
    """
    if shown not in pair.there:
        raise BackendFailed(
            f"The replays gave no {shown}",
            "A replay gives only metrics that the recorded cell computes or logs",
        )
    swaps = FactorSwaps(pair.project, pair.a, pair.b)
    swapped = [name for name in swaps.differing if name != ENVIRONMENT or pair.swaps_environment]

    def evaluate(chosen: frozenset[str], /) -> Metrics | FailedCombination:
        if not chosen:
            return pair.outcome_a.metrics
        if chosen == {*swapped}:
            return pair.outcome_b.metrics
        environment = pair.environment_b if ENVIRONMENT in chosen else pair.environment_a
        of_b = " and ".join(name for name in FACTORS if name in chosen)
        title = f"{pair.a.detail.name} with the {of_b} of {pair.b.detail.name}"
        outcome = pair.cache.outcome(pair.a.detail, swaps.capsule(chosen), environment, title)
        if outcome.failed or shown not in outcome.metrics:
            return FailedCombination(outcome.failed or f"the replay has no {shown}")
        return outcome.metrics

    count = attribution.replays_of(len(swapped), exact=exact)
    pair.cache.expected = pair.cache.replays + count
    groups = attribution.separate(swapped, evaluate, exact=exact)
    way = attribution.shapley if exact else attribution.one_at_a_time
    effects, left = way(groups, evaluate)
    answer = _Answer(pair, swaps, effects, left if len(groups) > 1 else {})
    changes = [answer.change(name) for name in pair.there]
    main = next(item for item in changes if item.metric == shown)
    return Explanation(
        runs=[pair.a.detail.run_id, pair.b.detail.run_id],
        names=_names(pair),
        metric=shown,
        metrics=changes,
        exact=exact,
        replays=pair.cache.replays,
        known=pair.cache.known,
        notes=[*dict.fromkeys(answer.notes(main))],
    )


@dataclass
class _Answer:
    """The measured effects, in parts that add up to the recorded change."""

    pair: ReplayedRuns
    swaps: FactorSwaps
    effects: dict[FactorGroup, Metrics]
    left: Metrics

    @property
    def unswapped(self) -> bool:
        """Whether the environments differ and could not be swapped."""
        return ENVIRONMENT in self.swaps.differing and not self.pair.swaps_environment

    def change(self, name: str) -> MetricChange:
        """Return one metric's change, split into its parts."""
        before, after = self.pair.a.recorded(name), self.pair.b.recorded(name)
        now = self.pair.outcome_a.metrics[name], self.pair.outcome_b.metrics[name]
        close = self.pair.close(before, now[0]) and self.pair.close(after, now[1])
        noise = 0.0 if close or self.unswapped else max(abs(now[0] - before), abs(now[1] - after))
        parts = [self._part(group, effect, name, noise) for group, effect in self.effects.items()]
        parts += [
            Effect(factor=factor, value=0.0, kind="same")
            for factor in FACTORS
            if factor not in self.swaps.differing and factor != RANDOM
        ]
        parts.sort(key=lambda part: FACTORS.index(part.factor.partition(" + ")[0]))
        if self.left:
            value = self.left.get(name, math.nan)
            parts.append(
                Effect(
                    factor="interaction",
                    value=value,
                    kind="left over",
                    within_noise=bool(noise) and abs(value) <= 2 * noise,
                )
            )
        # The error of the replays of A and B: due to the current packages, or noise.
        rest = (now[0] - before) - (now[1] - after)
        if self.unswapped:
            packages = self.swaps.differing[ENVIRONMENT]
            parts.append(Effect(factor=ENVIRONMENT, value=rest, kind="not swapped", what=packages))
        elif not close:
            parts.append(Effect(factor="not reproduced", value=rest, kind="left over"))
        for part in parts:
            part.share = part.value / (after - before) if after != before else None
        return MetricChange(metric=name, before=before, after=after, effects=parts, noise=noise)

    def _part(self, group: FactorGroup, effect: Metrics, name: str, noise: float) -> Effect:
        value = effect.get(name, math.nan)
        return Effect(
            factor=" + ".join(group.factors),
            value=value,
            kind="together" if len(group.factors) > 1 else "swapped",
            what=[line for factor in group.factors for line in self.swaps.differing[factor]],
            within_noise=bool(noise) and abs(value) <= 2 * noise,
        )

    def notes(self, main: MetricChange) -> list[str]:
        """Return notes on how reliable the numbers are."""
        pair = self.pair
        notes = [*self._noise(main), *pair.notes]
        notes += [
            f"{' and '.join(group.factors)} cannot be separated: {group.why}"
            for group in self.effects
            if group.why
        ]
        if self.unswapped:
            notes.append(
                "the environment was not swapped: its effect is in the remainder, "
                "with what the factors do together"
            )
        if not self.swaps.differing:
            notes.append("nothing that was recorded differs between the two runs")
        notes += self._interaction(main)
        notes += [
            f"{path} is outside the project: it was read as it is now"
            for path in sorted({use.path for side in (pair.a, pair.b) for use in side.capsule.data})
            if is_elsewhere(path)
        ]
        return notes + [*dict.fromkeys(pair.outcome_a.notes + pair.outcome_b.notes)][:_MOST_NOTES]

    def _noise(self, main: MetricChange) -> list[str]:
        notes = []
        for side, outcome in (
            (self.pair.a, self.pair.outcome_a),
            (self.pair.b, self.pair.outcome_b),
        ):
            then, now = side.recorded(main.metric), outcome.metrics[main.metric]
            if main.noise and not self.pair.close(then, now):
                notes.append(
                    f"{side.detail.name} gives another result in the replay: {main.metric} {then:.6g} recorded, "
                    f"{now:.6g} replayed"
                )
        if notes:
            notes.append(
                f"effects below {2 * main.noise:.2g} may be noise; "
                "seed what is random, or see: %mlops run reproduce"
            )
        return notes

    def _interaction(self, main: MetricChange) -> list[str]:
        part = next((item for item in main.effects if item.factor == "interaction"), None)
        if part is None or abs(part.share or 0.0) <= _LARGE:
            return []
        count = len(self.effects)
        more = attribution.replays_of(count, exact=True) - count
        return [
            "the factors interact; --exact divides the interaction among them"
            + (f" ({more} more replays)" if more else "")
        ]


def _names(pair: ReplayedRuns) -> list[str]:
    a, b = pair.a.detail, pair.b.detail
    if a.name != b.name:
        return [a.name, b.name]
    return [f"{item.name} ({item.run_id[:8]})" for item in (a, b)]
