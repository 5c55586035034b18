"""`data gc` keeps what `.dvc` files of any commit, and runs, refer to."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from jupyter_mlops import data, runs
from jupyter_mlops.data.cache import cache_folder
from jupyter_mlops.errors import BackendFailed, UsageError
from jupyter_mlops.project import Project
from jupyter_mlops.runs import retention
from jupyter_mlops.runs.records import DataUse
from jupyter_mlops.tracking.store import open_store

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def _write(project: Project, name: str, content: str) -> str:
    (project.root / name).write_text(content)
    return data.version(project.root / name, project=project).version


def _git(project: Project, *words: str) -> None:
    subprocess.run(["git", *words], check=True, cwd=project.root, capture_output=True)


def _age(project: Project, hours: float = 2) -> None:
    then = time.time() - hours * 3600
    for path in cache_folder(project).rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def test_what_nothing_refers_to_is_listed_and_goes_only_when_asked(project: Project) -> None:
    forgotten = _write(project, "scratch.csv", "x\n")
    _age(project)
    listed = data.gc(project=project)
    assert [item.version for item in listed] == [forgotten]
    assert "1 object to delete, 2 B. To delete: %mlops data gc --yes" in str(listed)
    data.cached(forgotten, project=project)
    (gone,) = data.gc(yes=True, project=project)
    assert gone.deleted
    assert len(data.gc(project=project)) == 0


def test_a_version_that_only_an_old_commit_names_stays(project: Project) -> None:
    (project.root / "train.csv").write_text("old\n")
    (old,) = data.add(["train.csv"], project=project)
    _git(project, "add", "-A")
    _git(project, "commit", "-q", "-m", "old")
    (project.root / "train.csv").write_text("new\n")
    data.add(["train.csv"], project=project)
    _git(project, "commit", "-q", "-a", "-m", "new")
    _git(project, "reset", "-q", "--hard", "HEAD~1")
    _age(project)
    assert len(data.gc(yes=True, project=project)) == 0
    data.cached(old.version, project=project)


def test_a_version_that_only_a_run_refers_to_stays_even_if_the_run_is_deleted(
    project: Project,
) -> None:
    (project.root / "seen.csv").write_text("x\n1\n")
    with runs.record_cell("reads", "open('seen.csv').read()", {}, project=project):
        Path("seen.csv").read_text()
    run = runs.get("reads", project=project)
    (use,) = run.data
    _age(project)
    open_store(project).client.delete_run(run.run_id)
    assert len(data.gc(yes=True, project=project)) == 0
    data.cached(use.version, project=project)


def test_a_folders_files_stay_with_it(project: Project) -> None:
    for index in range(3):
        path = project.root / "images" / f"{index}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(index))
    data.add(["images"], project=project)
    _age(project)
    assert len(data.gc(yes=True, project=project)) == 0


def test_what_was_used_just_now_stays(project: Project) -> None:
    version = _write(project, "scratch.csv", "x\n")
    assert len(data.gc(yes=True, project=project)) == 0
    _age(project)
    # Recorded again without being copied again: used now.
    assert _write(project, "again.csv", "x\n") == version
    assert len(data.gc(yes=True, project=project)) == 0
    assert len(data.gc(yes=True, older=0, project=project)) == 1


def test_a_broken_git_repository_deletes_nothing(project: Project) -> None:
    version = _write(project, "scratch.csv", "x\n")
    _git(project, "commit", "-q", "--allow-empty", "-m", "x")
    _age(project)
    for path in (project.root / ".git" / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_text("damaged")
    with pytest.raises(BackendFailed, match="Nothing was deleted"):
        data.gc(yes=True, project=project)
    data.cached(version, project=project)


def test_hours_are_not_negative(project: Project) -> None:
    with pytest.raises(UsageError, match="--older must be a number of hours"):
        data.gc(older=-1, project=project)


def test_a_version_that_only_a_capsule_names_stays(project: Project) -> None:
    from jupyter_mlops.runs.capsules import capsule

    version = _write(project, "named.csv", "x\n")
    store = open_store(project)
    run = store.client.create_run(store.experiment_id())
    kept = capsule.Capsule(cells=[], data=[DataUse(path="named.csv", version=version)])
    store.client.log_text(run.info.run_id, kept.to_json(), capsule.ARTIFACT)
    _age(project)
    assert len(data.gc(yes=True, project=project)) == 0
    store.client.log_text(run.info.run_id, "cut sho", capsule.ARTIFACT)
    with pytest.raises(BackendFailed, match="Nothing was deleted"):
        data.gc(yes=True, project=project)


def test_what_is_elsewhere_is_no_version_of_ours(project: Project) -> None:
    store = open_store(project)
    run = store.client.create_run(store.experiment_id())
    store.log_data(run.info.run_id, [("s3://bucket/x.csv", "0" * 32, "input")])
    assert retention.data_versions(project) == []
