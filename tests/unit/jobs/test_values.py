"""Values given to a notebook: typed, kept by JSON, and written over the notebook's own constants."""

from __future__ import annotations

import enum
import math
from datetime import date
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

from jupyter_mlops.jobs import notebook as notebooks
from jupyter_mlops.jobs import parameters, values


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("given", "annotation", "typed"),
    [
        ("200", "int", 200), ("-3", "int", -3), (7, "int", 7), (np.int64(7), "int", 7),
        ("0.5", "float", 0.5), (1, "float", 1.0), ("1e-3", "float", 0.001), ("inf", "float", math.inf),
        ("yes", "bool", True), ("False", "bool", False), (True, "bool", True),
        ("200", "str", "200"), (Path("a/b"), "str", "a/b"), (date(2026, 1, 2), "str", "2026-01-02"),
        ("[1, 2]", "list[int]", [1, 2]), ((1, 2), "list", [1, 2]), ("(1, 2)", "tuple", [1, 2]),
        ('{"a": 1}', "dict", {"a": 1}), ("{'a': 1}", "dict[str, int]", {"a": 1}),
        ("None", "int | None", None), ("3", "Optional[int]", 3), ("None", "str | None", None),
        ("3", "int | str", 3), ("x", "Union[int, str]", "x"), ("b", "Literal['a', 'b']", "b"),
        ("2", "Literal[1, 2]", 2), ("3", "any", 3), ("abc", "any", "abc"), ("3", "'int'", 3),
        ("3", "np.ndarray", 3), (Colour.RED, "any", "red"), ({3, 1}, "any", [1, 3]),
    ],
)  # fmt: skip
def test_a_value_takes_the_parameters_type(given: Any, annotation: str, typed: Any) -> None:
    result = values.typed(given, annotation)
    assert result == typed
    assert type(result) is type(typed)


@pytest.mark.parametrize(
    ("given", "annotation"),
    [
        ("a", "int"), ("1.5", "int"), (1.5, "int"), (True, "int"), ("", "float"), ("2", "bool"), (1, "bool"),
        (3, "str"), ("3", "list"), ("[1]", "dict"), ("c", "Literal['a']"), ("x", "int | None"),
        ({1: 2}, "dict"), (b"x", "any"), (object(), "any"), (np.zeros(3), "any"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused(given: Any, annotation: str) -> None:
    with pytest.raises(values.ValueRefused):
        values.typed(given, annotation)


def injected(source: str, given: dict[str, Any], *, tags: tuple[str, ...] = ("parameters",)) -> str:
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": [*tags]})
    content = nbformat.v4.new_notebook(cells=[cell])
    parameters.inject(content, notebooks.code_cells(content), given)
    assert content.metadata["papermill"]["parameters"] == given
    return str(content.cells[0].source)


REWRITTEN = [
    ("n: int = 100  # trees", {"n": 200}, "n: int = 200  # trees"),
    ("n = 100; m = 2", {"n": 1, "m": 3}, "n = 1; m = 3"),
    ("name = 'a#b'  # é", {"name": "q\"'é"}, "name = 'q\"\\'é'  # é"),
    ("é = 'ü'; n = 1", {"n": 2}, "é = 'ü'; n = 2"),
    ("a, b = 1, (2, 3)", {"b": [4]}, "a, b = 1, [4]"),
    ("layers = [\n    1,\n    2,\n]\nx = 1", {"layers": [3], "x": 5}, "layers = [3]\nx = 5"),
    ("%load_ext abc\nn = 1", {"n": 2}, "%load_ext abc\nn = 2"),
    ("rate = 0.1", {"rate": math.inf}, 'rate = float("inf")'),
    ("d = {}", {"d": {"a": None, "b": [True]}}, "d = {'a': None, 'b': [True]}"),
    ("out = f'{1}.csv'", {"out": "x.csv"}, "out = 'x.csv'"),
]


@pytest.mark.parametrize(("source", "given", "expected"), REWRITTEN)
def test_a_value_replaces_the_constant_where_it_stands(
    source: str, given: Any, expected: str
) -> None:
    assert injected(source, given) == expected


@pytest.mark.parametrize(
    "source",
    [
        "n = 1\nhalf = n / 2",
        "n = 1\nn = 2\nhalf = n / 2",
        "(n, m) = (1, 2)\nhalf = n / 2",
        "%config x = 1\nn = 1\nhalf = n / 2",
        "!echo \\\n  more\nn = 1\nhalf = n / 2",
    ],
)
def test_what_is_derived_from_a_parameter_follows_it(source: str) -> None:
    class Shell:
        def __getattr__(self, name: str) -> Any:
            return lambda *args, **kwargs: None

    namespace: dict[str, Any] = {"get_ipython": Shell}
    from jupyter_mlops.cells import source as code

    exec(code.parse(injected(source, {"n": 10})).text, namespace)
    assert (namespace["n"], namespace["half"]) == (10, 5)


@pytest.mark.parametrize("source", ["n = m = 1", "n = 1\nif True:\n    n = 2", "n = 1\nn += 5"])
def test_the_given_value_wins_over_every_other_assignment_of_the_cell(source: str) -> None:
    namespace: dict[str, Any] = {}
    exec(injected(source, {"n": 10}), namespace)
    assert namespace["n"] == 10


def test_an_untagged_notebooks_own_constant_does_not_win() -> None:
    assert injected("z = 1\nprint(z)", {"z": 5}, tags=()) == "z = 5\nprint(z)"


def test_the_notebook_is_changed_only_where_values_are_given() -> None:
    source = "n = 1\n\n\nm   =  2 # odd   spacing\n"
    assert injected(source, {"n": 3}) == source.replace("n = 1", "n = 3")
    assert injected(source, {}) == source
