"""Deep mode: the shim beside a real kernel, in jobs, and where it cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient

from jupyter_mlops import jobs, runs, workspace
from jupyter_mlops.errors import BackendFailed, MlopsError
from jupyter_mlops.project import Project
from jupyter_mlops.runs.capture import deep_setup
from jupyter_mlops.workspace import checkup

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

_BEGIN = """
import os, sys
from pathlib import Path
from jupyter_mlops.project import Project
from jupyter_mlops.runs.capture import deep, fanotify
from jupyter_mlops.runs.capture.file_reads import FileWatch
def refused(*_, **__):
    raise OSError(1, "Operation not permitted")
fanotify.FanotifyWatch = refused
project = Project.find()
def seen(reads):
    return [project.relative(p) for p in reads.inputs], [project.relative(p) for p in reads.outputs]
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deep_setup.compiled(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def python(project: Project, library: Path) -> Callable[..., str]:
    """Give a function that runs a program in a Python that has the shim, and returns its output."""

    def run(program: str, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", _BEGIN + program],
            env=os.environ | {"LD_PRELOAD": str(library)} | more,
            capture_output=True,
            check=False,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
        assert "ld.so" not in done.stderr
        return done.stdout

    Path("t.csv").write_text("a\n1\n")
    return run


def test_native_readers_writers_and_children_are_seen(python: Callable[..., str]) -> None:
    told = python(
        "import pyarrow as pa\n"
        "with FileWatch(project) as reads:\n"
        "    pa.OSFile('t.csv').read()\n"
        "    pa.OSFile('native.csv', 'w').write(b'1')\n"
        "    os.system('cp t.csv copied.csv; mv copied.csv moved.csv; cat moved.csv > /dev/null')\n"
        "    os.system('echo 2 >> t.csv')\n"
        "print(seen(reads), reads.layers_text)"
    )
    assert told == "(['t.csv'], ['native.csv', 'moved.csv']) Python, deep\n"


def test_a_worker_that_was_started_before_the_cell_is_seen_too(python: Callable[..., str]) -> None:
    told = python(
        "import subprocess\n"
        "worker = subprocess.Popen(['sh', '-c', 'read line; cat t.csv'], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)\n"
        "with FileWatch(project) as reads:\n"
        "    worker.communicate(b'go\\n')\n"
        "print(seen(reads))"
    )
    assert told == "(['t.csv'], [])\n"


def test_relative_names_links_and_descriptors_come_to_the_same_names(
    python: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "outside.csv").write_text("a\n")
    Path("linked.csv").symlink_to(tmp_path / "outside.csv")
    Path("sub").mkdir()
    Path("sub/u.csv").write_text("a\n")
    told = python(
        "with FileWatch(project) as reads:\n"
        "    os.system('cat linked.csv ./sub/../sub//u.csv; cd sub; cat ../t.csv')\n"
        "    folder = os.open('sub', os.O_RDONLY)\n"
        "    os.close(os.open('u.csv', os.O_RDONLY, dir_fd=folder))\n"
        "    os.system(f'cat {project.root.parent}/outside.csv /etc/hostname')\n"
        "print('inputs', sorted(seen(reads)[0]))"
    )
    assert told.splitlines()[-1] == "inputs ['linked.csv', 'sub/u.csv', 't.csv']"


def test_open_is_what_it_was(python: Callable[..., str]) -> None:
    """Errors, modes, flags and the fresh file's permissions, through Python and through C."""
    told = python(
        "import ctypes, errno\n"
        "c = ctypes.CDLL(None, use_errno=True)\n"
        "os.umask(0)\n"
        "with FileWatch(project):\n"
        "    for path in (b'absent', b't.csv/below', b'x' * 300, b'/' + b'd/' * 3000, b''):\n"
        "        ctypes.set_errno(0)\n"
        "        print(c.open(path, 0), errno.errorcode[ctypes.get_errno()], end=' ')\n"
        "    print(c.open(None, 0), errno.errorcode[ctypes.get_errno()])\n"
        "    ctypes.set_errno(7)\n"
        "    got = c.open(b't.csv', 0)\n"
        "    print(got > 2, ctypes.get_errno(), os.read(got, 9))\n"
        "    fresh = c.open(b'fresh', os.O_CREAT | os.O_WRONLY, 0o640)\n"
        "    print(oct(os.stat('fresh').st_mode), c.fopen(b'absent', b'r'), c.rename(b'absent', b'b'))\n"
        "    print(c.creat(b'made', 0o600) > 2, oct(os.stat('made').st_mode))\n"
    )
    assert told.splitlines() == [
        "-1 ENOENT -1 ENOTDIR -1 ENAMETOOLONG -1 ENAMETOOLONG -1 ENOENT -1 EFAULT",
        "True 7 b'a\\n1\\n'",
        "0o100640 0 -1",
        "True 0o100600",
    ]


def test_many_threads_and_processes_note_at_once_without_losing_one(
    python: Callable[..., str],
) -> None:
    told = python(
        "import multiprocessing, threading\n"
        "def make(part):\n"
        "    def work(thread):\n"
        "        for n in range(100):\n"
        "            path = f'{part}-{thread}-{n}.txt'\n"
        "            open(path, 'w').close()\n"
        "            open('t.csv').close()\n"
        "    threads = [threading.Thread(target=work, args=(t,)) for t in range(4)]\n"
        "    [t.start() for t in threads], [t.join() for t in threads]\n"
        "with FileWatch(project) as reads:\n"
        "    ps = [multiprocessing.get_context('fork').Process(target=make, args=(p,)) for p in range(4)]\n"
        "    [p.start() for p in ps], [p.join() for p in ps]\n"
        "print(len(reads.inputs), len(reads.outputs), reads.blind)"
    )
    assert told == "1 1600 \n"


def test_a_child_that_is_killed_while_it_reads_harms_nothing(python: Callable[..., str]) -> None:
    told = python(
        "import subprocess, time\n"
        "for _ in range(5):\n"
        "    with FileWatch(project) as reads:\n"
        "        child = subprocess.Popen(['sh', '-c', 'while :; do cat t.csv; done'], stdout=subprocess.DEVNULL)\n"
        "        time.sleep(0.1)\n"
        "        child.kill(); child.wait()\n"
        "    print(seen(reads), end='')"
    )
    assert told == "(['t.csv'], [])" * 5


@pytest.mark.slow
def test_more_files_than_there_is_room_for_are_told(python: Callable[..., str]) -> None:
    told = python(
        "folder = 'd' * 240\n"
        "os.makedirs(f'{folder}/{folder}')\n"
        "with FileWatch(project) as reads:\n"
        "    for n in range(17000):\n"
        "        os.close(os.open(f'{folder}/{folder}/{n}', os.O_CREAT | os.O_RDONLY))\n"
        "print(reads.blind)"
    )
    assert told == (
        "some native readers (pyarrow, polars, duckdb, h5py, …) and child processes are not seen "
        "here (too many files; the list is not complete)\n"
    )


def test_a_child_that_records_while_its_parent_does_says_that_it_is_not_deep(
    python: Callable[..., str],
) -> None:
    child = _BEGIN + "with FileWatch(project) as inner:\n    pass\nprint(inner.layers_text)"
    told = python(
        f"import subprocess\nchild = {child!r}\n"
        "with FileWatch(project) as reads:\n"
        "    pass\n"
        "subprocess.run([sys.executable, '-c', child])\n"
        "with FileWatch(project) as reads:\n"
        "    subprocess.run([sys.executable, '-c', child])\n",
        MLOPS_LINEAGE_DEEP="1",
    )
    first, second = told.splitlines()
    assert first == "Python, deep"
    assert second.startswith(
        "Python, deep mode is off: a process of this kernel is recording already; native readers"
    )


def test_a_stale_channel_is_not_believed(python: Callable[..., str]) -> None:
    for name in ("/proc/1/fd/0", "/dev/zero", str(Path("t.csv").absolute()), "/nowhere", ""):
        told = python(
            "with FileWatch(project) as reads:\n    os.system('cat t.csv > /dev/null')\nprint(seen(reads))",
            MLOPS_LINEAGE_CHANNEL=name,
        )
        assert told == "(['t.csv'], [])\n"
    assert Path("t.csv").read_text() == "a\n1\n"


def test_a_statically_linked_program_runs_and_is_not_seen(
    python: Callable[..., str], tmp_path: Path
) -> None:
    source = tmp_path / "still.c"
    source.write_text('#include <stdio.h>\nint main(void) { return !fopen("t.csv", "r"); }')
    made = subprocess.run(["cc", "-static", "-o", "still", str(source)], check=False)
    if made.returncode:
        pytest.skip("no static C library here")
    told = python(
        "with FileWatch(project) as reads:\n    print(os.system('./still'))\nprint(seen(reads))"
    )
    assert told == "0\n([], [])\n"


def _execute(project: Project, kernel: str, *cells: str) -> list[Any]:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    place = {"metadata": {"path": str(project.root)}}
    NotebookClient(notebook, timeout=120, kernel_name=kernel, resources=place).execute()
    return [cell.outputs for cell in notebook.cells]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an environment's own folder of kernels, which is not the one that the tests run in."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "env/share/jupyter"))
    return tmp_path / "env/share/jupyter/kernels/mlops-deep"


def test_one_line_makes_a_kernel_in_which_a_recorded_cell_is_deep(
    project: Project, home: Path
) -> None:
    Path("t.csv").write_text("a\n1\n")
    assert "Choose 'Python 3 (deep lineage)' under Kernel" in deep_setup.deep("on")
    assert deep_setup.deep("on")  # again changes nothing
    outputs = _execute(
        project,
        "mlops-deep",
        "%load_ext jupyter_mlops\n%mlops deep on",
        "%%mlops run deep\nimport duckdb\nrows = duckdb.sql(\"select count(*) from 't.csv'\").fetchall()",
    )
    assert "This kernel has deep lineage" in outputs[0][0]["text"]
    run = runs.get("deep")
    assert [use.path for use in run.data] == ["t.csv"]
    assert run.tags["mlops.lineage"] in {"Python, fanotify, deep", "Python, deep"}
    assert (
        deep_setup.deep("off")
        == "The kernel 'Python 3 (deep lineage)' is removed; restart those that still run"
    )
    assert deep_setup.deep("off") == "There is no kernel 'Python 3 (deep lineage)'"
    assert not home.exists()


@pytest.mark.slow
def test_a_job_s_kernel_is_deep_where_the_settings_say_so(project: Project) -> None:
    Path("t.csv").write_text("a\n1\n")
    with Path("mlops.toml").open("a") as settings:
        settings.write("\n[lineage]\ndeep = true\n")
    cells = [
        "%load_ext jupyter_mlops",
        "%%mlops run inside\nimport os\n_ = os.system('cat t.csv > /dev/null')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, "job.ipynb")
    execution = jobs.run("job.ipynb", project=Project.find())
    assert execution.status == "finished"
    run = runs.get("inside")
    assert [use.path for use in run.data] == ["t.csv"]
    assert run.tags["mlops.lineage"].endswith("deep")
    (finding,) = (item for item in workspace.doctor() if item.part == "lineage")
    assert finding.status == "ok"
    assert "deep mode is off: this kernel was started without it" in finding.detail


def test_without_a_compiler_one_line_says_what_to_install(
    project: Project, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MlopsError, match=r"needs a C compiler.*Debian: apt-get install gcc"):
        deep_setup.deep("on")
    monkeypatch.setenv("MLOPS_LINEAGE_DEEP", "1")
    assert deep_setup.environment(Project.find()) == {}
    finding = checkup._lineage(Project.find())
    assert (finding.status, finding.fix[:11]) == ("broken", "Install one")
    monkeypatch.setenv("CC", "/nowhere/cc")
    with pytest.raises(MlopsError, match="CC names a compiler that is not here: /nowhere/cc"):
        deep_setup.deep("on")
    monkeypatch.setenv("CC", "/bin/false")
    with pytest.raises(BackendFailed, match="does not compile: no reason given"):
        deep_setup.deep("on")
    assert not list(home.glob("*"))


def test_on_another_system_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(MlopsError, match="works on Linux only"):
        deep_setup.compiled(tmp_path)


def test_a_library_that_was_preloaded_already_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_PRELOAD", "/lib/malloc.so:/old/lineage-1234.so")
    assert deep_setup._preload(Path("/new/lineage-5.so")) == {
        "LD_PRELOAD": "/new/lineage-5.so:/lib/malloc.so"
    }
