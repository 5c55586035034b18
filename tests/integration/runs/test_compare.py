"""`run compare`: what changed in the data and the code that two runs used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from jupyter_mlops import data, runs
from jupyter_mlops.project import Project
from jupyter_mlops.runs.capsules import snapshot
from jupyter_mlops.runs.comparison import file_changes, metric_history

if TYPE_CHECKING:
    from jupyter_mlops.runs.comparison.records import Comparison

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def record(project: Project, name: str, reads: dict[str, pd.DataFrame], code: str = "") -> str:
    """Record a run that read these tables, and the code as it then stands."""
    Path("features.py").write_text(code)
    with runs.start(name, project=project) as run:
        uses = []
        for path, table in reads.items():
            table.to_csv(path, index=False)
            uses.append((path, data.version(path, project=project).version, "input"))
        run.store.log_data(run.run_id, uses)
        snapshot.take(project).keep(project, run.run_id)
        return run.run_id


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame({"age": np.arange(400.0), "ward": [*"ab"] * 200})


@pytest.fixture
def moved(project: Project, table: pd.DataFrame) -> Comparison:
    record(project, "may", {"people.csv": table}, "def scaled(x):\n    return x / x.max()\n")
    later = pd.concat([table.iloc[3:], table.assign(age=table.age + 300).iloc[:250]])
    code = "def scaled(x):\n    return x / x.std()\n"
    record(project, "june", {"people.csv": later.assign(dose=1)}, code)
    record(project, "july", {"people.csv": later.assign(dose=1)}, code)
    return runs.compare(["may", "june", "july"])


def test_compare_says_what_became_of_the_rows_and_columns(moved: Comparison) -> None:
    (change,) = moved.data
    assert change.runs == moved.runs[1:]
    assert change.diff is not None
    assert (change.diff.rows_added, change.diff.rows_removed) == (250, 3)
    by_name = {item.column: item for item in change.diff.columns}
    assert by_name["age"].change == "moved"
    assert by_name["dose"].change == "added"
    for shown in (str(moved), moved._repr_html_()):
        assert "people.csv (may → june, july)" in shown
        assert "250 added, 3 removed" in shown
        assert change.command in shown
    # What it says to type is what it did.
    in_full = data.diff(*change.command.split()[2:])
    assert in_full.columns == change.diff.columns


def test_compare_shows_the_projects_code_as_it_stood(moved: Comparison) -> None:
    notes = {item.name: item.values for item in moved.differences if item.what == "code"}
    assert notes == {"features.py": [None, "+1 −1 lines", "+1 −1 lines"]}
    assert "+    return x / x.std()" in moved.code
    assert "features.py, may" in moved.code


def test_a_comparison_is_a_frame(moved: Comparison) -> None:
    frame = moved.df
    assert list(frame.columns) == ["what", "name", *moved.titles]
    assert set(frame["name"]) >= {"features.py", "people.csv"}


def test_a_table_under_another_name_is_compared_too(project: Project, table: pd.DataFrame) -> None:
    record(project, "old", {"may.csv": table})
    record(project, "new", {"june.csv": table.iloc[100:]})
    (change,) = runs.compare(["old", "new"]).data
    assert change.path == "may.csv → june.csv"
    assert change.diff is not None
    assert change.diff.rows_removed == 100


def test_a_version_that_is_not_here_is_said_and_not_fetched(
    project: Project, table: pd.DataFrame
) -> None:
    record(project, "here", {"people.csv": table})
    with runs.start("gone", project=project) as run:
        run.store.log_data(run.run_id, [("people.csv", "0123456789abcdef" * 2, "input")])
    compared = runs.compare(["here", "gone"])
    (change,) = compared.data
    assert change.diff is None
    assert "01234567 is not in the cache" in str(compared)
    assert "%mlops data pull" in compared._repr_html_()


def test_large_tables_are_sampled_and_larger_ones_left_out_and_it_says_so(
    project: Project, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(project, "old", {"people.csv": table})
    record(project, "new", {"people.csv": table.iloc[100:]})
    monkeypatch.setattr(file_changes, "_MEMORY_FOR_WHOLE", 5_000)
    sampled = runs.compare(["old", "new"])
    assert "would take long: compared on one row in" in str(sampled)
    monkeypatch.setattr(file_changes, "_LARGEST_PAIR", 1_000)
    left_out = runs.compare(["old", "new"])
    assert "Not compared here" in str(left_out)
    assert "in full: data diff people.csv@" in str(left_out)


def test_metrics_show_the_digits_in_which_they_differ(project: Project) -> None:
    for name, accuracy in (("a", 0.912341), ("b", 0.912342)):
        with runs.start(name, project=project) as run:
            run.log_metrics({"accuracy": accuracy})
    shown = str(runs.compare(["a", "b"]))
    assert "0.912341" in shown
    assert "0.912342" in shown
    assert "+1e-06" in shown


def test_what_a_cell_logged_by_its_steps_is_not_logged_again(cell: Any) -> None:
    source = "%%mlops run walk\nimport mlflow\nfor step in range(3):\n    loss = 1.0 - step / 4\n"
    assert cell(f"{source}    mlflow.log_metric('loss', loss, step=step)\nscore = loss * 2").success
    walk = runs.get("walk")
    assert walk.metrics == {"loss": 0.5, "score": 1.0}
    (curve,) = metric_history.read(runs.open_store(Project.find()), [walk])
    assert curve.lines == [[(0, 1.0), (1, 0.75), (2, 0.5)]]
