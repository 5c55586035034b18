"""What a cell reads is hashed while it runs, and never gets the version of something else."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import runs
from jupyter_mlops.errors import Conflict
from jupyter_mlops.runs.capture.file_reads import FileWatch
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _kept(project: Project, content: bytes) -> Path:
    version = _md5(content)
    return project.root / ".dvc" / "cache" / "files" / "md5" / version[:2] / version[2:]


def _until_kept(project: Project, content: bytes) -> None:
    eventually(_kept(project, content).exists, "it was not hashed while the block runs")


def _until_hashed(reads: FileWatch, path: Path) -> None:
    eventually(lambda: reads.early._found[str(path)].done())


def test_a_file_is_hashed_while_the_cell_still_runs(project: Project) -> None:
    path = project.root / "large.bin"
    path.write_bytes(content := b"x" * 3_000_000)
    with FileWatch(project) as reads:
        path.read_bytes()
        _until_kept(project, content)
    assert reads.inputs == [path]
    assert reads.early.version(path).version == _md5(content)


def test_what_was_read_keeps_its_version_when_the_cell_then_writes_over_it(
    project: Project,
) -> None:
    path = project.root / "table.csv"
    path.write_bytes(content := b"a\n1\n")
    with FileWatch(project) as reads:
        path.read_bytes()
        _until_hashed(reads, path)
        path.write_bytes(b"a\n2\n")
    assert reads.early.version(path).version == _md5(content)


def test_a_file_that_changed_before_it_was_hashed_has_no_version_rather_than_a_wrong_one(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project.root / "table.csv"
    path.write_bytes(b"a\n1\n")
    with FileWatch(project) as reads:
        monkeypatch.setattr(reads.early, "_hash", lambda _path: 1 / 0)
        path.read_bytes()
        path.write_bytes(b"a\n22\n")
    with pytest.raises(Conflict, match="was changed after it was read"):
        reads.early.version(path)


def test_the_run_says_which_file_has_no_version(
    project: Project,
    cell: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from jupyter_mlops.runs.capture import read_versions

    monkeypatch.setattr(read_versions, "_MOST", 0)  # as for the file after so many others
    (project.root / "table.csv").write_text("a\n1\n")
    cell(
        "%%mlops run own\nfrom pathlib import Path\npath = Path('table.csv')\n"
        "rows = path.read_text()\n_ = path.write_text(rows + '2\\n')"
    )
    said = "table.csv has no version: table.csv was changed after it was read"
    run = runs.get("own")
    assert (run.tags["mlops.unversioned"], [*run.data]) == (said, [])
    assert said in capsys.readouterr().out


def test_a_file_of_secrets_is_not_copied_while_the_cell_runs(project: Project) -> None:
    path: Path = project.root / ".env"
    path.write_bytes(content := b"PASSWORD=x\n" * 9)
    (project.root / "a.csv").write_bytes(other := b"a\n")
    with FileWatch(project):
        path.read_bytes()
        (project.root / "a.csv").read_bytes()
        _until_kept(project, other)
    assert not _kept(project, content).exists()
