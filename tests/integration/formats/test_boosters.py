"""LightGBM and XGBoost: recorded like any estimator, without a pickle, alone or in a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import models, runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
_DATA = """
from sklearn.datasets import load_iris
X, y = load_iris(return_X_y=True, as_frame=True)
"""
BOOSTERS = {
    "lightgbm": ("lightgbm", "from lightgbm import LGBMClassifier as Model\nmodel = Model(n_estimators=5, verbose=-1)"),
    "xgboost": ("xgboost-cpu", "from xgboost import XGBRegressor as Model\nmodel = Model(n_estimators=5)"),
    "searched": (
        "xgboost-cpu",
        ("from sklearn.model_selection import GridSearchCV\nfrom xgboost import XGBClassifier as Model\n"
        "model = GridSearchCV(Model(n_estimators=5), {'max_depth': [2, 3]}, cv=2, scoring='accuracy')"),
    ),
    "piped": (
        "lightgbm",
        ("from sklearn.pipeline import make_pipeline\nfrom sklearn.preprocessing import StandardScaler\n"
        "from lightgbm import LGBMRegressor as Model\n"
        "model = make_pipeline(StandardScaler(), Model(n_estimators=5, verbose=-1))"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BOOSTERS)
def test_a_booster_needs_no_pickle_and_comes_back_as_the_estimator(
    project: Project, cell: Callable[[str], Any], kind: str
) -> None:
    package, source = BOOSTERS[kind]
    assert cell(f"%%mlops run {kind}{_DATA}{source}\nmodel.fit(X, y)").success
    run = runs.get(kind)
    assert run.model is not None
    assert (run.model.flavor, run.model.format, run.model.safe) == ("sklearn", "skops", True)
    assert run.params.get("estimator") or run.params.get("n_estimators") or kind == "piped"
    names = cell.shell.user_ns  # type: ignore[attr-defined]
    loaded = models.load_model(kind)
    assert type(loaded) is type(names["model"])
    assert (loaded.predict(names["X"]) == names["model"].predict(names["X"])).all()
    folder = models.model_files(kind)
    assert f"{package}==" in (folder / "requirements.txt").read_text()
    import mlflow.pyfunc

    answers = mlflow.pyfunc.load_model(str(folder)).predict(names["X"])
    assert (answers == names["model"].predict(names["X"])).all()
