"""The answer to `run why`: effects measured against the replays of A and B, and notes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_mlops.errors import BackendFailed
from jupyter_mlops.replays.why import attribution
from jupyter_mlops.replays.why.attribution import Broken, Metrics, Together
from jupyter_mlops.replays.why.factors import ENVIRONMENT, FACTORS, RANDOM, Mixture
from jupyter_mlops.replays.why.records import Effect, Explanation, MetricChange
from jupyter_mlops.runs.capsules.capsule import is_elsewhere

if TYPE_CHECKING:
    from jupyter_mlops.replays.why.baselines import Pair

_MOST_NOTES = 5
_LARGE = 0.2  # share of the change above which an interaction gets a note


def explain(pair: Pair, shown: str, *, exact: bool) -> Explanation:
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
    mixture = Mixture(pair.project, pair.a, pair.b)
    swapped = [name for name in mixture.differing if name != ENVIRONMENT or pair.swaps_environment]

    def evaluate(chosen: frozenset[str], /) -> Metrics | Broken:
        if not chosen:
            return pair.came_a.metrics
        if chosen == {*swapped}:
            return pair.came_b.metrics
        place = pair.at_b if ENVIRONMENT in chosen else pair.at_a
        of_b = " and ".join(name for name in FACTORS if name in chosen)
        title = f"{pair.a.detail.name} with the {of_b} of {pair.b.detail.name}"
        came = pair.trials.come(pair.a.detail, mixture.capsule(chosen), place, title)
        if came.failed or shown not in came.metrics:
            return Broken(came.failed or f"the replay has no {shown}")
        return came.metrics

    count = attribution.replays_of(len(swapped), exact=exact)
    pair.trials.expected = pair.trials.replays + count
    groups = attribution.separate(swapped, evaluate, exact=exact)
    way = attribution.shapley if exact else attribution.one_at_a_time
    effects, left = way(groups, evaluate)
    answer = _Answer(pair, mixture, effects, left if len(groups) > 1 else {})
    changes = [answer.change(name) for name in pair.there]
    main = next(item for item in changes if item.metric == shown)
    return Explanation(
        runs=[pair.a.detail.run_id, pair.b.detail.run_id],
        names=_names(pair),
        metric=shown,
        metrics=changes,
        exact=exact,
        replays=pair.trials.replays,
        known=pair.trials.known,
        notes=[*dict.fromkeys(answer.notes(main))],
    )


@dataclass
class _Answer:
    """The measured effects, in parts that add up to the recorded change."""

    pair: Pair
    mixture: Mixture
    effects: dict[Together, Metrics]
    left: Metrics

    @property
    def unswapped(self) -> bool:
        """Whether the environments differ and could not be swapped."""
        return ENVIRONMENT in self.mixture.differing and not self.pair.swaps_environment

    def change(self, name: str) -> MetricChange:
        """Return one metric's change, split into its parts."""
        before, after = self.pair.a.recorded(name), self.pair.b.recorded(name)
        now = self.pair.came_a.metrics[name], self.pair.came_b.metrics[name]
        close = self.pair.close(before, now[0]) and self.pair.close(after, now[1])
        noise = 0.0 if close or self.unswapped else max(abs(now[0] - before), abs(now[1] - after))
        parts = [self._part(group, effect, name, noise) for group, effect in self.effects.items()]
        parts += [
            Effect(factor=factor, value=0.0, kind="same")
            for factor in FACTORS
            if factor not in self.mixture.differing and factor != RANDOM
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
            told = self.mixture.differing[ENVIRONMENT]
            parts.append(Effect(factor=ENVIRONMENT, value=rest, kind="not swapped", what=told))
        elif not close:
            parts.append(Effect(factor="not reproduced", value=rest, kind="left over"))
        for part in parts:
            part.share = part.value / (after - before) if after != before else None
        return MetricChange(metric=name, before=before, after=after, effects=parts, noise=noise)

    def _part(self, group: Together, effect: Metrics, name: str, noise: float) -> Effect:
        value = effect.get(name, math.nan)
        return Effect(
            factor=" + ".join(group.factors),
            value=value,
            kind="together" if len(group.factors) > 1 else "swapped",
            what=[line for factor in group.factors for line in self.mixture.differing[factor]],
            within_noise=bool(noise) and abs(value) <= 2 * noise,
        )

    def notes(self, main: MetricChange) -> list[str]:
        """Return notes on how reliable the numbers are."""
        pair = self.pair
        said = [*self._noise(main), *pair.notes]
        said += [
            f"{' and '.join(group.factors)} cannot be separated: {group.why}"
            for group in self.effects
            if group.why
        ]
        if self.unswapped:
            said.append(
                "the environment was not swapped: its line is the remaining difference, "
                "including its interaction with other factors"
            )
        if not self.mixture.differing:
            said.append("nothing that was recorded differs between the two runs")
        said += self._interaction(main)
        said += [
            f"{path} is outside the project: it was read as it is now"
            for path in sorted({use.path for side in (pair.a, pair.b) for use in side.capsule.data})
            if is_elsewhere(path)
        ]
        return said + [*dict.fromkeys(pair.came_a.notes + pair.came_b.notes)][:_MOST_NOTES]

    def _noise(self, main: MetricChange) -> list[str]:
        said = []
        for side, came in ((self.pair.a, self.pair.came_a), (self.pair.b, self.pair.came_b)):
            then, now = side.recorded(main.metric), came.metrics[main.metric]
            if main.noise and not self.pair.close(then, now):
                said.append(
                    f"{side.detail.name} gives another result in the replay: {main.metric} {then:.6g} recorded, "
                    f"{now:.6g} replayed"
                )
        if said:
            said.append(
                f"effects below {2 * main.noise:.2g} may be noise; "
                "seed what is random, or see: run reproduce"
            )
        return said

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


def _names(pair: Pair) -> list[str]:
    a, b = pair.a.detail, pair.b.detail
    if a.name != b.name:
        return [a.name, b.name]
    return [f"{item.name} ({item.run_id[:8]})" for item in (a, b)]
