"""`%%mlops run` records what a cell did, on a real MLflow store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from jupyter_mlops import models, runs
from jupyter_mlops.errors import MlopsError, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
TRAIN = """\
%%mlops run forest --experiment screening
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
trees = 5
table = pd.read_csv("train.csv")
model = RandomForestClassifier(n_estimators=trees, max_depth=3, random_state=0)
model.fit(table[["a", "b"]], table["y"])
accuracy = model.score(table[["a", "b"]], table["y"])
"""


@pytest.fixture
def table(project: Project) -> pd.DataFrame:
    frame = pd.DataFrame(
        {"a": [float(i) for i in range(40)], "b": [float(i % 7) for i in range(40)]}
    )
    frame["y"] = (frame["a"] > 19).astype(int)
    frame.to_csv("train.csv", index=False)
    return frame


def test_a_training_cell_is_recorded_whole(
    project: Project,
    table: pd.DataFrame,
    cell: Callable[[str], Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cell(TRAIN).success
    line = capsys.readouterr().out.strip().splitlines()[-1]
    assert line.startswith("recorded · forest ")
    assert "accuracy=1" in line
    run = runs.get("forest")
    assert (run.status, run.kind, run.experiment) == ("finished", "cell", "screening")
    assert run.params["trees"] == "5"
    assert run.params["max_depth"] == "3"
    assert run.metrics == {"accuracy": 1.0}
    assert [(use.path, use.role) for use in run.data] == [("train.csv", "input")]
    assert run.source.startswith("import pandas as pd")
    assert run.packages > 50
    assert run.model is not None
    assert (run.model.flavor, run.model.format, run.model.safe) == ("sklearn", "skops", True)
    assert [item["name"] for item in run.model.inputs] == ["a", "b"]
    assert not [*(project.state / "live").glob("*.json")]


def test_the_model_comes_back_and_answers_the_same(
    table: pd.DataFrame, cell: Callable[[str], Any]
) -> None:
    cell(TRAIN)
    model = models.load_model("forest")
    fresh = cell.shell.user_ns["model"]  # type: ignore[attr-defined]
    columns = table[["a", "b"]]
    assert (model.predict_proba(columns) == fresh.predict_proba(columns)).all()
    pd.testing.assert_frame_equal(models.training_data("forest"), table)


def test_the_training_data_is_the_version_that_was_read_even_after_a_change(
    table: pd.DataFrame, cell: Callable[[str], Any]
) -> None:
    cell(TRAIN)
    (table * 100).to_csv("train.csv", index=False)
    pd.testing.assert_frame_equal(models.training_data("forest"), table)


def test_a_file_written_by_the_cell_is_an_output(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell("%%mlops run write\nfrom pathlib import Path\n_ = Path('out.csv').write_text('a\\n')")
    assert [(use.path, use.role) for use in runs.get("write").data] == [("out.csv", "output")]


def test_pyarrow_reads_are_seen(
    project: Project, table: pd.DataFrame, cell: Callable[[str], Any]
) -> None:
    table.to_parquet("t.parquet")
    cell(
        "%%mlops run arrow\nimport pyarrow.parquet as pq\nrows = pq.read_table('t.parquet').num_rows"
    )
    run = runs.get("arrow")
    unseen = (
        "not seen" in run.tags["mlops.lineage"]
    )  # a machine that refuses fanotify; the run says so
    assert [use.path for use in run.data] == ([] if unseen else ["t.parquet"])


def test_a_failing_cell_shows_its_own_error_and_its_run_is_failed(
    project: Project, cell: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    result = cell("%%mlops run broken\ndepth = 3\n1 / 0")
    assert isinstance(result.error_in_exec, ZeroDivisionError)
    shown = capsys.readouterr().out
    assert "ZeroDivisionError: division by zero" in shown
    assert "jupyter_mlops" not in shown
    run = runs.get("broken")
    assert (run.status, run.error, run.params) == (
        "failed",
        "ZeroDivisionError: division by zero",
        {"depth": "3"},
    )


def test_an_interrupted_cell_is_killed_not_finished(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell("%%mlops run stopped\nraise KeyboardInterrupt")
    run = runs.get("stopped")
    assert (run.status, run.error) == ("killed", "Interrupted")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("%%mlops run x\ny = ", "Line 1 of the cell is not Python"),
        ("%%mlops run x\n  \n", "no cell below"),
        ("%%mlops run x --modle m\n1", "Did you mean '--model'"),
        ("%%mlops data\n1", "takes no cell"),
    ],
)
def test_a_mistake_runs_nothing_and_records_nothing(
    project: Project, cell: Callable[[str], Any], source: str, message: str
) -> None:
    result = cell(source)
    assert isinstance(result.error_in_exec, UsageError)
    assert message in str(result.error_in_exec)
    assert len(runs.list()) == 0


def test_a_wrong_model_name_fails_the_run_with_one_line(
    project: Project, cell: Callable[[str], Any]
) -> None:
    result = cell("%%mlops run x --model net\nnet = 3")
    assert isinstance(result.error_in_exec, NotFound)
    assert runs.get("x").status == "failed"


def test_plain_mlflow_calls_land_in_the_same_run(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell(
        "%%mlops run plain\nimport mlflow\nmlflow.log_metric('loss', 0.25)\nmlflow.log_param('hand', 'made')"
    )
    run = runs.get("plain")
    assert run.metrics == {"loss": 0.25}
    assert run.params == {"hand": "made"}
    assert len(runs.list()) == 1


def test_the_last_expression_still_shows_and_a_semicolon_silences_it(
    project: Project, cell: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    cell("%%mlops run a\n'to be seen'")
    assert "to be seen" in capsys.readouterr().out
    cell("%%mlops run b\n'not to be seen';")
    assert "not to be seen" not in capsys.readouterr().out


def test_magics_inside_a_recorded_cell_work(project: Project, cell: Callable[[str], Any]) -> None:
    assert cell("%%mlops run magic\n%who_ls\nx = 2").success
    assert runs.get("magic").params == {"x": "2"}


def test_parameters_and_metrics_are_seen_through_cell_and_line_magics(
    project: Project, cell: Callable[[str], Any]
) -> None:
    assert cell("%%mlops run timed\n%%time\ndepth = 4\n%time score = depth / 8").success
    run = runs.get("timed")
    assert (run.params, run.metrics) == ({"depth": "4"}, {"score": 0.5})


def test_annotations_are_what_they_are_in_an_ordinary_cell(
    project: Project, cell: Callable[[str], Any]
) -> None:
    given = "def f(a: int): ...\nplain = f.__annotations__ == {'a': int}"
    assert cell(f"%%mlops run a\n{given}\nassert plain").success
    assert cell("from __future__ import annotations").success
    assert cell(f"%%mlops run b\n{given}\nassert not plain").success


def test_an_expression_in_double_braces_is_expanded_in_the_arguments_only(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell("name = 'forest two'")
    cell("%%mlops run {{name}}\nvalue = '{{name}}'")
    assert runs.get("forest two").params == {"value": "{{name}}"}


def test_secrets_do_not_reach_the_store(
    project: Project, cell: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "tok-123456789")
    cell("%%mlops run leaky\ndb_password = 'hunter22'\nurl = 'https://x/?t=tok-123456789'")
    run = runs.get("leaky")
    assert run.params == {"db_password": "***", "url": "https://x/?t=***"}
    stored = b"".join(
        p.read_bytes() for p in (project.state / "artifacts").rglob("*") if p.is_file()
    )
    assert b"tok-123456789" not in stored
    manifest = json.loads(runs.artifact(run.run_id, "mlops/manifest.json").read_text())
    assert manifest["params"]["db_password"] == "***"


def test_a_torch_module_comes_back_without_running_code(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell(
        "%%mlops run net\n"
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.layer = torch.nn.Linear(4, 2)\n"
        "    def forward(self, x):\n"
        "        return self.layer(x).relu()\n"
        "net = Net()\n"
        "optimizer = torch.optim.SGD(net.parameters(), lr=0.5)\n"
        "out = net(torch.ones(16, 4))\n"
    )
    run = runs.get("net")
    assert run.model is not None
    assert (run.model.flavor, run.model.format) == ("pytorch", "pt2")
    assert (run.params["optimizer"], run.params["lr"]) == ("SGD", "0.5")
    import torch

    rows = torch.rand(5, 4)
    fresh = cell.shell.user_ns["net"]  # type: ignore[attr-defined]
    assert torch.equal(models.load_model("net")(rows), fresh(rows))
    assert models.training_data("net").shape == (16, 4)


def test_a_pickled_model_is_refused_until_it_is_allowed(
    project: Project, table: pd.DataFrame, cell: Callable[[str], Any]
) -> None:
    cell(
        "%%mlops run own\n"
        "from sklearn.base import BaseEstimator, ClassifierMixin\n"
        "class Own(ClassifierMixin, BaseEstimator):\n"
        "    def fit(self, X, y):\n"
        "        self.n_features_in_ = X.shape[1]\n"
        "        self.most_ = y.mode()[0]\n"
        "        return self\n"
        "    def predict(self, X):\n"
        "        return [self.most_] * len(X)\n"
        "import pandas as pd\n"
        "table = pd.read_csv('train.csv')\n"
        "own = Own().fit(table[['a']], table['y'])\n"
    )
    run = runs.get("own")
    assert run.model is not None
    assert (run.model.format, run.model.safe) == ("pickle", False)
    with pytest.raises(MlopsError, match="--allow-pickle"):
        models.load_model("own")
    assert models.load_model("own", allow_pickle=True).predict([[1.0]]) == [0]


def test_shown_figures_are_kept(project: Project, cell: Callable[[str], Any]) -> None:
    cell(
        "%%mlops run plot\nimport matplotlib.pyplot as plt\n_ = plt.figure('curve').gca().plot([1, 2])"
    )
    cell("plt.close('all')")
    path = runs.artifact("plot", "figures/curve.png")
    assert path.read_bytes().startswith(b"\x89PNG")
