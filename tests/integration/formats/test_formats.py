"""Models are stored so that they load without running code, and MLflow itself reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import formats, models, runs
from jupyter_mlops.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
MODELS = {
    "forest": "from sklearn.ensemble import RandomForestClassifier as Model",
    "boosted": "from sklearn.ensemble import HistGradientBoostingClassifier as Model",
    "neighbours": "from sklearn.neighbors import KNeighborsClassifier as Model",
    "network": "from sklearn.neural_network import MLPClassifier as Model",
    "support": "from sklearn.svm import SVC as Model",
    "pipeline": "from sklearn.pipeline import make_pipeline\n"
    "from sklearn.preprocessing import StandardScaler\n"
    "from sklearn.linear_model import LogisticRegression\n"
    "Model = lambda: make_pipeline(StandardScaler(), LogisticRegression())",
}


@pytest.mark.parametrize("kind", MODELS)
def test_library_models_need_no_pickle_and_mlflow_reads_them(
    project: Project, cell: Callable[[str], Any], kind: str
) -> None:
    cell(
        f"%%mlops run {kind}\n{MODELS[kind]}\nimport pandas as pd\n"
        "from sklearn.datasets import load_iris\n"
        "X, y = load_iris(return_X_y=True, as_frame=True)\n"
        "model = Model().fit(X, y)"
    )
    run = runs.get(kind)
    assert run.model is not None
    assert (run.model.format, run.model.safe) == ("skops", True)
    names = cell.shell.user_ns  # type: ignore[attr-defined]
    expected = names["model"].predict(names["X"])
    assert (models.load_model(kind).predict(names["X"]) == expected).all()
    import mlflow.pyfunc
    import mlflow.sklearn

    folder = str(models.model_files(kind))
    assert (mlflow.sklearn.load_model(folder).predict(names["X"]) == expected).all()
    assert (mlflow.pyfunc.load_model(folder).predict(names["X"]) == expected).all()


def test_a_file_with_a_type_that_is_not_trusted_is_not_loaded(
    project: Project, tmp_path: Any
) -> None:
    import os

    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    skops.io.dump(FunctionTransformer(func=os.system).fit([[1]]), tmp_path / "model.skops")
    with pytest.raises(MlopsError, match="not on the trusted list"):
        formats.load(tmp_path, "skops", allow_pickle=False)
