"""`model evaluate`: a recorded model scored on data, with intervals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

from jupyter_mlops import models, runs
from jupyter_mlops.errors import MlopsError, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

_CELL = """%%mlops run {name}
import pandas as pd
{imports}
frame = pd.read_csv("{file}")
model = {model}.fit(frame.drop(columns="target"){values}, frame["target"])
"""


def _split(frame: pd.DataFrame, project: Project, name: str) -> None:
    frame.iloc[::2].to_csv(project.root / f"{name}-train.csv", index=False)
    frame.iloc[1::2].to_csv(project.root / f"{name}-test.csv", index=False)


@pytest.fixture
def cancer(project: Project, cell: Callable[[str], Any]) -> None:
    frame = load_breast_cancer(as_frame=True).frame
    kept = [*frame.columns[:6], "target"]
    _split(frame[kept], project, "cancer")
    cell(
        _CELL.format(
            name="linear",
            imports="from sklearn.pipeline import make_pipeline\n"
            "from sklearn.preprocessing import StandardScaler\n"
            "from sklearn.linear_model import LogisticRegression",
            file="cancer-train.csv",
            model="make_pipeline(StandardScaler(), LogisticRegression())",
            values="",
        )
    )


def test_holdout_scores_the_stored_model_and_is_recorded(cancer: None, project: Project) -> None:
    found = models.evaluate("linear", on="cancer-test.csv")
    model = models.load_model("linear")
    test = pd.read_csv("cancer-test.csv")
    by_name = {item.metric: item for item in found.metrics}
    assert set(by_name) == {"accuracy", "balanced_accuracy", "f1", "roc_auc", "log_loss"}
    expected = model.score(test.drop(columns="target"), test["target"])
    assert by_name["accuracy"].value == pytest.approx(expected)
    for item in found.metrics:
        assert _rising(item.low, item.value, item.high)
    record = runs.get(found.run_id)
    assert record.tags["mlops.evaluates"] == runs.get("linear").run_id
    assert record.kind == "other"
    assert record.params["method"] == "holdout"
    assert record.params["target"] == "target"
    assert record.metrics["accuracy_low"] == by_name["accuracy"].low
    assert [(use.path, use.role) for use in record.data] == [("cancer-test.csv", "input")]
    assert record.data[0].version == found.version
    again = models.evaluate("linear", on="cancer-test.csv")
    assert again.metrics == found.metrics, "the same seed, the same intervals"
    assert "accuracy" in str(found)
    assert "<table>" in found._repr_html_()
    assert "accuracy_low" not in str(runs.list())
    assert list(found.df.columns) == ["metric", "value", "low", "high"]


@pytest.mark.parametrize("method", ["kfold", "bootstrap"])
def test_the_estimator_is_fitted_again(cancer: None, method: str) -> None:
    found = models.evaluate(
        "linear",
        on="cancer-test.csv",
        method=method,
        folds=5,
        resamples=10,
        metric=["accuracy,roc_auc"],
    )
    assert [item.metric for item in found.metrics] == ["accuracy", "roc_auc"]
    first = found.metrics[0]
    assert _rising(0.8, first.low, first.value, first.high)


def test_a_regression_and_a_model_without_a_seed(
    project: Project, cell: Callable[[str], Any]
) -> None:
    _split(load_diabetes(as_frame=True).frame, project, "sugar")
    cell(
        _CELL.format(
            name="trees",
            imports="from sklearn.ensemble import RandomForestRegressor",
            file="sugar-train.csv",
            model="RandomForestRegressor(n_estimators=5)",
            values="",
        )
    )
    found = models.evaluate("trees", on="sugar-test.csv")
    assert [item.metric for item in found.metrics] == ["rmse", "mae", "r2"]
    first = models.evaluate("trees", on="sugar-test.csv", method="kfold", folds=3)
    second = models.evaluate("trees", on="sugar-test.csv", method="kfold", folds=3)
    assert first.metrics == second.metrics
    with pytest.raises(UsageError, match="No metric 'accuracy' for a regression"):
        models.evaluate("trees", on="sugar-test.csv", metric=["accuracy"])


def test_a_model_of_an_array_needs_its_target_named(
    project: Project, cell: Callable[[str], Any]
) -> None:
    _split(load_diabetes(as_frame=True).frame, project, "sugar")
    cell(
        _CELL.format(
            name="plain",
            imports="from sklearn.linear_model import Ridge",
            file="sugar-train.csv",
            model="Ridge()",
            values=".to_numpy()",
        )
    )
    with pytest.raises(UsageError, match="inputs have no names"):
        models.evaluate("plain", on="sugar-test.csv")
    found = models.evaluate("plain", on="sugar-test.csv", target="target")
    assert _rising(0, found.metrics[0].value)


def test_what_is_unclear_is_one_line_and_records_nothing(cancer: None, project: Project) -> None:
    test = pd.read_csv("cancer-test.csv")
    test.assign(fold=1).to_csv("two.csv", index=False)
    test.drop(columns="target").to_csv("none.csv", index=False)
    test.drop(columns=test.columns[0]).to_csv("narrow.csv", index=False)
    test.assign(target="benign").to_csv("words.csv", index=False)
    test.assign(target=[np.nan] + [1] * (len(test) - 1)).to_csv("holes.csv", index=False)
    test.head(0).to_csv("empty.csv", index=False)
    (project.root / "bad.parquet").write_bytes(b"PAR1 no")
    (project.root / "nothing.csv").write_text("")
    before = len(runs.list(limit=100))
    for file, message in {
        "two.csv": r"2 columns are not inputs.*target, fold.*--target",
        "none.csv": "Every column is an input",
        "narrow.csv": "lacks 1 of the model's inputs: mean radius",
        "words.csv": "values that the model does not know: benign. It knows: 0, 1",
        "holes.csv": "1 rows of holes.csv have no 'target'",
        "empty.csv": "has no rows",
        "bad.parquet": "cannot be read as .parquet",
        "nothing.csv": "cannot be read as .csv",
        "absent.csv": "No file absent.csv",
    }.items():
        with pytest.raises(MlopsError, match=message):
            models.evaluate("linear", on=file)
    with pytest.raises(UsageError, match=r"no column 'tagret'.*'target'"):
        models.evaluate("linear", on="cancer-test.csv", target="tagret")
    with pytest.raises(UsageError, match=r"No method 'kfolds'.*'kfold'"):
        models.evaluate("linear", on="cancer-test.csv", method="kfolds")
    with pytest.raises(NotFound, match="No run 'linaer'"):
        models.evaluate("linaer", on="cancer-test.csv")
    with pytest.raises(UsageError, match=r"No metric 'acuracy'.*'accuracy'"):
        models.evaluate("linear", on="cancer-test.csv", metric=["acuracy"])
    with pytest.raises(UsageError, match=r"A class has \d+ rows, too few for 500 folds"):
        models.evaluate("linear", on="cancer-test.csv", method="kfold", folds=500)
    test.head(1).to_csv("one.csv", index=False)
    with pytest.raises(MlopsError, match="1 rows are too few to resample"):
        models.evaluate("linear", on="one.csv", method="bootstrap", resamples=5)
    assert len(runs.list(limit=100)) == before
    assert models.evaluate("linear", on="two.csv", target="target").rows == len(test)


def test_a_table_in_memory_and_the_line_itself(cancer: None, cell: Callable[[str], Any]) -> None:
    assert models.evaluate("linear", on=pd.read_csv("cancer-test.csv")).version == ""
    done = cell(
        "%mlops model evaluate linear --on cancer-test.csv --metric accuracy --resamples 50"
    )
    assert [item.metric for item in done.result.metrics] == ["accuracy"]
    assert json.loads(done.result.to_json())["method"] == "holdout"


def test_a_pickle_is_refused_unless_allowed(project: Project, cell: Callable[[str], Any]) -> None:
    frame = load_breast_cancer(as_frame=True).frame.iloc[:, -4:]
    _split(frame, project, "small")
    cell(
        _CELL.format(
            name="own",
            imports="from sklearn.linear_model import LogisticRegression\n"
            "class Own(LogisticRegression):\n    pass",
            file="small-train.csv",
            model="Own()",
            values="",
        )
    )
    with pytest.raises(MlopsError, match="--allow-pickle"):
        models.evaluate("own", on="small-test.csv")
    assert models.evaluate("own", on="small-test.csv", allow_pickle=True, resamples=50).metrics


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGKILL, "The process that ran it died"), (signal.SIGINT, "Interrupted")],
)
def test_a_killed_evaluation_is_a_killed_run_without_metrics(
    cancer: None, project: Project, number: int, error: str
) -> None:
    program = (
        "from jupyter_mlops import models;"
        "models.evaluate('linear', on='cancer-test.csv', method='bootstrap', resamples=100_000)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=project.root, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    # The first progress line comes a second after the fits began.
    assert any("fitting: " in line for line in process.stderr)
    os.kill(process.pid, number)
    process.communicate(timeout=600)
    left = runs.get("evaluate linear")
    assert (left.status, left.error, left.metrics) == ("killed", error, {})
    assert left.tags["mlops.evaluates"] == runs.get("linear").run_id


def _rising(*values: float | None) -> bool:
    """Whether each value is there and larger than the one before it."""
    present = [value for value in values if value is not None]
    return len(present) == len(values) and present == sorted(set(present))
