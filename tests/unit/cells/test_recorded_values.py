"""What the recorder reads out of a cell's source."""

from __future__ import annotations

import numpy as np
import pytest

from jupyter_mlops.cells import recorded_values


def _ran(
    source: str, **given: object
) -> tuple[recorded_values.CellCode, dict[str, object], object]:
    """Execute a cell as the magic does, and return what was read, the namespace and the last value."""
    import ast

    namespace: dict[str, object] = dict(given)
    tree = ast.parse(source)
    result = None
    if isinstance(last := tree.body[-1], ast.Expr):
        tree.body.pop()
        exec(compile(tree, "cell", "exec"), namespace)
        result = eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)
    else:
        exec(compile(tree, "cell", "exec"), namespace)
    return recorded_values.read(source), namespace, result


def test_constants_are_parameters_whatever_their_simple_type() -> None:
    read, names, _ = _ran(
        "depth: int = 4\nlr = 1e-3\nkind, other = 'a', 0.5\nlayers = [64, 32]\nquick = True"
    )
    assert recorded_values.parameters(read, names) == {
        "depth": 4, "lr": 1e-3, "kind": "a", "other": 0.5, "layers": [64, 32], "quick": True,
    }  # fmt: skip
    assert recorded_values.metrics(read, names, None) == {}


def test_values_from_earlier_cells_that_the_cell_uses_are_parameters_too() -> None:
    read, names, _ = _ran("x = depth + 1", depth=4, unused=5, table=np.zeros(3))
    assert recorded_values.parameters(read, names) == {"depth": 4}


def test_a_changed_constant_is_recorded_with_its_last_value() -> None:
    read, names, _ = _ran("depth = 4\nif True:\n    depth = 8")
    assert recorded_values.parameters(read, names)["depth"] == 8


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("score = max([0.5, 0.25])", {"score": 0.5}),
        ("count = len('abc')", {}),
        ("a, b = divmod(7.5, 2)", {"a": 3.0, "b": 1.5}),
        ("score = np.float32(0.5)", {"score": 0.5}),
        ("score = np.array(0.5)", {"score": 0.5}),
        ("_hidden = float('0.5')", {}),
        ("rate = 0.5", {}),
        ("score = max([0.5])\nscore", {"score": 0.5}),
        ("max([1, 2])", {"max": 2.0}),
        ("{'auc': 0.9, 'rows': 3, 'name': 'x'}", {"auc": 0.9}),
        ("flag = bool(1)", {}),
    ],
)
def test_numbers_that_the_cell_computes_are_metrics(source: str, found: dict[str, float]) -> None:
    read, names, result = _ran(source, np=np)
    assert recorded_values.metrics(read, names, result) == found


def test_a_cell_that_does_not_parse_is_refused() -> None:
    with pytest.raises(SyntaxError):
        recorded_values.read("x = ")
