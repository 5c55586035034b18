"""Which cells of a history a run's explanation replays, and which files belong to which factor."""

from __future__ import annotations

import pytest

from jupyter_mlops.replays.why import file_trees
from jupyter_mlops.replays.why.shortened_history import shortened
from jupyter_mlops.runs.capsules.capsule import Capsule, CapsuleCell

RUN = "%%mlops run case\nscore = f(X) * depth"


def _kept(*sources: str, last: str = RUN) -> list[str] | None:
    capsule = Capsule(cells=[CapsuleCell(source=source) for source in (*sources, last)])
    short = shortened(capsule)
    return None if short is None else [cell.source for cell in short.cells[:-1]]


def test_an_earlier_run_and_what_was_looked_at_are_left_out() -> None:
    needed = ["import numpy as np", "X = np.ones(3)", "depth = 4", "def f(v):\n    return v * scale", "scale = 2"]  # fmt: skip
    looked = [
        "%%mlops run earlier\nimport os\nscore = f(X) * depth",
        "X.describe()",
        "other = f(X)",
        "print(depth)",
    ]
    assert _kept(*needed, *looked) == needed
    assert _kept(*needed) is None


def test_what_is_made_anew_is_needed_once_and_what_is_changed_as_often_as_it_was() -> None:
    made = ["X = [1]", "def f(v):\n    return v", "depth = 1"]
    assert _kept(*made, "depth = 2", "y = 3") == [*made[:2], "depth = 2"]
    changed = [*made, "X.append(2)", "X[0] = 5", "depth = depth + 1", "%cd data"]
    assert _kept(*changed, "y = 3") == changed


def test_the_states_of_generators_stay_between_the_same_cells() -> None:
    cells = ["y = 1", "import random", "z = 2", "depth = random.random()", RUN.replace("f(X)", "1")]
    capsule = Capsule(
        cells=[CapsuleCell(source=source) for source in cells],
        generators={"random": (2, [1]), "numpy": (1, [2])},
    )
    short = shortened(capsule)
    assert short is not None
    assert [cell.source for cell in short.cells] == [cells[1], cells[3], cells[4]]
    assert short.generators == {"random": (1, [1]), "numpy": (0, [2])}


@pytest.mark.parametrize(
    ("factor", "paths"),
    [
        ("code", ["steps.py", "src/a.pyx", "query.SQL"]),
        ("parameters", ["params.yaml", "conf/model.toml", "train_config.json"]),
        ("data", ["data/train.csv", "data/train.csv.dvc", "words.txt", "labels.json", "no-suffix"]),
        (
            "",
            [
                "a.ipynb",
                "README.md",
                "mlops.toml",
                ".gitignore",
                ".dvc/config",
                "jobs/train.yaml",
                "__pycache__/a.pyc",
            ],
        ),
    ],
)
def test_a_file_is_code_parameters_data_or_nothing_that_is_replayed(
    factor: str, paths: list[str]
) -> None:
    assert {path: file_trees.factor_of(path) for path in paths} == dict.fromkeys(paths, factor)
