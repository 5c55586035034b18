"""Projects with filters (git-lfs, nbstripout): none is run, and what is kept, shown and replayed is still right."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops.environment import packages
from jupyter_mlops.replays import scratch_project
from jupyter_mlops.runs.capsules import snapshot
from jupyter_mlops.runs.capsules.capsule import Capsule, CapsuleCell

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project

#: As git-lfs: the content is kept aside, git keeps a pointer.
_CLEAN = """#!/bin/sh
echo clean >> {told}
cat > {store}/new
id=$(sha256sum < {store}/new | cut -c1-64)
mv {store}/new {store}/$id
echo "pointer $id"
"""
_SMUDGE = """#!/bin/sh
echo smudge >> {told}
read word id
cat {store}/$id
"""


@pytest.fixture
def large(project: Project, tmp_path: Path) -> Project:
    """Return a project whose `*.bin` go through a filter, committed with plain git."""
    store = tmp_path / "store"
    store.mkdir()
    for name, text in (("clean", _CLEAN), ("smudge", _SMUDGE)):
        program = store / name
        program.write_text(text.format(store=store, told=store / "told"))
        program.chmod(0o755)
        _git(project, "config", f"filter.lfs.{name}", str(program))
    _git(project, "config", "filter.lfs.required", "true")
    (project.root / ".gitattributes").write_text("*.bin filter=lfs\n")
    (project.root / "weights.bin").write_bytes(b"weights" * 100)
    (project.root / "other.bin").write_bytes(b"other" * 100)
    (project.root / "train.py").write_text("1\n")
    _git(project, "add", "-A")
    _git(project, "commit", "-qm", "first")
    assert _git(project, "show", "HEAD:weights.bin").startswith("pointer")
    (store / "told").unlink()
    return project


def test_a_filtered_file_is_not_called_changed(large: Project) -> None:
    # Committed a moment ago, so git would look into each file.
    assert packages.git_state(large.root)[1] == ""
    assert snapshot.pending(large).changed == []
    (large.root / "train.py").write_text("2\n")
    patch = packages.git_state(large.root)[1]
    assert "train.py" in patch
    assert ".bin" not in patch
    assert snapshot.pending(large).changed == ["train.py"]
    assert not _told(large)


def test_a_changed_filtered_file_is_kept_as_it_lies_there(large: Project) -> None:
    (large.root / "weights.bin").write_bytes(b"trained" * 100)
    taken = snapshot.take(large)
    assert taken.changed == ["weights.bin"]
    assert _git(large, "cat-file", "blob", f"{taken.commit}:weights.bin") == "trained" * 100
    assert _git(large, "cat-file", "blob", f"{taken.commit}:other.bin").startswith("pointer")
    assert "weights.bin" in packages.git_state(large.root)[1]
    assert not _told(large)


def test_a_change_in_the_second_of_the_commit_is_seen(large: Project) -> None:
    # git compares whole seconds: it looks into a file that is as young as its index.
    second = 1_700_000_000
    index = large.root / ".git" / "index"
    for file in (large.root / "train.py", large.root / "weights.bin", large.root / "other.bin"):
        os.utime(file, ns=(second * 10**9 + 5, second * 10**9 + 5))
    _git(large, "update-index", "--refresh")
    os.utime(index, (second, second))
    for path, text in (("train.py", "2\n"), ("weights.bin", "trained" * 100)):
        (large.root / path).write_text(text)
        os.utime(large.root / path, ns=(second * 10**9 + 9, second * 10**9 + 9))
    patch = packages.git_state(large.root)[1]
    assert "train.py" in patch
    assert "weights.bin" in patch
    assert "other.bin" not in patch
    assert sorted(snapshot.take(large).changed) == ["train.py", "weights.bin"]


def test_a_replay_has_the_content_and_says_what_was_not_run(large: Project) -> None:
    (large.root / "weights.bin").write_bytes(b"trained" * 100)
    taken = snapshot.take(large)
    capsule = Capsule(cells=[CapsuleCell(source="1")], commit=taken.commit, prefix=taken.prefix)
    with scratch_project.checkout(large, "0" * 32, capsule) as copy:
        assert (copy.project.root / "weights.bin").read_bytes() == b"trained" * 100
        assert (copy.project.root / "other.bin").read_bytes() == b"other" * 100
        (note,) = copy.notes
        assert note.startswith("filter lfs was not run; 1 of its files copied from the project; ")
        assert note.endswith("left unfiltered: weights.bin")
    # The project's file is another one now, so that content is not to be had.
    time.sleep(0.01)
    (large.root / "other.bin").write_bytes(b"newer" * 100)
    with scratch_project.checkout(large, "0" * 32, capsule) as copy:
        assert (copy.project.root / "other.bin").read_bytes().startswith(b"pointer")
        assert "left unfiltered: other.bin, weights.bin" in copy.notes[0]
    assert not _told(large)


def test_plain_git_still_sees_the_same_project(large: Project) -> None:
    snapshot.take(large).keep(large, "0" * 32)
    assert _git(large, "status", "--porcelain") == ""


def _git(project: Project, *words: str) -> Any:
    return subprocess.run(
        ["git", *words], cwd=project.root, check=True, capture_output=True, text=True
    ).stdout


def _told(project: Project) -> bool:
    return (project.root.parent / "store/told").exists()
