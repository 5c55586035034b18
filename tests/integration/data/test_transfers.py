"""Versions to and from remotes: a local folder, and S3 as moto's server speaks it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from moto.server import ThreadedMotoServer

from jupyter_mlops import data, trust
from jupyter_mlops.errors import BackendFailed, Conflict, MlopsError, NotFound
from jupyter_mlops.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

DVC = Path(sys.executable).with_name("dvc")
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


@pytest.fixture(scope="module")
def _server() -> Iterator[str]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", _server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = f"bucket-{abs(hash(str(tmp_path))) % 10**8}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return f"s3://{bucket}/data"


@pytest.fixture
def versioned(project: Project) -> Project:
    (project.root / "train.csv").write_text("a,b\n1,2\n")
    for index in range(3):
        path = project.root / "images" / f"{index}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"picture {index}")
    data.add(["train.csv", "images"], project=project)
    return project


def _with_remote(project: Project, url: str) -> Project:
    (project.root / "mlops.toml").write_text(f'[data]\nremote = "{url}"\n')
    return Project.find(project.root)


def _clone(project: Project, to: Path) -> Project:
    for words in (["add", "-A"], ["commit", "-q", "-m", "data"]):
        subprocess.run(["git", *words], check=True, cwd=project.root)
    subprocess.run(["git", "clone", "-q", str(project.root), str(to)], check=True)
    trust.grant(to, "trust")
    return Project.find(to)


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_what_was_pushed_plain_dvc_pulls_in_a_clone(
    versioned: Project, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    url = str(tmp_path / "remote") if kind == "folder" else request.getfixturevalue("s3")
    project = _with_remote(versioned, url)
    pushed = data.push(project=project)
    assert {(item.path, item.status, item.objects) for item in pushed} == {
        ("train.csv", "pushed", 1),
        ("images", "pushed", 4),
    }
    assert {item.status for item in data.push(project=project)} == {"up to date"}
    clone = _clone(project, tmp_path / "clone")
    subprocess.run([DVC, "pull", "--quiet"], check=True, cwd=clone.root)
    assert (clone.root / "train.csv").read_text() == "a,b\n1,2\n"
    assert (clone.root / "images" / "2.txt").read_text() == "picture 2"


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_our_pull_brings_the_files_into_a_clone(
    versioned: Project, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    url = str(tmp_path / "remote") if kind == "folder" else request.getfixturevalue("s3")
    project = _with_remote(versioned, url)
    data.push(project=project)
    clone = _clone(project, tmp_path / "clone")
    (one,) = data.pull(["images"], project=clone)
    assert (one.status, one.objects) == ("pulled", 4)
    assert (clone.root / "images" / "0.txt").read_text() == "picture 0"
    assert not (clone.root / "train.csv").exists()
    data.pull(project=clone)
    assert [item.status for item in data.list(project=clone)] == ["ok", "ok"]


def test_what_dvc_pushed_we_pull(versioned: Project, tmp_path: Path) -> None:
    project = _with_remote(versioned, str(tmp_path / "remote"))
    data.push(["train.csv"], project=project)
    subprocess.run([DVC, "push", "--quiet"], check=True, cwd=project.root)
    clone = _clone(project, tmp_path / "clone")
    data.pull(project=clone)
    assert (clone.root / "images" / "1.txt").read_text() == "picture 1"


def test_a_remote_may_be_named_for_one_push(versioned: Project, tmp_path: Path) -> None:
    data.push(["train.csv"], remote=str(tmp_path / "once"), project=versioned)
    assert len([item for item in (tmp_path / "once").rglob("*") if item.is_file()]) == 1
    assert "once" not in (versioned.root / ".dvc" / "config").read_text()
    with pytest.raises(NotFound, match="DVC has no remote 'twice'"):
        data.push(remote="twice", project=versioned)


def test_without_a_remote_the_line_says_where_to_write_one(versioned: Project) -> None:
    with pytest.raises(MlopsError, match=r"No remote is configured.*mlops\.toml, under \[data\]"):
        data.push(project=versioned)


def test_a_remote_that_does_not_answer_is_one_line(
    versioned: Project, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(BackendFailed, match="does not answer"):
        data.push(["train.csv"], remote=s3, project=versioned)


def test_a_bucket_that_is_not_there_is_named(versioned: Project, s3: str) -> None:
    with pytest.raises(BackendFailed, match="s3://absent-bucket/x names a bucket that does not"):
        data.push(["train.csv"], remote="s3://absent-bucket/x", project=versioned)


def test_missing_credentials_are_said(
    versioned: Project, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    # Else botocore asks a cloud machine's own address, and waits.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(BackendFailed, match=r"needs credentials.*AWS_ACCESS_KEY_ID"):
        data.push(["train.csv"], remote=s3, project=versioned)


def test_a_folder_that_cannot_be_written_is_one_line(versioned: Project, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BackendFailed, match=r"The remote .* failed"):
        data.push(["train.csv"], remote=str(tmp_path / "file"), project=versioned)


def test_a_damaged_object_never_leaves(versioned: Project, tmp_path: Path) -> None:
    project = _with_remote(versioned, str(tmp_path / "remote"))
    version = next(item.version for item in data.list(project=project) if item.files == 1)
    stored = data.cached(version, project=project)
    stored.chmod(0o644)
    stored.write_text("damaged")
    stored.chmod(0o444)
    with pytest.raises(BackendFailed, match="is damaged"):
        data.push(["train.csv"], project=project)
    assert not [item for item in (tmp_path / "remote").rglob("*") if item.is_file()]


def test_a_version_that_is_not_in_the_cache_cannot_be_pushed(
    versioned: Project, tmp_path: Path
) -> None:
    project = _with_remote(versioned, str(tmp_path / "remote"))
    version = next(item.version for item in data.list(project=project) if item.files == 1)
    data.cached(version, project=project).unlink()
    with pytest.raises(NotFound, match=r"of train\.csv is not complete.*mlops data add train\.csv"):
        data.push(project=project)


def test_a_damaged_cached_object_is_fetched_again(versioned: Project, tmp_path: Path) -> None:
    project = _with_remote(versioned, str(tmp_path / "remote"))
    data.push(project=project)
    version = next(item.version for item in data.list(project=project) if item.files == 1)
    stored = data.cached(version, project=project)
    stored.chmod(0o644)
    stored.write_text("damaged")
    (project.root / "train.csv").unlink()
    data.pull(["train.csv"], project=project)
    assert (project.root / "train.csv").read_text() == "a,b\n1,2\n"


def test_a_damaged_remote_object_is_refused(versioned: Project, tmp_path: Path) -> None:
    project = _with_remote(versioned, str(tmp_path / "remote"))
    data.push(["train.csv"], project=project)
    (remote,) = [item for item in (tmp_path / "remote").rglob("*") if item.is_file()]
    remote.chmod(0o644)
    remote.write_text("damaged")
    remote.chmod(0o444)
    clone = _clone(project, tmp_path / "clone")
    with pytest.raises(BackendFailed, match="has a damaged copy"):
        data.pull(["train.csv"], project=clone)
    assert not (clone.root / "train.csv").exists()


def test_pull_says_what_the_remote_lacks(versioned: Project, tmp_path: Path) -> None:
    project = _with_remote(versioned, str(tmp_path / "remote"))
    data.push(["train.csv"], project=project)
    clone = _clone(project, tmp_path / "clone")
    with pytest.raises(NotFound, match=r"does not have all of version .* of images"):
        data.pull(project=clone)


def test_pull_never_overwrites_what_no_version_holds(versioned: Project, tmp_path: Path) -> None:
    project = _with_remote(versioned, str(tmp_path / "remote"))
    data.push(project=project)
    (project.root / "train.csv").write_text("mine\n")
    with pytest.raises(Conflict, match="are in no version"):
        data.pull(project=project)
    assert (project.root / "train.csv").read_text() == "mine\n"
    data.pull(force=True, project=project)
    assert (project.root / "train.csv").read_text() == "a,b\n1,2\n"


def test_two_files_of_one_content_both_come_back(versioned: Project, tmp_path: Path) -> None:
    project = _with_remote(versioned, str(tmp_path / "remote"))
    (project.root / "copy.csv").write_text("a,b\n1,2\n")
    data.add(["copy.csv"], project=project)
    data.push(project=project)
    clone = _clone(project, tmp_path / "clone")
    data.pull(["train.csv", "copy.csv"], project=clone)
    assert (clone.root / "train.csv").read_text() == (clone.root / "copy.csv").read_text()


def test_versions_that_only_runs_know_are_pushed_when_asked(
    versioned: Project, tmp_path: Path
) -> None:
    from jupyter_mlops import runs

    (versioned.root / "seen.csv").write_text("x\n1\n")
    with runs.record_cell("reads", "open('seen.csv').read()", {}, project=versioned):
        Path("seen.csv").read_text()
    remote = str(tmp_path / "remote")
    data.push(remote=remote, project=versioned)
    plain = {item for item in Path(remote).rglob("*") if item.is_file()}
    pushed = data.push(remote=remote, runs=True, project=versioned)
    assert "seen.csv" in {item.path for item in pushed if item.status == "pushed"}
    assert len({item for item in Path(remote).rglob("*") if item.is_file()} - plain) == 1


def test_the_projects_remote_may_be_one_that_dvc_knows_by_name(
    versioned: Project, tmp_path: Path
) -> None:
    words = [str(DVC), "remote", "add", "--quiet", "lab", str(tmp_path / "lab")]
    subprocess.run(words, check=True, cwd=versioned.root)
    data.push(["train.csv"], project=_with_remote(versioned, "lab"))
    assert (tmp_path / "lab" / "files").is_dir()


def test_a_password_in_the_remotes_address_is_not_shown(versioned: Project) -> None:
    with pytest.raises(MlopsError) as raised:
        data.push(remote="ftps://user:secret@127.0.0.1/x", project=versioned)
    assert "secret" not in str(raised.value)
