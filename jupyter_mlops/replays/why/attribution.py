"""Computes how much of a change each factor explains, from the metrics of combinations of factors.

`evaluate` returns the metrics of A with some factors taken from B: no factor gives A, all factors
give B. A combination that cannot run, or lacks the metric, is `FailedCombination`; factors that only run
together are merged into one.

One at a time: a factor's effect is f({factor}) − f(∅). The interaction is f(all) − f(∅) minus all
effects. Exact: the Shapley value, the factor's mean effect over all orders in which the factors can
be swapped; there is no interaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Metrics = dict[str, float]


@dataclass(frozen=True, slots=True)
class FailedCombination:
    """A combination without a result; `why` is its error in one line."""

    why: str


class Evaluate(Protocol):
    """Evaluates a combination of factors; results are cached."""

    def __call__(self, swapped: frozenset[str], /) -> Metrics | FailedCombination:
        """Return the metrics of A with the factors `swapped` taken from B."""


@dataclass(frozen=True, slots=True)
class FactorGroup:
    """Factors that are swapped as one; `why` is the error when they were swapped separately."""

    factors: tuple[str, ...]
    why: str = ""


def separate(factors: Sequence[str], evaluate: Evaluate, *, exact: bool) -> list[FactorGroup]:
    """Return the factors in groups; factors that do not run without each other share one.

    Args:
        factors: those that differ, in the order in which they are tried.
        evaluate: see the module.
        exact: whether every combination is needed, or only each factor by itself.
    """
    groups = [FactorGroup((factor,)) for factor in factors]
    while True:
        broken = next(_broken(groups, evaluate, exact=exact), None)
        if broken is None:
            return groups
        members, why = broken
        partner = _partner(members, groups, evaluate)
        merged = [group for group in groups if group in members or group in partner]
        why = next((group.why for group in merged if group.why), why)
        together = FactorGroup(tuple(f for group in merged for f in group.factors), why)
        at = groups.index(merged[0])
        groups = [group for group in groups if group not in merged]
        groups.insert(at, together)


def one_at_a_time(
    groups: Sequence[FactorGroup], evaluate: Evaluate
) -> tuple[dict[FactorGroup, Metrics], Metrics]:
    """Return the effect of each group on each metric, and the interaction."""
    before, after = _values([], evaluate), _values(groups, evaluate)
    effects = {group: _minus(_values([group], evaluate), before) for group in groups}
    left = _minus(after, before)
    for effect in effects.values():
        left = _minus(left, effect)
    return effects, left


def shapley(
    groups: Sequence[FactorGroup], evaluate: Evaluate
) -> tuple[dict[FactorGroup, Metrics], Metrics]:
    """Return the Shapley value of each group for each metric; the interaction is empty."""
    effects: dict[FactorGroup, Metrics] = {}
    for group in groups:
        others = [item for item in groups if item != group]
        total: Metrics | None = None
        for size in range(len(groups)):
            weight = factorial(size) * factorial(len(others) - size) / factorial(len(groups))
            for chosen in combinations(others, size):
                effect = _minus(_values([*chosen, group], evaluate), _values(chosen, evaluate))
                weighted = {name: weight * value for name, value in effect.items()}
                total = weighted if total is None else _plus(total, weighted)
        effects[group] = total or {}
    return effects, {}


def replays_of(count: int, *, exact: bool) -> int:
    """Return how many combinations `count` factors need, without A and B themselves."""
    if count < 2:
        return 0
    return 2**count - 2 if exact else count


def _broken(
    groups: list[FactorGroup],
    evaluate: Evaluate,
    *,
    exact: bool,
) -> Iterator[tuple[list[FactorGroup], str]]:
    """Yield the needed combinations that do not run, the smallest first."""
    for size in range(1, len(groups) if exact else min(2, len(groups))):
        for chosen in combinations(groups, size):
            outcome = evaluate(_factors(chosen))
            if isinstance(outcome, FailedCombination):
                yield [*chosen], outcome.why


def _partner(
    members: list[FactorGroup],
    groups: list[FactorGroup],
    evaluate: Evaluate,
) -> list[FactorGroup]:
    """Return the fewest other groups with which `members` run."""
    others = [group for group in groups if group not in members]
    for size in range(1, len(others)):
        for chosen in combinations(others, size):
            if not isinstance(evaluate(_factors([*members, *chosen])), FailedCombination):
                return [*chosen]
    return others


def _factors(groups: Sequence[FactorGroup]) -> frozenset[str]:
    return frozenset(factor for group in groups for factor in group.factors)


def _values(groups: Sequence[FactorGroup], evaluate: Evaluate) -> Metrics:
    outcome = evaluate(_factors(groups))
    return {} if isinstance(outcome, FailedCombination) else outcome


def _minus(a: Metrics, b: Metrics) -> Metrics:
    return {name: a[name] - b[name] for name in a if name in b}


def _plus(a: Metrics, b: Metrics) -> Metrics:
    return {name: a[name] + b[name] for name in a if name in b}
