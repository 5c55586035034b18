"""`run list`, `show`, `compare`, `delete`, and the registry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import runs
from jupyter_mlops.errors import NotFound, UsageError

if TYPE_CHECKING:
    from jupyter_mlops.project import Project

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
    with pytest.raises(UsageError, match="cannot read that filter"):
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


def test_a_deleted_run_is_gone_from_the_list_but_not_lost(
    three: list[str], project: Project
) -> None:
    runs.delete(["a"])
    assert [run.name for run in runs.list()] == ["c", "b"]
    assert runs.open_store(project).client.get_run(three[0]).info.lifecycle_stage == "deleted"


def test_an_unknown_experiment_or_kind_is_one_line(three: list[str]) -> None:
    with pytest.raises(NotFound, match="No experiment 'screenin'"):
        runs.list(experiment="screenin")
    with pytest.raises(UsageError, match="No kind 'jobs'"):
        runs.list(kind="jobs")


def test_a_run_without_a_model_cannot_be_registered(three: list[str]) -> None:
    with pytest.raises(NotFound, match="has no model"):
        runs.register("a")
    with pytest.raises(NotFound, match="No registered model"):
        runs.promote("a")
    assert len(runs.list_models()) == 0
