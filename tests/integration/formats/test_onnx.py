"""`%%mlops run NAME --format onnx`: converted, compared, and loaded as something that predicts."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jupyter_mlops import formats, models, runs
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.formats import onnx
from jupyter_mlops.formats.base import format

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
_IRIS = """
from sklearn.datasets import load_iris
X, y = load_iris(return_X_y=True, as_frame=True)
"""
_FOREST = "from sklearn.ensemble import RandomForestClassifier\nmodel = RandomForestClassifier(10, random_state=0).fit(X, y)"
_PIPELINE = """\
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
X = pd.DataFrame({"age": [float(i % 50) for i in range(90)], "city": ["Brno", "Praha", "Plzen"] * 30})
y = ["yes" if i % 3 else "no" for i in range(90)]
columns = ColumnTransformer([("n", StandardScaler(), ["age"]), ("c", OneHotEncoder(), ["city"])])
model = make_pipeline(columns, LogisticRegression()).fit(X, y)
"""
_LINE = "from sklearn.linear_model import Ridge\nmodel = Ridge().fit(X.to_numpy(), y)"
_NET = """
import torch
torch.manual_seed(0)
X = torch.rand(40, 4)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
output = model(X)
"""


@pytest.mark.parametrize(
    ("kind", "source"), [("forest", _FOREST), ("table", _PIPELINE), ("line", _LINE)]
)
def test_an_estimator_as_onnx_answers_as_it_does(
    project: Project, cell: Callable[[str], Any], kind: str, source: str
) -> None:
    assert cell(f"%%mlops run {kind} --format onnx{_IRIS}{source}").success
    run = runs.get(kind)
    assert run.model is not None
    assert (run.model.flavor, run.model.format, run.model.safe) == ("onnx", "onnx", True)
    names = cell.shell.user_ns  # type: ignore[attr-defined]
    rows = names["X"].to_numpy() if kind == "line" else names["X"]
    loaded = models.load_model(kind)
    if kind == "line":
        assert np.allclose(loaded.predict(rows), names["model"].predict(rows), atol=1e-4)
        assert not hasattr(loaded, "predict_proba")
    else:
        assert (loaded.predict(rows) == names["model"].predict(rows)).all()
        probabilities = names["model"].predict_proba(rows)
        assert np.allclose(loaded.predict_proba(rows), probabilities, atol=1e-4)
        assert loaded.classes_.tolist() == names["model"].classes_.tolist()
        assert [item["name"] for item in run.model.inputs] == [*rows.columns]


def test_a_torch_module_as_onnx_answers_as_it_does(
    project: Project, cell: Callable[[str], Any]
) -> None:
    assert cell(f"%%mlops run net --format onnx{_NET}").success
    run = runs.get("net")
    assert run.model is not None
    assert (run.model.format, run.model.safe) == ("onnx", True)
    names = cell.shell.user_ns  # type: ignore[attr-defined]
    answers = models.load_model("net")(names["X"].numpy())
    assert np.allclose(answers, names["output"].detach().numpy(), atol=1e-5)


def test_what_cannot_be_onnx_is_kept_as_usual_and_the_line_says_why(
    project: Project, cell: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    source = "from sklearn.neighbors import NearestCentroid\nmodel = NearestCentroid().fit(X, y)"
    assert cell(f"%%mlops run odd --format onnx{_IRIS}{source}").success
    assert "not onnx but skops: skl2onnx does not convert it" in capsys.readouterr().out
    run = runs.get("odd")
    assert run.model is not None
    assert run.model.format == "skops"


def test_answers_that_differ_are_refused() -> None:
    onnx._same("labels", ["a", "b"], ["a", "b"])
    with pytest.raises(formats.NotKept, match="labels differ in 1 of 2 rows"):
        onnx._same("labels", ["a", "b"], ["a", "c"])
    with pytest.raises(formats.NotKept, match="probabilities differ in 1 of 2 rows"):
        onnx._same("probabilities", [[0.5, 0.5], [0.2, 0.8]], [[0.5, 0.5], [0.3, 0.7]])


def test_a_wrong_format_and_a_missing_package_are_one_line_before_anything_runs(
    project: Project,
    cell: Callable[[str], Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cell("%%mlops run case --format onxx\nx = 1")
    assert "onnx" in capsys.readouterr().out
    monkeypatch.setattr(
        format, "find_spec", lambda name: None if name == "skl2onnx" else find_spec(name)
    )
    cell("%%mlops run case --format onnx\nran = 1")
    assert "pip install 'jupyter-mlops[onnx]'" in capsys.readouterr().out
    assert "ran" not in cell.shell.user_ns  # type: ignore[attr-defined]
    assert not [*runs.list(project=project)]


def test_a_pickle_is_kept_only_by_its_name_and_then_refused(
    project: Project, cell: Callable[[str], Any]
) -> None:
    assert cell(f"%%mlops run case --format pickle{_IRIS}{_FOREST}").success
    run = runs.get("case")
    assert run.model is not None
    assert (run.model.format, run.model.safe) == ("pickle", False)
    with pytest.raises(MlopsError, match="--allow-pickle"):
        models.load_model("case")
    assert models.load_model("case", allow_pickle=True).n_estimators == 10
