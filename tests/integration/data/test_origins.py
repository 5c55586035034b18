"""Data from elsewhere: fetched into the project, versioned there, its origin kept as DVC keeps it."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from jupyter_mlops import data
from jupyter_mlops.data import origins
from jupyter_mlops.errors import BackendFailed, Conflict, MlopsError, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_mlops.project import Project

DVC = Path(sys.executable).with_name("dvc")
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    (folder / "images").mkdir(parents=True)
    (folder / "train.csv").write_text("a,b\n1,2\n")
    for index in range(3):
        (folder / "images" / f"{index}.txt").write_text(f"picture {index}")
    return folder


@pytest.fixture
def web(elsewhere: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(_Quiet, directory=str(elsewhere))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, elsewhere: Path) -> Iterator[str]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="elsewhere")
    for path in elsewhere.rglob("*"):
        if path.is_file():
            client.upload_file(str(path), "elsewhere", path.relative_to(elsewhere).as_posix())
    yield "s3://elsewhere"
    server.stop()


def _dvc_file(project: Project, name: str) -> dict[str, object]:
    content = yaml.safe_load((project.root / f"{name}.dvc").read_text())
    assert isinstance(content, dict)
    return content


def _dvc(project: Project, *words: str) -> str:
    done = subprocess.run(
        [DVC, *words], cwd=project.root, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("kind", ["web", "bucket", "elsewhere"])
def test_what_is_added_is_what_dvc_import_url_would_have_written(
    project: Project, kind: str, request: pytest.FixtureRequest
) -> None:
    source = f"{request.getfixturevalue(kind)}/train.csv"
    (added,) = data.add([source], to="data/", project=project)
    assert (added.path, added.status, added.origin) == ("data/train.csv", "ok", source)
    assert (project.root / "data" / "train.csv").read_text() == "a,b\n1,2\n"
    _dvc(project, "import-url", source, "theirs.csv")
    theirs, ours = _dvc_file(project, "theirs.csv"), _dvc_file(project, "data/train.csv")
    assert ours["deps"] == theirs["deps"]
    assert ours["frozen"] is theirs["frozen"] is True
    same_name = Path("data/again")
    same_name.mkdir()
    _dvc(project, "import-url", source, str(same_name / "train.csv"))
    assert ours == _dvc_file(project, "data/again/train.csv")
    assert "up to date" in _dvc(project, "status")


@pytest.mark.parametrize("kind", ["bucket", "elsewhere"])
def test_a_folder_from_elsewhere_is_one_version(
    project: Project, kind: str, request: pytest.FixtureRequest
) -> None:
    source = f"{request.getfixturevalue(kind)}/images"
    (added,) = data.add([source], project=project)
    assert (added.path, added.files) == ("images", 3)
    assert sorted(path.name for path in (project.root / "images").iterdir()) == [
        "0.txt",
        "1.txt",
        "2.txt",
    ]
    assert "up to date" in _dvc(project, "status")


def test_added_again_it_is_fetched_again_and_dvc_update_does_the_same(
    project: Project, web: str, elsewhere: Path
) -> None:
    data.add([f"{web}/train.csv"], project=project)
    (elsewhere / "train.csv").write_text("a,b\n1,2\n3,4\n")
    (second,) = data.add([f"{web}/train.csv"], project=project)
    assert (project.root / "train.csv").read_text() == "a,b\n1,2\n3,4\n"
    (elsewhere / "train.csv").write_text("a,b\n5,6\n")
    os.utime(elsewhere / "train.csv", (1, 1))
    _dvc(project, "update", "train.csv.dvc")
    assert (project.root / "train.csv").read_text() == "a,b\n5,6\n"
    (third,) = data.list(project=project)
    assert third.version != second.version
    assert third.origin == f"{web}/train.csv"


def test_what_was_changed_here_is_not_overwritten_and_no_longer_from_there(
    project: Project, web: str
) -> None:
    data.add([f"{web}/train.csv"], project=project)
    (project.root / "train.csv").write_text("mine\n")
    with pytest.raises(Conflict, match=r"train.csv exists already"):
        data.add([f"{web}/train.csv"], project=project)
    assert (project.root / "train.csv").read_text() == "mine\n"
    (mine,) = data.add(["train.csv"], project=project)
    assert mine.origin == ""
    assert {*_dvc_file(project, "train.csv")} == {"outs"}


@pytest.mark.parametrize(
    ("source", "to", "message"),
    [
        ("{web}/nothing.csv", "", "There is nothing at"),
        ("{web}/", "", "names no file"),
        ("http://127.0.0.1:9/train.csv", "", "does not answer"),
        ("gs://bucket/train.csv", "", "pip install dvc-gs"),
        ("nonsense://x/y.csv", "", "DVC cannot read|not installed"),
        ("https://me:secret-word@example.org/t.csv", "", "contains a password"),
        ("{web}/train.csv", "../../out.csv", "outside the project"),
        ("{here}", "copy.csv", "is in the project"),
    ],
)
def test_what_cannot_be_fetched_is_one_line_and_leaves_nothing(
    project: Project, web: str, source: str, to: str, message: str
) -> None:
    (project.root / "here.csv").write_text("x\n")
    before = sorted(path for path in project.root.rglob("*") if ".dvc/" not in str(path))
    with pytest.raises(MlopsError, match=message) as failed:
        data.add([source.format(web=web, here="here.csv")], to=to, project=project)
    assert "\n" not in str(failed.value)
    assert "secret-word" not in str(failed.value)
    assert isinstance(failed.value, (NotFound, BackendFailed, UsageError, MlopsError))
    after = sorted(path for path in project.root.rglob("*") if ".dvc/" not in str(path))
    assert [path for path in after if path not in before and ".mlops" not in str(path)] == []


def test_a_file_that_git_keeps_is_not_replaced(project: Project, web: str) -> None:
    (project.root / "train.csv").write_text("kept by git\n")
    subprocess.run(["git", "add", "train.csv"], check=True)
    with pytest.raises(Conflict, match="git tracks train"):
        data.add([f"{web}/train.csv"], project=project)


def test_a_link_out_of_the_project_says_how_to_keep_a_copy(
    project: Project, elsewhere: Path
) -> None:
    (project.root / "link.csv").symlink_to(elsewhere / "train.csv")
    with pytest.raises(MlopsError, match="leads out of the project"):
        data.add(["link.csv"], project=project)


def test_a_source_that_breaks_off_leaves_nothing_half_fetched(
    project: Project, web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(scratch: Path, target: Path) -> None:
        assert scratch.exists()
        raise ConnectionResetError("connection was closed")

    monkeypatch.setattr(origins, "_settle", broken)
    with pytest.raises(BackendFailed, match="does not answer"):
        data.add([f"{web}/train.csv"], project=project)
    assert not [path for path in project.root.iterdir() if "train" in path.name]
