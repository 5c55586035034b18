"""Plain MLflow in a recorded cell means what it means without us, on a real store."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import mlflow
import pytest

from jupyter_mlops import runs
from jupyter_mlops.tracking.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
FIT = """\
from sklearn.linear_model import LogisticRegression
line = LogisticRegression(C=0.5).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
accuracy = line.score([[0.0], [3.0]], [0, 1])
"""


@pytest.fixture(autouse=True)
def _as_in_a_fresh_kernel() -> Iterator[None]:
    """Undo what MLflow keeps for the whole process."""
    yield
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.sklearn.autolog(disable=True)
    mlflow.tracking.fluent._active_experiment_id = None
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
    mlflow.set_tracking_uri(None)


def _tags(run: Any, project: Project) -> dict[str, str]:
    return dict(open_store(project).client.get_run(run.run_id).data.tags)


def test_a_run_that_the_cell_begins_is_its_own_and_a_child_of_the_recorded_one(
    project: Project, cell: Callable[[str], Any]
) -> None:
    done = cell(
        "%%mlops run outer --experiment screening\n"
        "import mlflow\n"
        "depth = 3\n"
        "with mlflow.start_run(run_name='inner'):\n"
        "    mlflow.log_param('depth', 7)\n"
        "    mlflow.log_metric('loss', 0.5)\n"
        "mlflow.log_metric('outside', 1)\n"
    )
    assert done.success
    inner, outer = runs.get("inner"), runs.get("outer")
    assert (inner.status, inner.params, inner.metrics) == (
        "finished",
        {"depth": "7"},
        {"loss": 0.5},
    )
    assert (outer.status, outer.params, outer.metrics) == (
        "finished",
        {"depth": "3"},
        {"outside": 1.0},
    )
    assert inner.experiment == outer.experiment == "screening"
    assert _tags(inner, project)["mlflow.parentRunId"] == outer.run_id
    assert mlflow.active_run() is None


def test_a_second_run_inside_needs_nested_as_ever(
    project: Project, cell: Callable[[str], Any]
) -> None:
    done = cell(
        "%%mlops run outer\n"
        "import mlflow\n"
        "with mlflow.start_run(run_name='parent') as parent:\n"
        "    with mlflow.start_run(run_name='child', nested=True):\n"
        "        mlflow.log_param('a', 1)\n"
        "    mlflow.start_run()\n"
    )
    assert "already active" in str(done.error_in_exec)
    parent, child = runs.get("parent"), runs.get("child")
    assert _tags(child, project)["mlflow.parentRunId"] == parent.run_id
    assert (parent.status, child.status, runs.get("outer").status) == (
        "failed",
        "finished",
        "failed",
    )
    assert "nested" in mlflow.start_run.__doc__
    assert not mlflow.start_run.__defaults__[3], "outside a recorded cell nothing differs"


def test_an_experiment_set_in_the_cell_is_where_its_own_runs_go_and_the_next_cell_is_recorded(
    project: Project, cell: Callable[[str], Any]
) -> None:
    assert cell(
        "%%mlops run outer --experiment screening\n"
        "import mlflow\n"
        "_ = mlflow.set_experiment('tuning')\n"
        "with mlflow.start_run(run_name='inner'):\n"
        "    pass\n"
        "mlflow.log_param('here', 'outer')\n"
    ).success
    assert runs.get("inner").experiment == "tuning"
    assert (runs.get("outer").experiment, runs.get("outer").params) == (
        "screening",
        {"here": "outer"},
    )
    assert cell("%%mlops run again --experiment screening\nx = 1").success
    assert runs.get("again").experiment == "screening"


def test_end_run_ends_the_users_run_and_never_the_recorded_one(
    project: Project, cell: Callable[[str], Any]
) -> None:
    assert cell(
        "%%mlops run outer\n"
        "import mlflow\n"
        "mlflow.end_run()\n"
        "run = mlflow.start_run(run_name='inner')\n"
        "mlflow.end_run('FAILED')\n"
        "mlflow.end_run()\n"
        "mlflow.log_metric('late', 1)\n"
    ).success
    assert [(run.name, run.status) for run in runs.list()] == [
        ("inner", "failed"),
        ("outer", "finished"),
    ]
    assert runs.get("outer").metrics == {"late": 1.0}


def test_a_failing_cell_that_ended_the_run_itself_is_failed(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell("%%mlops run outer\nimport mlflow\nmlflow.end_run()\n1 / 0")
    assert runs.get("outer").status == "failed"


def test_a_run_opened_in_an_earlier_cell_goes_on_and_is_the_parent(
    project: Project, cell: Callable[[str], Any]
) -> None:
    mlflow.set_tracking_uri(project.tracking_uri)
    cell("import mlflow\nmine = mlflow.start_run(run_name='mine')")
    assert cell("%%mlops run outer\nmlflow.log_param('in', 'outer')").success
    cell("mlflow.log_param('after', 'mine')")
    assert mlflow.active_run().info.run_name == "mine"
    mlflow.end_run()
    mine, outer = runs.get("mine"), runs.get("outer")
    assert (mine.params, mine.status) == ({"after": "mine"}, "finished")
    assert outer.params == {"in": "outer"}
    assert _tags(outer, project)["mlflow.parentRunId"] == mine.run_id


def test_a_run_left_open_by_the_cell_stays_open_as_without_us(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell("%%mlops run outer\nimport mlflow\nrun = mlflow.start_run(run_name='mine')")
    cell("mlflow.log_metric('later', 2)\nmlflow.end_run()")
    assert (runs.get("outer").status, runs.get("mine").status) == ("finished", "finished")
    assert runs.get("mine").metrics == {"later": 2.0}


def test_a_run_resumed_by_its_id_takes_the_cells_calls(
    project: Project, cell: Callable[[str], Any]
) -> None:
    with runs.start("old", project=project) as old:
        pass
    cell(
        "%%mlops run outer\nimport mlflow\n"
        f"with mlflow.start_run(run_id='{old.run_id}'):\n    mlflow.log_param('more', 1)\n"
    )
    assert runs.get("old").params == {"more": "1"}


def test_a_curve_keeps_its_steps_and_our_own_number_adds_no_point(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell(
        "%%mlops run curve\n"
        "import mlflow\n"
        "for step in range(3):\n"
        "    loss = float(3 - step)\n"
        "    mlflow.log_metric('loss', loss, step=step)\n"
        "final = max([loss])\n"
    )
    run = runs.get("curve")
    history = open_store(project).client.get_metric_history(run.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert run.metrics == {"loss": 1.0, "final": 1.0}


def test_a_parameter_that_the_cell_logged_itself_stays_and_ours_stands_beside_it(
    project: Project, cell: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cell(
        "%%mlops run twice\nimport mlflow\nlr = 0.5\nepochs = 3\n"
        "mlflow.log_params({'lr': 0.1, 'epochs': '3.0'})\n"
    ).success
    assert runs.get("twice").params == {"lr": "0.1", "epochs": "3.0", "cell.lr": "0.5"}


def test_artifacts_and_figures_that_the_cell_logs_are_in_the_recorded_run(
    project: Project, cell: Callable[[str], Any]
) -> None:
    assert cell(
        "%%mlops run files\n"
        "import mlflow, matplotlib.pyplot as plt\n"
        "from pathlib import Path\n"
        "_ = Path('note.txt').write_text('by hand')\n"
        "mlflow.log_artifact('note.txt')\n"
        "figure = plt.figure()\n"
        "mlflow.log_figure(figure, 'by/hand.png')\n"
        "plt.close(figure)\n"
    ).success
    assert {"note.txt", "by/hand.png", "mlops/cell.py"} <= set(runs.get("files").artifacts)


@pytest.mark.parametrize("where", ["before", "inside"])
def test_autolog_and_the_recorder_keep_one_model_between_them(
    project: Project, cell: Callable[[str], Any], where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cell("import mlflow\nfrom sklearn.linear_model import LogisticRegression")
    on = "mlflow.sklearn.autolog(silent=True)\n"
    if where == "before":
        cell(on)
    source = "%%mlops run forest\n" + (on if where == "inside" else "") + FIT
    assert cell(source + "max_iter = 100.0\n").success
    run = runs.get("forest")
    outputs = open_store(project).client.get_run(run.run_id).outputs.model_outputs
    assert len(outputs) == 1
    assert run.params["C"] == "0.5"
    assert run.params["solver"] == "lbfgs", "autolog's own parameters are there"
    assert run.metrics["accuracy"] == 1.0
    assert len(runs.list()) == 1
    shown = capsys.readouterr().out
    assert "to store it without a pickle: mlflow.autolog(log_models=False)" in shown


def test_autolog_without_its_models_leaves_the_model_to_the_recorder(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell("import mlflow\nmlflow.sklearn.autolog(silent=True, log_models=False)")
    assert cell("%%mlops run forest\n" + FIT).success
    run = runs.get("forest")
    assert run.model is not None
    assert (run.model.format, run.params["solver"]) == ("skops", "lbfgs")


def test_a_model_that_the_cell_logs_itself_is_not_logged_twice(
    project: Project, cell: Callable[[str], Any]
) -> None:
    assert cell(
        "%%mlops run own\n" + FIT + "import mlflow\n"
        "_ = mlflow.sklearn.log_model(line, name='mine', serialization_format='skops',\n"
        "                             pip_requirements=['scikit-learn'])\n"
    ).success
    run = open_store(project).client.get_run(runs.get("own").run_id)
    assert len(run.outputs.model_outputs) == 1


def test_a_tracking_address_of_the_users_own_is_there_again_after_the_cell(
    project: Project, cell: Callable[[str], Any], tmp_path: Any
) -> None:
    elsewhere = f"sqlite:///{tmp_path}/elsewhere.db"
    mlflow.set_tracking_uri(elsewhere)
    assert cell("%%mlops run here\nimport mlflow\nmlflow.log_param('a', 1)").success
    assert runs.get("here").params == {"a": "1"}
    assert mlflow.get_tracking_uri() == elsewhere


def test_a_cell_that_moves_to_another_store_still_records_its_own_run_and_model_here(
    project: Project, cell: Callable[[str], Any], tmp_path: Any
) -> None:
    elsewhere = f"sqlite:///{tmp_path}/elsewhere.db"
    assert cell(
        f"%%mlops run here\nimport mlflow\nmlflow.set_tracking_uri('{elsewhere}')\n"
        "with mlflow.start_run(run_name='there'):\n    mlflow.log_param('b', 2)\n" + FIT
    ).success
    here = runs.get("here")
    assert here.model is not None
    assert here.model.format == "skops"
    assert mlflow.get_tracking_uri() == elsewhere
    (there,) = mlflow.search_runs(output_format="list")
    assert (there.info.run_name, there.data.params) == ("there", {"b": "2"})
    assert there.info.experiment_id == "0"


def test_the_ui_shows_name_notebook_and_commit(
    project: Project, cell: Callable[[str], Any]
) -> None:
    for command in (["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *command], cwd=project.root, check=True)
    cell("%%mlops run named\nx = 1")
    tags = _tags(runs.get("named"), project)
    assert tags["mlflow.runName"] == "named"
    assert tags["mlflow.source.type"] == "NOTEBOOK"
    assert len(tags["mlflow.source.git.commit"]) == 40
