"""Tables read well as text and as HTML."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jupyter_mlops import tables


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.97312345, "0.9731"), (1.0, "1"), (12345678.0, "1.235e+07"), (float("nan"), "nan"),
        (None, "–"), ("", "–"), (True, "yes"), ({}, "–"), ({"a": 0.5, "b": 2}, "a=0.5, b=2"),
        (["x", "y"], "x, y"), (timedelta(seconds=200), "3 min 20 s"),
    ],
)  # fmt: skip
def test_a_cell_shows(value: object, shown: str) -> None:
    assert tables.cell(value) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(8, "8 B"), (145_123, "145 kB"), (3_200_000_000, "3.2 GB")]
)
def test_a_size_shows(count: int, shown: str) -> None:
    assert tables.size(count) == shown


def test_numbers_stand_to_the_right_and_columns_are_the_union() -> None:
    text = tables.table_text([{"name": "a", "auc": 0.5}, {"name": "bb", "took": "1 s"}])
    assert text.splitlines()[0].split() == ["name", "auc", "took"]
    assert text.splitlines()[2] == "a     0.5  –"


def test_html_is_escaped_and_carries_no_script() -> None:
    made = tables.table_html([{"<b>": "</td><script>alert(1)</script>"}])
    assert "<script>" not in made
    assert "<b>" not in made
    assert "&lt;script&gt;" in made
