"""`drift check SERVICE`: what a service was asked, against what its run was trained on."""

from __future__ import annotations

import pandas as pd
import pytest

from jupyter_mlops import drift, runs, services
from jupyter_mlops.errors import MlopsError, NotFound

pytestmark = pytest.mark.filterwarnings(
    "ignore"
)  # MLflow, BentoML and Evidently warn by themselves

CELL = """
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
frame = load_breast_cancer(as_frame=True).frame.iloc[:, [0, 1, 2, 3, -1]]
frame.to_parquet("train.parquet")
train = pd.read_parquet("train.parquet")
X, y = train.drop(columns="target"), train["target"]
model = LogisticRegression(max_iter=5000).fit(X, y)
"""


@pytest.fixture
def screening(project):
    """A service of a real run, built and started."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    with runs.record_cell("forest", CELL, namespace, project=project):
        exec(CELL, namespace)
    services.build("forest", name="screening", project=project)
    services.start("screening", project=project)
    yield namespace["X"]
    services.stop("screening", project=project)


def test_a_services_log_is_compared_with_its_runs_training_data(project, screening):
    with pytest.raises(MlopsError, match="'screening' has logged no predictions yet"):
        drift.check("screening", project=project)
    assert len(runs.list(kind="drift", project=project)) == 0

    moved = screening.assign(**{"mean area": screening["mean area"] * 2})
    services.predict("screening", moved, project=project)
    report = drift.check("screening", project=project)
    assert [column.column for column in report.columns] == list(screening.columns)
    assert {c.column: c.status for c in report.columns if c.drift} == {"mean area": "drift"}
    assert report.reference.startswith("training data of forest (")
    assert (report.current, report.current_rows) == ("predictions of screening", 569)
    expected = drift.compare(screening, moved).columns
    assert [c.score for c in report.columns] == pytest.approx([c.score for c in expected], abs=1e-9)

    assert drift.check("screening", last=100, project=project).current_rows == 100
    listed = drift.history("screening", project=project)
    assert [check.current_rows for check in listed] == [100, 569]

    pd.concat([moved, moved.assign(id=1)]).to_csv("week.csv", index=False)
    of_file = drift.check("screening", current="week.csv", project=project)
    assert of_file.warnings[0] == "Not compared, because the model does not use them: id"
    assert len(of_file.columns) == 4


def test_a_service_that_does_not_exist_is_one_line(project):
    with pytest.raises(NotFound, match="No service 'screenin'"):
        drift.check("screenin", project=project)
