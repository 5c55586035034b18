"""Content versions of files, on a real DVC repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_mlops import data
from jupyter_mlops.data.objects import md5
from jupyter_mlops.errors import BackendFailed, Conflict, MlopsError, NotFound
from jupyter_mlops.project import Project

DVC = Path(sys.executable).with_name("dvc")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture
def table(project: Project) -> Path:
    path = project.root / "data" / "train.csv"
    path.parent.mkdir()
    path.write_text("a,b\n1,2\n3,4\n")
    return path


def test_adding_keeps_the_content_and_leaves_the_file_alone(project: Project, table: Path) -> None:
    before = table.stat()
    (added,) = data.add(["data/train.csv"], project=project)
    after = table.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_mode,
    )
    assert added.version == md5(table)
    assert data.cached(added.version, project=project).read_bytes() == table.read_bytes()
    assert "/train.csv" in (table.parent / ".gitignore").read_text().splitlines()


def test_dvc_itself_agrees_and_can_check_it_out(project: Project, table: Path) -> None:
    data.add(["data/train.csv"], project=project)
    status = subprocess.run(
        [DVC, "status", "--json"], capture_output=True, check=True, cwd=project.root
    )
    assert json.loads(status.stdout) == {}
    content = table.read_text()
    table.unlink()
    subprocess.run([DVC, "checkout", "--quiet"], check=True, cwd=project.root)
    assert table.read_text() == content


def test_a_folder_is_one_version_that_dvc_can_check_out(project: Project) -> None:
    folder = project.root / "images"
    (folder / "inner").mkdir(parents=True)
    for index in range(5):
        (folder / "inner" / f"{index}.txt").write_text(str(index))
    (added,) = data.add(["images"], project=project)
    assert (added.version[-4:], added.files, added.size) == (".dir", 5, 5)
    (folder / "inner" / "0.txt").write_text("changed")
    (folder / "surplus.txt").write_text("x")
    assert [item.status for item in data.list(project=project)] == ["changed"]
    data.checkout(force=True, project=project)
    assert (folder / "inner" / "0.txt").read_text() == "0"
    assert not (folder / "surplus.txt").exists()


def test_the_list_says_what_changed_and_what_is_missing(project: Project, table: Path) -> None:
    data.add(["data/train.csv"], project=project)
    assert len(data.status(project=project)) == 0
    table.write_text("a,b\n9,9\n")
    assert [item.status for item in data.status(project=project)] == ["changed"]
    table.unlink()
    assert [item.status for item in data.status(project=project)] == ["missing"]


def test_checkout_brings_back_the_version_but_never_loses_unsaved_changes(
    project: Project, table: Path
) -> None:
    original = table.read_text()
    data.add(["data/train.csv"], project=project)
    table.write_text("unsaved\n")
    with pytest.raises(Conflict, match="has changes that are in no version"):
        data.checkout(["data/train.csv"], project=project)
    assert table.read_text() == "unsaved\n"
    data.checkout(["data/train.csv"], force=True, project=project)
    assert table.read_text() == original
    assert os.access(table, os.W_OK)


def test_a_new_version_replaces_the_old_one_and_keeps_the_users_keys(
    project: Project, table: Path
) -> None:
    data.add(["data/train.csv"], project=project)
    file = table.with_name("train.csv.dvc")
    file.write_text(file.read_text() + "desc: patients of 2024\n")
    table.write_text("a,b\n5,6\n")
    (added,) = data.add(["data/train.csv"], project=project)
    assert added.version == md5(table)
    assert "desc: patients of 2024" in file.read_text()


def test_a_damaged_cached_copy_is_found_before_it_is_used(project: Project, table: Path) -> None:
    (added,) = data.add(["data/train.csv"], project=project)
    stored = data.cached(added.version, project=project)
    stored.chmod(0o644)
    stored.write_text("damaged")
    with pytest.raises(BackendFailed, match="is damaged"):
        data.checkout(["data/train.csv"], force=True, project=project)
    assert table.read_text() == "a,b\n1,2\n3,4\n"


def test_an_unchanged_file_costs_no_read(
    project: Project, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = data.version(table, project=project)
    monkeypatch.setattr(
        "jupyter_mlops.data.cache._hash", lambda *_, **__: pytest.fail("it was hashed again")
    )
    assert data.version(table, project=project) == first


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("data/absent.csv", NotFound, "No file data/absent.csv"),
        ("/nowhere/train.csv", NotFound, "No file /nowhere/train.csv"),
        ("data/train.csv.dvc", MlopsError, "is a .dvc file"),
    ],
)
def test_what_cannot_be_added_is_one_line(
    project: Project, table: Path, path: str, kind: type[MlopsError], message: str
) -> None:
    data.add(["data/train.csv"], project=project)
    with pytest.raises(kind, match=message):
        data.add([path], project=project)


def test_a_file_that_git_keeps_is_refused_and_nothing_is_written(project: Project) -> None:
    (project.root / "kept.csv").write_text("x\n")
    subprocess.run(["git", "add", "kept.csv"], check=True, cwd=project.root)
    with pytest.raises(Conflict, match="git rm --cached"):
        data.add(["kept.csv"], project=project)
    assert not (project.root / "kept.csv.dvc").exists()


def test_a_broken_version_file_is_named(project: Project, table: Path) -> None:
    table.with_name("train.csv.dvc").write_text("outs: nothing\n")
    (row,) = data.list(project=project)
    assert (row.path, row.status) == ("data/train.csv.dvc", "unreadable")
    assert "data/train.csv.dvc is not a valid DVC file" in row.detail
    with pytest.raises(MlopsError, match=r"train\.csv\.dvc is not a valid DVC file"):
        data.checkout(project=project)


def test_an_unknown_name_offers_the_nearest(project: Project, table: Path) -> None:
    data.add(["data/train.csv"], project=project)
    with pytest.raises(NotFound, match=r"Did you mean 'data/train\.csv'"):
        data.checkout(["data/tran.csv"], project=project)


def test_several_processes_add_at_once(project: Project) -> None:
    names = [f"part-{index}.csv" for index in range(4)]
    for index, name in enumerate(names):
        (project.root / name).write_text(f"{index}\n" * 1000)
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "jupyter_mlops.cli", "data", "add", name], cwd=project.root,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        for name in names
    ]  # fmt: skip
    failures = [process.communicate()[1].decode() for process in running if process.wait() != 0]
    assert failures == []
    assert {item.path for item in data.list(project=project)} == set(names)
    assert set((project.root / ".gitignore").read_text().splitlines()) >= {
        f"/{name}" for name in names
    }


def test_a_version_that_is_gone_from_the_cache_is_told(project: Project, table: Path) -> None:
    (added,) = data.add(["data/train.csv"], project=project)
    data.cached(added.version, project=project).unlink()
    table.unlink()
    assert [item.status for item in data.status(project=project)] == ["not in cache"]
    with pytest.raises(NotFound, match=r"is not in this project's cache.*data pull"):
        data.checkout(project=project)


def test_a_folder_without_files_is_refused(project: Project) -> None:
    (project.root / "empty").mkdir()
    with pytest.raises(MlopsError, match="empty is an empty folder"):
        data.add(["empty"], project=project)
    assert not (project.root / "empty.dvc").exists()
