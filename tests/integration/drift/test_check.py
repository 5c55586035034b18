"""`drift check` compares tables, files and runs; each check is a run that history lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_mlops import drift, runs
from jupyter_mlops.errors import MlopsError, NotAProject, NotFound, UsageError
from jupyter_mlops.magics.verbs.drift import NOUN
from jupyter_mlops.project import Project

# MLflow's store asks SQLAlchemy for a loader that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")


@pytest.fixture
def tables(tmp_path, monkeypatch) -> dict[str, pd.DataFrame]:
    """Two tables as files of every kind, in a folder that is no project."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "plain"
    folder.mkdir()
    monkeypatch.chdir(folder)
    old = pd.DataFrame({"age": rng.normal(50, 9, 400), "town": rng.choice(["Bonn", "Graz"], 400)})
    new = pd.DataFrame({"age": rng.normal(60, 9, 300), "town": rng.choice(["Bonn", "Graz"], 300)})
    for name, frame in (("old", old), ("new", new)):
        frame.to_parquet(f"{name}.parquet")
        frame.to_csv(f"{name}.csv", index=False)
        frame.to_json(f"{name}.json", orient="records", double_precision=15)
        frame.to_json(f"{name}.jsonl", orient="records", lines=True, double_precision=15)
        frame.to_feather(f"{name}.feather")
    return {"old": old, "new": new}


@pytest.mark.parametrize("kind", ["parquet", "csv", "json", "jsonl", "feather"])
def test_two_files_of_any_kind_are_compared_without_a_project(tables, kind):
    report = drift.check(reference="old.parquet", current=f"new.{kind}")
    expected = drift.compare(tables["old"], tables["new"])
    assert [(c.column, c.status, c.method) for c in report.columns] == [
        (c.column, c.status, c.method) for c in expected.columns
    ]
    for ours, theirs in zip(report.columns, expected.columns, strict=True):
        assert ours.score == pytest.approx(theirs.score, abs=1e-9)
    assert report.run_id == ""
    assert (report.reference, report.current) == ("old.parquet", f"new.{kind}")
    assert (report.reference_rows, report.current_rows) == (400, 300)


def test_tables_in_memory_are_compared_and_last_takes_the_newest_rows(tables):
    report = drift.check(reference=tables["old"], current=tables["new"], last=50)
    assert report.current_rows == 50


def test_json_of_a_report_has_the_fields_that_scripts_read(tables):
    report = drift.check(reference="old.csv", current="new.csv")
    document = json.loads(report.to_json())
    assert {"column", "method", "score", "threshold", "drift", "status"} <= set(
        document["columns"][0]
    )
    assert document["verdict"] == "drift"


def test_a_check_is_a_run_that_history_lists_and_show_brings_back(project, tables):
    done = drift.check(reference="old.parquet", current="new.parquet", project=project)
    detail = runs.get(done.run_id, project=project)
    assert (detail.kind, detail.status, detail.name) == ("drift", "finished", "drift new.parquet")
    assert detail.metrics["share"] == done.share == 0.5
    assert detail.metrics["score/age"] == done.columns[0].score
    assert detail.tags["mlops.verdict"] == "drift"

    calm = drift.check(reference="old.parquet", current="old.csv", project=project)
    listed = drift.history(project=project)
    assert [(check.run_id, check.verdict) for check in listed] == [
        (calm.run_id, "no drift"),
        (done.run_id, "drift"),
    ]
    assert listed[1].row()["drifted"] == "1 of 2"
    assert listed[1].current_rows == 300
    assert drift.show(done.run_id[:8], project=project) == done
    assert len(drift.history(limit=1, project=project)) == 1


def test_record_false_leaves_no_run(project, tables):
    drift.check(reference="old.csv", current="new.csv", record=False, project=project)
    listed = drift.history(project=project)
    assert len(listed) == 0
    assert "drift check" in str(listed)


def test_the_share_of_mlops_toml_decides(project, tables):
    settings = project.root / "mlops.toml"
    settings.write_text(f"{settings.read_text()}\n[drift]\nshare = 0.6\n")
    report = drift.check(
        reference="old.csv", current="new.csv", record=False, project=Project.find(project.root)
    )
    assert (report.verdict, report.share, report.threshold) == ("no drift", 0.5, 0.6)


def record_run(project: Project, tables: dict[str, pd.DataFrame]) -> str:
    with runs.start("forest", kind="cell", project=project) as active:
        tables["old"].to_parquet("reference.parquet")
        active.log_artifact("reference.parquet", "mlops")
    return active.run_id


def test_a_file_is_compared_with_what_a_run_was_trained_on(project, tables):
    run_id = record_run(project, tables)
    report = drift.check(run="forest", current="new.csv", project=project)
    assert report.reference == f"training data of forest ({run_id[:8]})"
    assert report.verdict == "drift"


def test_whole_numbers_of_a_csv_are_compared_as_the_floats_they_were_trained_as(project, tables):
    tables["old"]["age"] = np.round(tables["old"]["age"])
    record_run(project, tables)
    pd.DataFrame({"age": [50, 51, 52] * 9, "town": ["Bonn"] * 27}).to_csv("few.csv", index=False)
    report = drift.check(run="forest", current="few.csv", project=project)
    assert report.columns[0].method == "K-S p_value"


@pytest.mark.filterwarnings("ignore")
def test_html_writes_evidentlys_own_report_with_names_that_cannot_end_its_script(tables):
    hostile = "</script><script>alert(1)</script>"
    for frame in tables.values():
        frame[hostile] = frame["age"]
        frame["empty"] = np.nan
    report = drift.check(
        reference=tables["old"], current=tables["new"], html="evidently.html", record=False
    )
    page = Path("evidently.html").read_text(encoding="utf-8")
    assert len(page) > 100_000
    assert "<script>alert(1)" not in page
    assert {column.column for column in report.columns} == {"age", "town", hostile, "empty"}


BOTH = {"reference": "old.csv", "current": "new.csv"}


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        (
            {},
            UsageError,
            "Nothing to compare. Type: %mlops drift check SERVICE, or %mlops drift check --ref",
        ),
        ({"reference": "old.csv"}, UsageError, "no current data to compare. Add: --current FILE"),
        (
            {"current": "new.csv"},
            UsageError,
            "no reference to compare with. Type: %mlops drift check",
        ),
        (BOTH | {"run": "forest"}, UsageError, "Leave one of them out"),
        (BOTH | {"last": -1}, UsageError, "--last must be"),
        (BOTH | {"current": "no.csv"}, NotFound, "No file no.csv. Check the path"),
        (BOTH | {"reference": "."}, MlopsError, "is a folder. Name a file"),
        (BOTH | {"current": "torn.parquet"}, MlopsError, "cannot be read as .parquet"),
        (BOTH | {"current": "empty.csv"}, MlopsError, "cannot be read as .csv"),
        (BOTH | {"current": "rows.csv"}, MlopsError, "rows.csv has no rows"),
        (BOTH | {"current": "other.csv"}, MlopsError, "have no column in common"),
        (BOTH | {"current": "notes.txt"}, MlopsError, "notes.txt: .txt cannot be read"),
        (BOTH | {"html": "."}, MlopsError, "is a folder"),
        (BOTH | {"html": "no/a.html"}, NotFound, "No folder no"),
        ({"service": "screening"}, NotAProject, "Type: %mlops init"),
        ({"run": "forest", "current": "new.csv"}, NotAProject, "Type: %mlops init"),
    ],
)
def test_a_check_that_cannot_be_made_says_in_one_line_what_to_type(tables, arguments, kind, says):
    for name, content in {
        "torn.parquet": "PAR1 torn",
        "empty.csv": "",
        "rows.csv": "age,town\n",
        "other.csv": "height\n1\n",
        "notes.txt": "age",
    }.items():
        Path(name).write_text(content, encoding="utf-8")
    with pytest.raises(kind) as caught:
        drift.check(**arguments)
    line = str(caught.value)
    assert says in line
    assert "\n" not in line


def test_a_mistake_records_nothing(project, tables):
    wrong: list[dict[str, Any]] = [
        {"reference": "old.csv", "current": "no.csv"},
        {"service": "nowhere"},
    ]
    for arguments in wrong:
        with pytest.raises(MlopsError):
            drift.check(**arguments, project=project)
    assert len(runs.list(kind="drift", project=project)) == 0


def test_a_project_that_cannot_be_read_is_an_error_even_for_two_files(tables):
    Path("mlops.toml").write_text("[drift\n", encoding="utf-8")
    with pytest.raises(NotAProject, match="cannot be read"):
        drift.check(reference="old.csv", current="new.csv")


def test_history_and_show_refuse_what_they_cannot_find(project, tables):
    record_run(project, tables)
    with pytest.raises(NotFound, match="is not a drift check"):
        drift.show("forest", project=project)
    with pytest.raises(NotFound):
        drift.show("nothing", project=project)
    with pytest.raises(UsageError, match="--limit must be at least 1"):
        drift.history(limit=0, project=project)
    with pytest.raises(NotFound, match="No service x'y"):
        drift.history("x'y", project=project)
    assert "No checks of 'screening' yet" in str(drift.history("screening", project=project))


def test_every_verb_of_the_table_is_a_function_with_those_parameters():
    import inspect

    for verb in NOUN.verbs:
        parameters = inspect.signature(verb.load()).parameters
        assert {arg.name for arg in verb.args} <= set(parameters)
        assert "project" in parameters
    assert NOUN.bare == "history"
