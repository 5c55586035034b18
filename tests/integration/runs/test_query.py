"""`run list`, `show`, `compare`, `delete`, and the registry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import models, runs, workspace
from jupyter_mlops.errors import MlopsError, NotFound, UsageError
from jupyter_mlops.runs import sqlite_list

if TYPE_CHECKING:
    from jupyter_mlops.project import Project
    from jupyter_mlops.runs.records import Run

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def three(project: Project) -> list[str]:
    ids = []
    for name, depth, auc in (("a", 2, 0.7), ("b", 4, 0.9), ("c", 8, 0.8)):
        with runs.start(name, kind="job", params={"depth": depth}, project=project) as run:
            run.log_metrics({"auc": auc})
            ids.append(run.run_id)
    return ids


def test_the_list_is_newest_first_or_by_a_metric(three: list[str]) -> None:
    assert [run.name for run in runs.list()] == ["c", "b", "a"]
    assert [run.name for run in runs.list(sort="auc")] == ["b", "c", "a"]
    assert [run.name for run in runs.list(sort="-auc")] == ["a", "c", "b"]
    assert [run.name for run in runs.list(limit=1)] == ["c"]


def test_the_list_takes_mlflows_filter(three: list[str]) -> None:
    assert [run.name for run in runs.list(filter="params.depth = '4' and metrics.auc > 0.5")] == [
        "b"
    ]
    with pytest.raises(UsageError, match="cannot read the filter"):
        runs.list(filter="depth is 4")


def test_the_list_is_a_frame_and_one_json_list(three: list[str]) -> None:
    listed = runs.list()
    assert list(listed.df["params.depth"]) == ["8", "4", "2"]
    document = json.loads(listed.to_json())
    assert {"run_id", "name", "status", "params", "metrics", "data", "start_time"} <= set(
        document[0]
    )
    assert document[0]["metrics"] == {"auc": 0.8}
    assert "depth" in str(listed)
    assert "<table>" in listed._repr_html_()


def test_a_run_is_found_by_name_id_and_the_start_of_its_id(three: list[str]) -> None:
    assert runs.get("b").run_id == three[1]
    assert runs.get(three[1]).name == "b"
    assert runs.get(three[1][:10]).name == "b"


@pytest.mark.parametrize(
    ("name", "message"), [("bb", "No run 'bb'"), ("f" * 32, "No run fff"), ("'; --", "No run")]
)
def test_an_unknown_run_is_one_line(three: list[str], name: str, message: str) -> None:
    with pytest.raises(NotFound, match=message):
        runs.get(name)


def test_compare_shows_only_differences_metrics_first(three: list[str]) -> None:
    found = runs.compare(["a", "b"])
    assert [(item.what, item.name, item.values) for item in found.differences] == [
        ("metric", "auc", [0.7, 0.9]),
        ("param", "depth", ["2", "4"]),
    ]
    with pytest.raises(UsageError, match="Two runs"):
        runs.compare(["a"])


def test_a_deleted_run_is_gone_from_the_list_until_it_is_restored(
    three: list[str], project: Project
) -> None:
    said = runs.delete(["a", three[0]], yes=True)
    assert f"Undo: %mlops run restore {three[0][:8]}" in said
    assert [run.name for run in runs.list()] == ["c", "b"]
    assert runs.open_store(project).client.get_run(three[0]).info.lifecycle_stage == "deleted"
    with pytest.raises(NotFound, match="No deleted run 'bb'"):
        runs.restore(["bb"])
    runs.restore([three[0][:8]])
    assert [run.name for run in runs.list()] == ["c", "b", "a"]
    with pytest.raises(NotFound, match="No deleted run 'a'"):
        runs.restore(["a"])


def test_delete_asks_in_a_terminal_and_needs_yes_elsewhere(
    three: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"Nothing was deleted.*run delete a --yes"):
        runs.delete(["a"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "n")
    with pytest.raises(MlopsError, match="Nothing was deleted"):
        runs.delete(["a"])
    assert len(runs.list()) == 3
    monkeypatch.setattr("builtins.input", lambda question: "y")
    runs.delete(["a"])
    assert len(runs.list()) == 2


def test_the_list_shows_the_chosen_columns(three: list[str]) -> None:
    chosen = runs.list(columns=["params.depth,auc"])
    assert [title for title in chosen.rows()[0] if title in {"auc", "depth"}] == ["depth", "auc"]
    with pytest.raises(UsageError, match=r"'accc'.*Did you mean 'auc'"):
        runs.list(columns=["accc"])
    with pytest.raises(UsageError, match="at least 1"):
        runs.list(limit=0)


def test_the_embedded_store_is_read_as_mlflow_reads_it(three: list[str], project: Project) -> None:
    from jupyter_mlops.runs import run_list

    store = runs.open_store(project)
    with runs.start("odd", kind="other", experiment="elsewhere", project=project) as run:
        run.log_metrics({"auc": float("nan"), "loss": float("inf"), "tiny": -float("inf")})
        run.set_tags({"note": "x" * 300})
        store.log_data(run.run_id, [("in.csv", "a" * 32, "input"), ("out.csv", "b" * 32, "output")])
    with runs.start("bare", kind="drift", project=project):
        pass
    runs.delete(["c"], yes=True)
    for metric in ("", "auc", "loss", "absent"):
        for ascending in (True, False):
            for kind in ("", "job", "drift"):
                for experiment in ("", "elsewhere"):
                    theirs = run_list._through_mlflow(
                        "", metric, ascending, experiment, kind, 3, store
                    )
                    # Most of the runs are read in another way than a few.
                    for limit in (1, 3):
                        ours = sqlite_list.newest(
                            project, metric, ascending, experiment, kind, limit
                        )
                        assert ours is not None
                        assert [*map(_plain, ours)] == [*map(_plain, theirs[:limit])]
    assert runs.list(experiment="elsewhere")[0].run_id == runs.get("odd").run_id


def _plain(run: Run) -> str:
    """Return every field; NaN as text, because it equals nothing."""
    return repr(run.model_dump() | {"data": sorted(map(repr, run.data))})


def test_a_store_of_another_schema_is_left_to_mlflow(project: Project) -> None:
    import sqlite3

    assert sqlite_list.newest(project, "", False, "", "", 5) == []
    with sqlite3.connect(project.state / "mlflow.db") as database:
        database.execute("ALTER TABLE latest_metrics RENAME TO newest_metrics")
    database.close()
    assert sqlite_list.newest(project, "auc", False, "", "", 5) is None


def test_statistics_are_renewed_as_the_store_grows(project: Project) -> None:
    import sqlite3

    database = sqlite3.connect(project.state / "mlflow.db")
    with database:
        database.executemany(
            "INSERT INTO runs (run_uuid, name, status, start_time, lifecycle_stage, experiment_id, source_type)"
            " VALUES (?, 'r', 'FINISHED', 1, 'active', 0, 'JOB')",
            [(f"{i:032x}",) for i in range(1200)],
        )
    sqlite_list.refresh_statistics(project)
    assert database.execute("SELECT stat FROM sqlite_stat1 WHERE tbl = 'runs'").fetchall()
    database.close()
    assert len(runs.list(limit=2000, project=project)) == 1200


def test_compare_shows_code_packages_and_curves(project: Project) -> None:
    for name, rate, version in (("slow", 0.1, "1.0"), ("fast", 0.5, "2.0")):
        with runs.start(name, project=project) as run:
            run.log_text(f"rate = {rate}\nprint('<b>')\n", "mlops/cell.py")
            run.log_dict({"packages": {"numpy": version, "pandas": "2"}}, "mlops/manifest.json")
            for step in range(5):
                run.store.client.log_metric(run.run_id, "loss", 1 / (1 + rate * step), step=step)
    found = runs.compare(["slow", "fast"])
    assert [(item.what, item.name) for item in found.differences] == [
        ("metric", "loss"), ("code", "cell"), ("package", "numpy"),
    ]  # fmt: skip
    assert "-rate = 0.1" in found.code
    assert "+rate = 0.5" in found.code
    assert [curve.metric for curve in found.curves] == ["loss"]
    assert [len(line) for line in found.curves[0].lines] == [5, 5]
    html = found._repr_html_()
    assert '<span style="color: #2e9e4f">+rate = 0.5</span>' in html
    assert "data:image/svg+xml;base64," in html
    assert "<svg" not in html
    assert "<b>" not in html
    assert "loss by step" in str(found)
    document = json.loads(found.to_json())
    assert {"runs", "names", "differences", "same", "data", "code", "curves"} == set(document)
    with pytest.raises(UsageError, match="That is one run, slow"):
        runs.compare(["slow", runs.get("slow").run_id])


def test_an_unknown_experiment_or_kind_is_one_line(three: list[str]) -> None:
    with pytest.raises(NotFound, match="No experiment 'screenin'"):
        runs.list(experiment="screenin")
    with pytest.raises(UsageError, match="No kind 'jobs'"):
        runs.list(kind="jobs")


def test_a_run_without_a_model_cannot_be_registered(three: list[str]) -> None:
    with pytest.raises(NotFound, match="has no model"):
        models.register("a")
    with pytest.raises(NotFound, match="No registered model"):
        models.promote("a")
    assert len(models.list()) == 0


def test_status_counts_what_the_list_holds(
    three: list[str], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.delete([three[0]], yes=True)
    assert workspace.status().runs == len(runs.list()) == 2
    monkeypatch.setattr(sqlite_list, "count", lambda project: None)  # as for a team's store
    assert workspace.status().runs == 2
