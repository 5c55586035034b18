"""On a full, read-only or forbidden disk every verb says so in one line, and what was kept stays whole."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pandas as pd
import pytest

from jupyter_mlops import cli, disk_errors, files, runs
from jupyter_mlops.errors import MlopsError, StorageFailed
from jupyter_mlops.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.trials import Trials

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a disk"),
]

CELL = """%%mlops run small
import pandas as pd, matplotlib.pyplot as plt
from sklearn.linear_model import LinearRegression
train = pd.read_csv("train.csv")
line = LinearRegression().fit(train[["x"]], train["y"])
plt.figure(); plt.plot(train["x"])
done = done + 1 if "done" in globals() else 1
score = 0.75
print("the cell's own", "words")
score
"""


def table(path: str | Path, shift: float = 0) -> None:
    pd.DataFrame({"x": [i + shift for i in range(50)], "y": [2.0 * i for i in range(50)]}).to_csv(
        path, index=False
    )


def kept(root: Path) -> dict[str, str]:
    """Return the content of everything that must stay as it is, by path."""
    found = {}
    for folder in (".mlops/artifacts", ".dvc/cache", ".mlops/bentoml", "jobs"):
        for path in (root / folder).rglob("*"):
            if path.is_file():
                found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def whole(project: Project, before: dict[str, str]) -> None:
    """Assert that nothing old changed, that nothing half-written lies about, and that the store reads."""
    now = kept(project.root)
    assert {path: now.get(path) for path in before} == before
    left = [path for path in project.root.rglob("*.tmp") if path.is_file()]
    assert not left
    assert runs.list(project=project) is not None
    for path in project.state.rglob("*.json"):
        json.loads(path.read_text())
    for line in project.events.read_text().splitlines():
        json.loads(line)


def one_line(text: str) -> str:
    """Return the line that says what happened; there is no traceback beside it."""
    assert "Traceback" not in text, text[-3000:]
    said = [line for line in text.splitlines() if "mlops: " in line]
    assert len(said) == 1, text[-3000:]
    return said[0]


def test_a_recorded_cell_keeps_its_own_result_wherever_the_disk_fills_up(
    small: Project, disk: Any, cell: Any, capsys: Any, trials: Trials
) -> None:
    table("train.csv")
    assert cell(CELL).success
    before, told, levels = (
        kept(small.root),
        0,
        [0, 4, 12, 28, 60, 120, 180, 240, 400, 600, 900, 1400],
    )
    for at, kib in enumerate(levels):
        capsys.readouterr()
        disk.fill(kib * 1024)
        result = cell(CELL)
        printed = "".join(capsys.readouterr())
        disk.free()
        assert "the cell's own words" in printed
        assert cell.shell.user_ns["done"] == at + 2
        assert "0.75" in printed
        if result.success:
            assert "recorded · small" in printed
        else:
            assert isinstance(result.error_in_exec, StorageFailed), repr(result.error_in_exec)
            assert "The cell ran, but it is not recorded. The disk is full: /" in one_line(printed)
            told += 1
        whole(small, before)
    assert told >= 4
    assert cell(CELL).success
    trials("recorded cell, disk full after so many KiB", len(levels), "told, or recorded whole")


def test_a_failed_cell_shows_its_own_error_on_a_full_disk(
    small: Project, disk: Any, cell: Any, capsys: Any
) -> None:
    disk.fill(0)
    result = cell('%%mlops run small\nx = 1\nraise KeyError("mine")')
    printed = "".join(capsys.readouterr())
    assert isinstance(result.error_in_exec, KeyError)
    assert "not recorded: The disk is full" in printed
    assert "KeyError: 'mine'" in printed
    assert "StorageFailed" not in printed


def test_the_cells_own_full_disk_is_the_users_to_see(
    small: Project, disk: Any, cell: Any, capsys: Any
) -> None:
    """A cell that writes to a full disk elsewhere fails as Python does, and is recorded."""
    result = cell(
        '%%mlops run small\nimport errno\nraise OSError(errno.ENOSPC, "No space left on device", "/mine")'
    )
    assert isinstance(result.error_in_exec, OSError)
    assert not isinstance(result.error_in_exec, MlopsError)
    [run] = runs.list(project=small)
    assert run.status == "failed"


def notebook(path: Path) -> None:
    code = "import time\nx = 2\ntext = 'y' * 2000\nprint(text)"
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for _ in range(3)])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(made, path)


VERBS: dict[str, list[str]] = {
    "drift": ["drift", "check", "--reference", "old.csv", "--current", "new.csv"],
    "drift page": ["drift", "check", "--reference", "old.csv", "--current", "new.csv", "--html", "d.html"],
    "data": ["data", "add", "big.csv"],
    "job": ["job", "run", "note.ipynb"],
    "schedule": ["job", "schedule", "note.ipynb", "--cron", "0 3 * * *", "--name", "nightly"],
    "build": ["service", "build", "small"],
    "start": ["service", "start", "small"],
    "register": ["model", "register", "small"],
}  # fmt: skip


@pytest.fixture
def ready(small: Project, cell: Any) -> Project:
    """Return the project with tables, a notebook and a recorded run."""
    table("train.csv")
    table("old.csv")
    table("new.csv", 9)
    pd.DataFrame({"x": range(40_000)}).to_csv("big.csv", index=False)
    notebook(small.root / "note.ipynb")
    assert cell(CELL).success
    return small


def shell(words: list[str], capfd: Any) -> tuple[int, str]:
    """Run a line as `jupyter mlops` does; return its exit code, and what it said."""
    capfd.readouterr()
    code = cli.main(words)
    return code, "".join(capfd.readouterr())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_verb_says_that_the_disk_is_full(
    ready: Project, disk: Any, capfd: Any, trials: Trials
) -> None:
    before, tried, told = kept(ready.root), 0, 0
    levels = {"job": [0, 16, 48, 100, 300], "build": [0, 64, 400], "start": []}
    for verb, words in VERBS.items():
        for kib in levels.get(verb, [0, 16, 100]):
            disk.fill(kib * 1024)
            code, said = shell(words, capfd)
            disk.free()
            tried += 1
            if code:
                assert code in {1, 2}, (verb, kib, said)
                assert "Traceback" not in said, (verb, kib, said)
                line = [
                    item
                    for item in said.splitlines()
                    if "disk is full" in item or "No space" in item
                ]
                assert line or "failed" in said, (verb, kib, said)
                told += 1
            whole(ready, before)
    assert told >= 10
    trials("verbs in the shell on a disk with some KiB left", tried, "one line, all kept whole")


PLACES = [
    ("record", ".mlops/artifacts"), ("record", ".mlops/locks"), ("record", ".dvc/cache"),
    ("record", ".mlops"), ("record", ".git"), ("record", "TMPDIR"),
    ("drift", ".mlops/artifacts"), ("drift", ".mlops"), ("drift", "TMPDIR"), ("data", ".dvc/cache"),
    ("data", ".dvc"), ("job", ".mlops/artifacts"), ("job", ".mlops/jobs"), ("job", "TMPDIR"),
    ("register", ".mlops"), ("schedule", "jobs"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_one_full_place_is_told_too(
    ready: Project, full: Any, cell: Any, capfd: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    trials: Trials,
) -> None:  # fmt: skip
    before, told = kept(ready.root), 0
    for number, (verb, place) in enumerate(PLACES):
        folder = ready.root / place
        with monkeypatch.context() as patched:
            if place == "TMPDIR":
                folder = tmp_path / f"temporary{number}"
                patched.setenv("TMPDIR", str(folder))
                patched.setattr(tempfile, "tempdir", None)
            table("train.csv", 3 + number)
            table("big.csv", 1000 + number)
            full(folder)
            told += refused(verb, place, cell, capfd)
            full.away()
        whole(ready, before)
    assert told >= 8
    trials("one full folder, by verb and folder", len(PLACES), "one line, all kept whole")


def refused(verb: str, place: str, cell: Any, capfd: Any) -> bool:
    """Run the verb; return whether it failed, and then in one line."""
    capfd.readouterr()
    if verb == "record":
        result = cell(CELL)
        said = "".join(capfd.readouterr())
        assert "the cell's own words" in said
        assert result.success or isinstance(result.error_in_exec, StorageFailed), (place, said)
        if not result.success:
            assert "disk is full" in one_line(said)
        return not result.success
    code, said = shell(VERBS[verb], capfd)
    assert "Traceback" not in said, (verb, place, said)
    assert code in {0, 1, 2}
    assert not code or "disk is full" in said or "No space" in said, (verb, place, said)
    return bool(code)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["drift", "data", "job", "schedule", "register"])
def test_a_read_only_disk_is_told_in_one_line(
    ready: Project, disk: Any, capfd: Any, verb: str, trials: Trials
) -> None:
    before = kept(ready.root)
    with disk.read_only(ready.root):
        code, said = shell(VERBS[verb], capfd)
    assert code == 1, said
    assert "The disk is read-only" in one_line(said)
    whole(ready, before)
    trials("a read-only disk, by verb", 1, "one line, all kept whole")


def test_a_recorded_cell_on_a_read_only_disk_runs(
    ready: Project, disk: Any, cell: Any, capsys: Any
) -> None:
    capsys.readouterr()
    with disk.read_only(ready.root):
        result = cell(CELL)
    assert isinstance(result.error_in_exec, StorageFailed)
    printed = "".join(capsys.readouterr())
    assert "the cell's own words" in printed
    assert "not recorded. The disk is read-only" in one_line(printed)


def test_a_folder_of_somebody_else_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o555)
    for path in (tmp_path, *tmp_path.parents):
        if os.access(path, os.W_OK) and path.owner() == "root" and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    os.seteuid(65534)
    try:
        with (
            pytest.raises(StorageFailed, match=r"No permission: .*theirs.* ls -ld"),
            disk_errors.in_one_line(),
        ):
            files.replace(folder / "x.json", "{}")
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EFBIG", "EIO"])
def test_an_error_is_found_in_whatever_an_engine_made_of_it(name: str, tmp_path: Path) -> None:
    import errno
    import sqlite3

    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import OperationalError

    number = getattr(errno, name)
    plain = OSError(number, os.strerror(number), "/data/x")
    wrapped = MlflowException("it failed")
    wrapped.__cause__ = ValueError("deep")
    wrapped.__cause__.__context__ = plain
    database = OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))
    for error in (plain, wrapped, OperationalError("x", {}, plain)):
        found = disk_errors.refusal(error, tmp_path)
        assert found is not None
        assert "/data/x" in str(found)
        assert found.exit_code == 1
        assert found.status == 507
    assert "The disk is full" in str(disk_errors.refusal(database, tmp_path))
    for error in (
        ValueError("x"),
        FileNotFoundError(2, "no", "y"),
        MlopsError("a mistake"),
        KeyError(28),
    ):
        assert disk_errors.refusal(error) is None


def test_a_line_that_fits_only_in_part_is_taken_back(disk: Any) -> None:
    path = disk.folder / "events.jsonl"
    files.append_line(path, json.dumps({"n": 1}))
    disk.fill(0)
    there: Callable[[], bytes] = path.read_bytes
    with pytest.raises(OSError, match="No space left"):
        files.append_line(path, json.dumps({"n": "y" * 20_000}))
    assert there() == b'{"n": 1}\n'
