"""Which files a recorded cell read and wrote: the rules. The readers have `test_readers.py`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from jupyter_mlops import runs
from jupyter_mlops.runs.capture import fanotify
from jupyter_mlops.runs.capture.file_reads import FileWatch
from jupyter_mlops.runs.capture.own_processes import ProcessFamily
from jupyter_mlops.runs.capture.read_versions import EarlyHasher

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(params=["as this machine allows", "fanotify refused"])
def files(project: Project, request: pytest.FixtureRequest, monkeypatch: Any) -> Project:
    """Return a project with a table in two formats, on each kind of machine."""
    table = pd.DataFrame({"a": [1.0, 2.0]})
    table.to_csv("t.csv", index=False)
    table.to_parquet("t.parquet")
    time.sleep(0.02)  # a disk's clock ticks every few milliseconds
    if request.param == "fanotify refused":
        monkeypatch.setattr(fanotify, "FanotifyWatch", _refused)
    return project


def _refused(*_: object, **__: object) -> None:
    raise OSError(1, "Operation not permitted")


def _seen(reads: FileWatch) -> tuple[list[str], list[str]]:
    project = reads.project
    return (
        [project.relative(path) for path in reads.inputs],
        [project.relative(path) for path in reads.outputs],
    )


def _shell(command: str) -> None:
    subprocess.run(command, shell=True, check=True)


# --- read or written --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("writer", "native"),
    [
        ("open('out.csv', 'w').close()", False),
        ("open('out.csv', 'a').write('1')", False),
        ("import os; os.close(os.open('out.csv', os.O_CREAT | os.O_RDWR))", False),
        ("import pandas as pd; pd.DataFrame({'a': [1]}).to_parquet('out.csv')", False),
        ("import sqlite3; sqlite3.connect('out.csv').execute('create table t (a)')", False),
        ("import numpy as np; np.memmap('out.csv', mode='w+', shape=2)[:] = 1", False),
        ("import pyarrow as pa; pa.OSFile('out.csv', 'w').write(b'1')", True),
        ("import duckdb; duckdb.sql(\"copy (select 1) to 'out.csv'\")", True),
        ("import subprocess; subprocess.run('echo 1 > out.csv', shell=True, check=True)", True),
    ],
)
def test_a_file_that_is_only_written_is_an_output(
    files: Project, writer: str, native: bool
) -> None:
    with FileWatch(files) as reads:
        exec(writer, {})
    assert _seen(reads) == ([], [] if reads.blind and native else ["out.csv"])


def test_a_file_read_and_then_written_over_is_an_input(files: Project) -> None:
    with FileWatch(files) as reads:
        frame = pd.read_csv("t.csv")
        frame.to_csv("t.csv", index=False)
    assert _seen(reads) == (["t.csv"], [])


def test_a_file_that_the_cell_made_and_read_back_is_an_output_only(files: Project) -> None:
    import pyarrow.parquet as pq

    with FileWatch(files) as reads:
        pd.read_csv("t.csv").to_parquet("made.parquet")
        pd.read_parquet("made.parquet")
        pq.read_table("made.parquet")
    assert _seen(reads) == (["t.csv"], ["made.parquet"])


def test_what_a_child_made_and_the_cell_read_back_is_an_output_only(files: Project) -> None:
    with FileWatch(files) as reads:
        _shell("cp t.csv made.csv")
        pd.read_csv("made.csv")
    # Python alone sees the second half.
    assert _seen(reads) == ((["made.csv"], []) if reads.blind else (["t.csv"], ["made.csv"]))


def test_a_file_opened_for_both_is_what_became_of_it(files: Project) -> None:
    with FileWatch(files) as reads, Path("t.csv").open("r+") as file:
        file.read()
    assert _seen(reads) == (["t.csv"], [])
    time.sleep(0.02)
    with FileWatch(files) as reads, Path("t.csv").open("r+") as file:
        file.write("b")
    assert _seen(reads) == ([], ["t.csv"])


def test_a_file_that_could_not_be_opened_was_not_read(files: Project) -> None:
    with FileWatch(files) as reads:
        for mode in ("r", "r+"):
            with suppress(FileNotFoundError), Path("later.csv").open(mode):
                raise AssertionError
        with suppress(FileExistsError), Path("t.csv").open("x"):
            raise AssertionError
        with suppress(IsADirectoryError):
            Path("folder").mkdir()
            Path("folder").read_text()
    Path("later.csv").write_text("a\n")
    assert _seen(reads) == ([], [])
    assert reads.lost == []


def test_a_descriptor_is_not_a_name(files: Project) -> None:
    with FileWatch(files) as reads, Path("t.csv").open() as file:
        os.fdopen(os.dup(file.fileno())).close()
    assert _seen(reads) == (["t.csv"], [])


# --- moved and deleted ------------------------------------------------------------------------------


def test_a_file_written_beside_and_moved_into_place_is_an_output_by_its_final_name(
    files: Project,
) -> None:
    with FileWatch(files) as reads:
        Path("out.csv.part").write_text("a\n")
        Path("out.csv.part").replace("out.csv")
        Path("stage").mkdir()
        Path("stage/one.csv").write_text("a\n")
        Path("stage").rename("final")
    assert _seen(reads) == ([], ["out.csv", "final/one.csv"])


def test_a_file_that_was_read_and_then_moved_is_an_input_by_the_name_it_was_read_by(
    files: Project,
) -> None:
    with FileWatch(files) as reads:
        pd.read_csv("t.csv")
        Path("old").mkdir()
        Path("t.csv").rename("old/t.csv")
    assert _seen(reads) == (["t.csv"], [])
    assert reads.uses.now(reads.inputs[0]) == files.root / "old/t.csv"


def test_a_file_that_was_read_and_then_deleted_is_told(files: Project) -> None:
    with FileWatch(files) as reads:
        pd.read_csv("t.csv")
        Path("t.csv").unlink()
        Path("temporary").write_text("a\n")
        Path("temporary").read_text()
        Path("temporary").unlink()
        Path("scratch").mkdir()
        shutil.rmtree("scratch")
    assert _seen(reads) == ([], [])
    assert [files.relative(path) for path in reads.lost] == ["t.csv"]


@pytest.mark.parametrize("hashed_in_time", [True, False])
def test_a_run_keeps_the_content_of_a_moved_file_and_says_which_file_is_gone(
    project: Project,
    cell: Callable[[str], Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    hashed_in_time: bool,
) -> None:
    if not hashed_in_time:
        monkeypatch.setattr(EarlyHasher, "saw", lambda *_: None)
    Path("moved.csv").write_text("a\n1\n")
    Path("gone.csv").write_text("a\n2\n")
    cell(
        "%%mlops run away\nfrom pathlib import Path\nimport time\n"
        "one = Path('moved.csv').read_text()\ntwo = Path('gone.csv').read_text()\ntime.sleep(1)\n"
        "_ = Path('moved.csv').rename('kept.csv')\nPath('gone.csv').unlink()"
    )
    told = "gone.csv has no version: it was deleted after the cell read it"
    assert (told in capsys.readouterr().out) == (not hashed_in_time)
    versions = {use.path: use.version for use in runs.get("away").data if use.role == "input"}
    expected = {"moved.csv": "a\n1\n"} | ({"gone.csv": "a\n2\n"} if hashed_in_time else {})
    assert versions == {
        name: hashlib.md5(text.encode()).hexdigest() for name, text in expected.items()
    }
    assert runs.get("away").tags["mlops.lineage"].startswith("Python")


# --- which files ------------------------------------------------------------------------------------


def test_what_lies_outside_is_ignored_and_code_and_caches_are_too(
    files: Project, tmp_path: Path
) -> None:
    (tmp_path / "outside.csv").write_text("a\n")
    for name in (".dvc/x.csv", ".git/x.csv", ".mlops/x.csv", "__pycache__/x.csv", ".venv/x.csv"):
        (files.root / name).parent.mkdir(exist_ok=True)
        (files.root / name).write_text("a\n")
    Path("module.py").write_text("import json\n")
    with FileWatch(files) as reads:
        (tmp_path / "outside.csv").read_text()
        for path in files.root.glob("*/x.csv"):
            path.read_text()
        sys.path.insert(0, str(files.root))
        __import__("module")
        sys.path.pop(0)
        _shell("cat .mlops/x.csv ../outside.csv module.py > /dev/null")
    del sys.modules["module"]
    assert _seen(reads) == ([], [])


def test_a_link_that_leads_outside_counts_under_its_own_name(
    files: Project, tmp_path: Path
) -> None:
    import pyarrow as pa

    (tmp_path / "store/deep").mkdir(parents=True)
    for name in ("one.csv", "two.csv", "deep/three.csv", "unused.csv"):
        (tmp_path / "store" / name).write_text("a\n")
    Path("one.csv").symlink_to(tmp_path / "store/one.csv")
    Path("linked").symlink_to(tmp_path / "store")
    Path("nowhere").symlink_to(tmp_path / "nothing")
    Path("round").symlink_to(files.root)
    with FileWatch(files) as reads:
        Path("one.csv").read_text()
        pa.OSFile("linked/two.csv").read()
        _shell("cat linked/deep/three.csv > /dev/null")
        (tmp_path / "store/unused.csv").touch()
    native = [] if reads.blind else ["linked/deep/three.csv", "linked/two.csv"]
    assert (sorted(_seen(reads)[0])) == [*native, "one.csv"]
    assert reads.blind.startswith("native readers") == bool(reads.blind)


def test_a_project_that_is_reached_through_a_link_is_the_same_project(
    files: Project, tmp_path: Path
) -> None:
    (tmp_path / "alias").symlink_to(files.root)
    with FileWatch(files) as reads:
        pd.read_csv(tmp_path / "alias" / "t.csv")
    assert _seen(reads) == (["t.csv"], [])
    with FileWatch(type(files)(tmp_path / "alias")) as reads:
        pd.read_csv("t.csv")  # the working folder is told by its real name
        (tmp_path / "alias/t.parquet").read_bytes()
    assert sorted(_seen(reads)[0]) == ["t.csv", "t.parquet"]


def test_relative_names_are_of_the_folder_that_the_cell_was_in(
    files: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("notebooks").mkdir()
    with FileWatch(files) as reads:
        monkeypatch.chdir("notebooks")
        pd.read_csv("../t.csv")
        _shell("cat ../t.parquet > ./copy.parquet")
        monkeypatch.chdir("..")
    children = ([], []) if reads.blind else (["t.parquet"], ["notebooks/copy.parquet"])
    assert _seen(reads) == (["t.csv", *children[0]], children[1])


def test_a_folder_that_the_cell_makes_is_watched_too(files: Project) -> None:
    import pyarrow.dataset as ds

    table = ds.dataset("t.parquet").to_table().append_column("b", [["x", "y"]])
    with FileWatch(files) as reads:
        ds.write_dataset(table, "out/deep", format="parquet", partitioning=["b"])
        assert ds.dataset("out/deep").count_rows() == 2
    names = [] if reads.blind else ["out/deep/x/part-0.parquet", "out/deep/y/part-0.parquet"]
    inputs, outputs = _seen(reads)
    assert (inputs, sorted(outputs)) == ([], names)


@pytest.mark.parametrize("name", ["ein Maß €.csv", "a\nb.csv", "-", "caf\udce9.csv", "x" * 251])
def test_any_name_is_a_name(files: Project, name: str) -> None:
    Path(name).write_text("a\n")
    time.sleep(0.02)
    with FileWatch(files) as reads:
        Path(name).read_bytes()
        subprocess.run(["cat", "--", f"./{name}"], stdout=subprocess.DEVNULL, check=True)
    assert [path.name for path in reads.inputs] == [name]


# --- who reads --------------------------------------------------------------------------------------


def test_threads_of_the_cell_are_the_cell(files: Project) -> None:
    for number in range(32):
        Path(f"{number:02}.csv").write_text("a\n")
    with FileWatch(files) as reads:
        threads = [
            threading.Thread(target=Path(f"{number:02}.csv").read_text) for number in range(32)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(_seen(reads)[0]) == [f"{number:02}.csv" for number in range(32)]


def test_what_another_process_reads_is_not_ours(files: Project) -> None:
    # A grandchild that was given away: its parent is gone, so it is no longer of our family.
    program = "import time; time.sleep(1.5); open('t.csv').read(); time.sleep(1)"
    orphan = f"import os, subprocess, sys; subprocess.Popen([sys.executable, '-c', {program!r}], start_new_session=True)"
    subprocess.run([sys.executable, "-c", orphan], check=True)
    with FileWatch(files) as reads:
        time.sleep(3)
    assert _seen(reads) == ([], [])


@pytest.mark.parametrize("start", [os.system, _shell])
def test_children_are_seen_where_the_kernel_does_not_tell_who_they_are(
    files: Project, monkeypatch: pytest.MonkeyPatch, start: Callable[[str], Any]
) -> None:
    has, me = ProcessFamily.has, os.getpid()
    # What a listener without privileges is told: 0 for every process but its own.
    monkeypatch.setattr(ProcessFamily, "has", lambda self, pid: has(self, pid if pid == me else 0))
    with FileWatch(files) as reads:
        start("mkdir new && cp t.csv new/copy.csv")
    assert _seen(reads) == (([], []) if reads.blind else (["t.csv"], ["new/copy.csv"]))


def test_a_file_opened_before_the_cell_is_not_read_by_closing_it(files: Project) -> None:
    with ExitStack() as stack:
        stack.enter_context(Path("t.csv").open())
        with FileWatch(files) as reads:
            stack.close()
    assert _seen(reads) == ([], [])


def test_nothing_is_seen_while_nothing_is_recorded(files: Project) -> None:
    with FileWatch(files) as reads:
        pass
    pd.read_csv("t.csv")
    assert _seen(reads) == ([], [])


def test_an_error_in_the_hook_never_reaches_the_users_open(
    files: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(FileWatch, "saw", broken)
    with FileWatch(files):
        assert Path("t.csv").read_text() == "a\n1.0\n2.0\n"
        assert Path("t.csv").rename("u.csv").exists()


# --- what a machine refuses -------------------------------------------------------------------------


def test_a_project_of_too_many_folders_says_that_it_is_not_watched(project: Project) -> None:
    for number in range(2001):
        Path(f"many/{number}").mkdir(parents=True)
    with FileWatch(project) as reads:
        pass
    assert reads.layers_text == (
        "Python; native readers (pyarrow, polars, duckdb, h5py, …) and child processes are not seen "
        "here (more than 2000 folders). Type: %mlops deep on"
    )


def test_too_many_folders_behind_a_link_leave_the_project_watched(
    project: Project, tmp_path: Path
) -> None:
    for number in range(2001):
        (tmp_path / f"big/{number}").mkdir(parents=True)
    Path("t.csv").write_text("a\n")
    Path("big").symlink_to(tmp_path / "big")
    with FileWatch(project) as reads:
        _shell("cat t.csv > /dev/null")
    if "fanotify" not in reads.layers:
        pytest.skip("this machine refuses fanotify")
    assert _seen(reads) == (["t.csv"], [])
    assert reads.blind == (
        "some native readers (pyarrow, polars, duckdb, h5py, …) and child processes are not seen "
        "here (behind the link big: more than 2000 folders)"
    )


def test_a_machine_without_fanotify_is_told_by_the_run(
    project: Project, cell: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanotify, "FanotifyWatch", _refused)
    cell("%%mlops run blind\nx = 1")
    assert "not seen here (Operation not permitted)" in runs.get("blind").tags["mlops.lineage"]
    assert "lineage" in str(runs.show("blind"))
