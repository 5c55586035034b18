"""`job sweep`: a grid on two workers, each point a run of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import jobs, runs
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.jobs.sweeps import values_of

if TYPE_CHECKING:
    from jupyter_mlops.project import Project


def test_a_sweep_runs_every_point_and_finds_the_best(
    write: Any, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(
        "train.ipynb",
        ("parameters", "depth: int = 6\nkind: str = 'a'"),
        "%load_ext jupyter_mlops\nimport os\nprint(os.environ['OMP_NUM_THREADS'])",
        "%%mlops run point --no-model\naccuracy = 1 / (1 + abs(depth - 4))\nloss = 1 - accuracy",
        "assert depth != 9, 'too deep'",
    )
    sweep = jobs.sweep(name, params={"depth": "2,4,9"}, workers=2)
    assert sweep.status == "finished", sweep
    assert [item.params["depth"] for item in sweep.executions] == [2, 4, 9]
    assert [item.status for item in sweep.executions] == ["finished", "finished", "failed"]
    assert (sweep.metric, sweep.maximize) == ("accuracy", True)
    assert sweep.best == sweep.executions[1].run_id

    parent = runs.get(sweep.run_id)
    assert (parent.kind, parent.status) == ("sweep", "finished")
    assert parent.metrics == {"accuracy": 1.0}
    children = [run for run in runs.list(kind="job") if run.parent == sweep.run_id]
    assert {run.params["depth"] for run in children} == {"2", "4", "9"}
    lines = capsys.readouterr().err
    assert "[3/3]" in lines
    assert "too deep" in lines
    assert "1 of 3 points failed" in lines


def test_a_loss_is_minimised(write: Any) -> None:
    name = write(
        "train.ipynb", ("parameters", "x = 1.0"), "import mlflow\nmlflow.log_metric('my_loss', x)"
    )
    sweep = jobs.sweep(name, params={"x": "1,0.5"}, workers=2)
    assert (sweep.metric, sweep.maximize) == ("my_loss", False)
    assert sweep.best == sweep.executions[1].run_id


def test_a_sweep_that_cannot_work_is_refused_before_it_starts(write: Any) -> None:
    name = write("train.ipynb", ("parameters", "depth: int = 6"), "print(depth)")
    for options, what in (
        ({}, "needs values"),
        ({"params": {"depth": ","}}, "has no values"),
        ({"params": {"depth": "2,x"}}, "expects int, not 'x'"),
        ({"params": {"dpeth": "2,3"}}, "no parameter 'dpeth'"),
        ({"params": {"depth": "2"}, "workers": -1}, "not a number of workers"),
        ({"params": {"depth": "2"}, "maximize": True, "minimize": True}, "cannot be used together"),
        ({"params": {"depth": ",".join(map(str, range(10_001)))}}, "10001 points"),
    ):
        with pytest.raises(MlopsError, match=what):
            jobs.sweep(name, **options)
    assert len(runs.list()) == 0


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("2,4,8", ["2", "4", "8"]),
        ("[1,2],[3]", ["[1,2]", "[3]"]),
        ("'a,b',c", ["'a,b'", "c"]),
        (" a , b ", ["a", "b"]),
        ([1, 2], [1, 2]),
        (3, [3]),
    ],
)
def test_a_grid_is_read_from_text(text: Any, values: list[Any]) -> None:
    assert values_of(text) == values
