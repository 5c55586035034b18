"""YAML of others: nesting, aliases and long texts are refused before an object is built."""

from __future__ import annotations

import pytest

from jupyter_mlops import safe_yaml


@pytest.mark.parametrize("opened", ["[", "{a: "])
def test_nesting_is_read_up_to_thirty_levels(opened: str) -> None:
    closed = {"[": "]", "{a: ": "}"}[opened]
    assert safe_yaml.load(opened * 30 + closed * 30)
    for depth in (31, 100, 5_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            safe_yaml.load(opened * depth + closed * depth)


@pytest.mark.parametrize("text", ["a: &x 1\nb: *x", "a: &x [*x]", "a: " + "x" * 100_001, "a: [", "!!python/object:a.B {}"])  # fmt: skip
def test_tricks_are_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        safe_yaml.load(text)
