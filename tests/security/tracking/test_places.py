"""A row of the store says where a run's files are; it is followed to no strange host and to no strange folder."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import formats, runs
from jupyter_mlops.tracking import places

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project
    from tests.trials import Trials


def test_a_row_leads_to_no_host_and_no_folder_of_others(
    project: Project,
    listener: tuple[int, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    trials: Trials,
) -> None:
    port, asked = listener
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "the-users-token")
    with runs.start("shared", project=project) as active:
        active.log_text("x", "mlops/cell.py")
    host = f"127.0.0.1:{port}"
    hostile = [
        f"http://{host}/api/2.0/mlflow-artifacts/artifacts/evil", f"https://{host}/x", f"HTTP://{host}/x",
        f"mlflow-artifacts://{host}/x", f"ftp://{host}/x", f"sftp://{host}/x", "s3://evil/x", "gs://evil/x",
        "file:///etc", "/etc", "file://evil/etc", f"file://{project.state}/artifacts/../../../../etc",
        f"{project.state}/../..", "dbfs:/x", "hdfs://evil/x",
    ]  # fmt: skip
    for place in hostile:
        with sqlite3.connect(project.state / "mlflow.db") as database:
            database.execute("UPDATE runs SET artifact_uri = ?", (place,))
            database.execute("UPDATE experiments SET artifact_location = ?", (place,))
        database.close()
        assert runs.get("shared", project=project).artifacts == [], place
        with pytest.raises(places.ForeignPlace):
            runs.artifact("shared", "mlops/cell.py", project=project)
        with (
            pytest.raises(places.ForeignPlace),
            runs.start("mine", experiment="screening", project=project),
        ):
            pytest.fail("it was recorded there")
    assert asked == []
    trials("places for files that a row of the store names", len(hostile), "none asked")


@pytest.mark.parametrize(
    ("settings", "place", "known"),
    [
        ('tracking.uri = "https://mlflow.example.org"', "mlflow-artifacts:/1/a", True),
        ('tracking.uri = "https://mlflow.example.org"', "https://mlflow.example.org/x", True),
        ('tracking.uri = "https://mlflow.example.org"', "https://mlflow.example.org.evil/x", False),
        ('tracking.uri = "https://mlflow.example.org"', "mlflow-artifacts://evil/x", False),
        ('tracking.uri = "https://mlflow.example.org"', "s3://team/x", True),
        ('tracking.uri = "https://mlflow.example.org"', "file:///etc", False),
        ('tracking.uri = "postgresql://host/db"\ndata.remote = "s3://team/data"', "s3://team/data/a", True),
        ('tracking.artifacts = "s3://team/runs"', "s3://team/runs/a", True),
        ('tracking.artifacts = "s3://team/runs"', "s3://team/runs/../../x", False),
        ('tracking.artifacts = "s3://team/runs"', "s3://team/runs-of-others", False),
        ('tracking.uri = "sqlite:////srv/team/mlflow.db"', "/srv/team/artifacts/1", True),
        ('tracking.uri = "sqlite:////srv/team/mlflow.db"', "/srv/other", False),
    ],
)  # fmt: skip
def test_the_places_of_a_team(project: Project, settings: str, place: str, known: bool) -> None:
    (project.root / "mlops.toml").write_text(settings)
    found = type(project).find(project.root)
    if known:
        places.check(found, place)
    else:
        with pytest.raises(places.ForeignPlace):
            places.check(found, place)


def test_a_hostile_mlmodel_is_judged_unsafe(tmp_path: Path, trials: Trials) -> None:
    import os

    bomb = "a: &a [x, x]\n" + "".join(
        f"{c}: &{c} [*{p}, *{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
    )
    texts = [
        "flavors: {onnx: {data: !!int ''}}", "flavors: {onnx: {data: !!float ''}}",
        "flavors: {onnx: {data: !!bool x}}", "flavors: {onnx: {data: !!timestamp x}}",
        f"{bomb}flavors: {{onnx: {{data: *i}}}}", "flavors: {onnx: {data: [1]}}", "flavors: {onnx: {data: 3}}",
        "a: &a {<<: *a}", "[" * 50_000, "\0", "!!python/object/apply:os.system [id]", "flavors: [onnx]", "",
    ]  # fmt: skip
    for number, text in enumerate(texts):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        (folder / "MLmodel").write_text(text)
        assert not formats.judge(folder).safe, text
    folder = tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(folder / "MLmodel")
    assert not formats.judge(folder).safe
    trials("hostile MLmodel files", len(texts) + 1, "none called safe, none hangs")
