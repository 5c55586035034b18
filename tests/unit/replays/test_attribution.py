"""Effects, interactions and Shapley values of functions whose answers are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jupyter_mlops.replays.why.attribution import (
    FactorGroup,
    FailedCombination,
    Metrics,
    one_at_a_time,
    replays_of,
    separate,
    shapley,
)

if TYPE_CHECKING:
    from collections.abc import Callable

A, B, C = "code", "data", "parameters"


class Replays:
    """A function of the swapped factors, which counts what it was asked."""

    def __init__(self, value: Callable[[frozenset[str]], float | str]) -> None:
        self.value = value
        self.asked: dict[frozenset[str], Metrics | FailedCombination] = {}

    def __call__(self, swapped: frozenset[str]) -> Metrics | FailedCombination:
        if swapped not in self.asked:
            value = self.value(swapped)
            self.asked[swapped] = (
                FailedCombination(value) if isinstance(value, str) else {"m": value}
            )
        return self.asked[swapped]


def _effects(found: tuple[dict[FactorGroup, Metrics], Metrics]) -> tuple[dict[str, float], float]:
    effects, left = found
    return {" + ".join(g.factors): m["m"] for g, m in effects.items()}, left.get("m", 0.0)


def test_a_product_has_an_interaction_and_shapley_shares_it_out() -> None:
    product = Replays(lambda s: (5.0 if A in s else 2.0) * (7.0 if B in s else 3.0))
    groups = separate([A, B], product, exact=False)
    assert _effects(one_at_a_time(groups, product)) == ({A: 9.0, B: 8.0}, 12.0)
    assert len(product.asked) == 4
    assert _effects(shapley(groups, product)) == ({A: 15.0, B: 14.0}, 0.0)


def test_shapley_of_three_factors_adds_up() -> None:
    def value(s: frozenset[str]) -> float:
        a, b, c = (float(f in s) for f in (A, B, C))
        return 1 + 2 * a + 3 * b * c + 4 * a * b * c

    replays = Replays(value)
    groups = separate([A, B, C], replays, exact=True)
    effects, left = _effects(shapley(groups, replays))
    assert effects == pytest.approx({A: 2 + 4 / 3, B: 1.5 + 4 / 3, C: 1.5 + 4 / 3})
    assert left == 0
    assert len(replays.asked) == 2 + replays_of(3, exact=True)


def test_factors_that_run_only_together_are_one() -> None:
    def value(s: frozenset[str]) -> float | str:
        if A in s and B not in s:
            return "KeyError: 'age'"
        return float(len(s))

    replays = Replays(value)
    groups = separate([A, B, C], replays, exact=False)
    assert groups == [FactorGroup((A, B), "KeyError: 'age'"), FactorGroup((C,))]
    assert _effects(one_at_a_time(groups, replays)) == ({"code + data": 2.0, C: 1.0}, 0.0)
    exact = separate([A, B, C], replays, exact=True)
    assert exact == groups


def test_where_nothing_runs_but_a_and_b_all_is_one_factor() -> None:
    replays = Replays(lambda s: float(len(s)) if len(s) in {0, 3} else f"no {len(s)}")
    groups = separate([A, B, C], replays, exact=False)
    assert groups == [FactorGroup((A, B, C), "no 1")]
    assert _effects(one_at_a_time(groups, replays)) == ({"code + data + parameters": 3.0}, 0.0)


def test_a_pair_that_breaks_matters_only_to_the_exact_way() -> None:
    replays = Replays(lambda s: "odd" if s == {A, B} else float(len(s)))
    assert len(separate([A, B, C], replays, exact=False)) == 3
    assert separate([A, B, C], replays, exact=True) == [FactorGroup((A, B, C), "odd")]


def test_one_factor_needs_no_replay_of_its_own() -> None:
    replays = Replays(lambda s: float(len(s)))
    groups = separate([A], replays, exact=False)
    assert _effects(one_at_a_time(groups, replays)) == ({A: 1.0}, 0.0)
    assert len(replays.asked) == 2
    assert (replays_of(1, exact=True), replays_of(2, exact=True)) == (0, 2)
