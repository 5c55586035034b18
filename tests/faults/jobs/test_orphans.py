"""`kill -9` at random moments while a cell starts every kind of process: none of them is left, and no folder."""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from jupyter_mlops import jobs, runs
from jupyter_mlops.jobs import state
from jupyter_mlops.processes import keeper, owned
from jupyter_mlops.processes.identity import process_start
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_mlops.project import Project
    from tests.trials import Trials

PYTHON = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
TOKEN = "ORPHANS_TOKEN"
# One process of each kind; TAG is in the arguments of every one of them.
KINDS = r'''
import os, subprocess, sys, time
tag = os.environ["ORPHANS_TOKEN"]
def start(*words, **options):
    subprocess.Popen(words, **options)
start("sleep", f"600.{tag}")
start("sleep", f"601.{tag}", start_new_session=True)
start("sh", "-c", f"nohup sleep 602.{tag} >/dev/null 2>&1 &")
start("sh", "-c", f"(setsid sleep 603.{tag} &) &", cwd="/")
start("bash", "-c", f"trap '' TERM INT HUP; while :; do sleep 604.{tag}; done", start_new_session=True)
start("bash", "-c", f"while :; do sleep 0.05; setsid sleep 605.{tag} & done")
start(sys.executable, "-c", f"""
import os, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.chdir("/")
for fd in range(3): os.close(fd)
time.sleep(606)
'{tag}'""")
'''
# It clears its environment, forks twice and leaves the session: only the keeper finds it.
HIDDEN = 'start("sh", "-c", f"(setsid env -i sleep 607.{tag} &) &", cwd="/")\n'
BLOCKS = "open(f'started-{tag}', 'w').close()\ntime.sleep(600)\n"
DRIVER = """
import os, sys, nbformat
from pathlib import Path
from jupyter_mlops.processes import owned
from jupyter_mlops.jobs import papermill_engine
from jupyter_mlops.jobs import notebook as notebooks

path = Path(sys.argv[1])
content = nbformat.read(path, 4)
(path.parent / "out").mkdir(exist_ok=True)
outcome = papermill_engine.execute(papermill_engine.ExecutionRequest(
    path=path, notebook=content, cells=notebooks.code_cells(content), kernel="python3", folder=path.parent,
    output=path.parent / "out" / path.name, environment=owned.marked(dict(os.environ), "a-name"), mark="a-name",
    timeout=float(sys.argv[2])))
print(outcome.error)
"""


def write(path: Path, *cells: str) -> Path:
    content = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=PYTHON
    )
    nbformat.write(content, path)
    return path


def of(tag: str) -> dict[int, str]:
    """Return the processes that have the tag in their arguments or environment, zombies left out."""
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            words = Path("/proc", name, "cmdline").read_bytes()
            environment = Path("/proc", name, "environ").read_bytes()
        except OSError:
            continue
        if tag.encode() in words + environment and process_start(int(name)) is not None:
            found[int(name)] = words.replace(b"\0", b" ").decode()[:600]
    return found


def none_left(tag: str) -> None:
    eventually(lambda: not of(tag))


@pytest.fixture
def tag(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A number that is in the arguments or in the environment of every process of one test."""
    tag = str(secrets.randbelow(10**12) + 10**12)
    monkeypatch.setenv(TOKEN, tag)
    yield tag
    for pid in of(tag):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short temporary folder of this test's own: a socket's path must fit into 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="t") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def driver(notebook: Path, tag: str, timeout: float = 0) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(notebook), str(timeout)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, TOKEN: tag},
    )


def keeper_and_kernel(tag: str) -> tuple[int, int] | None:
    found = of(tag)
    keepers = [pid for pid, words in found.items() if "keeper.py" in words]
    kernels = [
        pid for pid, words in found.items() if "ipykernel" in words and "keeper.py" not in words
    ]
    return (keepers[0], kernels[0]) if keepers and kernels else None


def killed(victim: str, tmp_path: Path, source: random.Random, *, patient: bool) -> None:
    """Start an execution, kill one of its processes at a random moment, and see that nothing is left."""
    tag = str(source.randrange(10**12, 10**13))
    hidden = "" if "keeper" in victim else HIDDEN
    notebook = write(tmp_path / f"n{tag}.ipynb", KINDS + hidden + BLOCKS)
    process = driver(notebook, tag)
    try:
        if patient:
            eventually((tmp_path / f"started-{tag}").exists)
        else:
            eventually(lambda: "keeper.py" in str(of(tag)))
            time.sleep(source.uniform(0, 2.5))
        if victim == "executor":
            process.kill()
        else:
            keeper_pid, kernel_pid = eventually(lambda: keeper_and_kernel(tag))
            if victim == "executor and keeper":
                process.kill()
                os.kill(keeper_pid, signal.SIGKILL)
                process.wait()
                # Nobody is left to look: the next execution, or `job list`, does.
                assert owned.end_orphans()
            else:
                os.kill(keeper_pid if victim == "keeper" else kernel_pid, signal.SIGKILL)
        process.wait(600)
        none_left(tag)
    finally:
        process.kill()
        process.wait()
        for pid in of(tag):
            os.kill(pid, signal.SIGKILL)


VICTIMS = ("executor", "kernel", "keeper", "executor and keeper")


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_kill_leaves_no_process_and_no_folder(
    victim: str, tmp_path: Path, temporary: Path, trials: Trials
) -> None:
    killed(victim, tmp_path, random.Random(victim), patient=True)
    if victim != "executor and keeper":
        assert [*temporary.glob("mlops-*")] == []
    trials(f"kill -9 of the {victim} of an execution, 8 kinds of children", 1, "no process left")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("victim", VICTIMS)
def test_kills_at_random_moments_leave_no_process(
    victim: str, tmp_path: Path, temporary: Path, trials: Trials
) -> None:
    source = random.Random(f"{victim} 1")
    number = 25
    for _ in range(number):
        killed(victim, tmp_path, source, patient=False)
    trials(
        f"kill -9 of the {victim}, random moments, 8 kinds of children", number, "no process left"
    )
    # What two kills at once left behind, the next one removes.
    subprocess.run(
        [sys.executable, "-c", "from jupyter_mlops import temporary as t\nwith t.folder(): pass"],
        check=True,
    )
    assert [*temporary.glob("mlops-*")] == []


def test_an_execution_that_ends_by_itself_or_by_its_timeout_leaves_none(
    tmp_path: Path, tag: str, trials: Trials
) -> None:
    for cell, timeout in (("pass", 0.0), ("1 / 0", 0.0), ("time.sleep(600)", 8.0)):
        process = driver(write(tmp_path / "n.ipynb", KINDS + HIDDEN + cell), tag, timeout)
        assert process.wait(600) == 0
        assert of(tag) == {}, "gone before it is told to be over"
    trials("executions that finish, fail, run into their timeout", 3, "no process left")


def test_a_service_that_was_detached_stays(tmp_path: Path, tag: str) -> None:
    cell = (
        "import os, subprocess\n"
        "subprocess.Popen(['sleep', '600.' + os.environ['ORPHANS_TOKEN']],"
        " env={**os.environ, 'MLOPS_OUTLIVES': '1'}, start_new_session=True)"
    )
    assert driver(write(tmp_path / "n.ipynb", cell), tag).wait(600) == 0
    assert [*of(tag).values()] == [f"sleep 600.{tag} "]
    assert owned.end_orphans()
    assert len(of(tag)) == 1, "its executing process is gone, and it stays"


def test_a_job_run_that_is_killed_is_cleaned_by_the_next_command(
    project: Project, tag: str, trials: Trials
) -> None:
    write(project.root / "slow.ipynb", KINDS + BLOCKS)
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyter_mlops.cli", "job", "run", "slow.ipynb"]
    )
    eventually((project.root / f"started-{tag}").exists)
    pair = keeper_and_kernel(tag)
    assert pair is not None
    process.kill()
    os.kill(pair[0], signal.SIGKILL)
    process.wait()
    jobs.list()
    assert of(tag) == {}
    assert runs.list(kind="job")[0].status == "killed"
    assert [*(project.state / "jobs").glob("*/process.json")] == []
    trials("kill -9 of `job run` and its keeper; then `job list`", 1, "no process left")


def test_only_the_very_process_is_ended(tmp_path: Path, tag: str, trials: Trials) -> None:
    """What looks like ours and is not stays."""
    dead = subprocess.Popen(["true"])
    found = keeper.status(dead.pid)
    dead.wait()
    start = found[2] if found else 1
    mark = f"name:{dead.pid}:{start}"
    me = keeper.status(os.getpid())
    assert me is not None
    innocent = [
        # The same text as an argument, in another variable, in a variable whose name begins alike.
        (["sleep", "600", f"MLOPS_EXECUTION={mark}"], {}),
        (["sleep", "600"], {"OTHER": f"MLOPS_EXECUTION={mark}"}),
        (["sleep", "600"], {"MLOPS_EXECUTION_NOTE": mark}),
        # No mark that we wrote.
        (["sleep", "600"], {"MLOPS_EXECUTION": "name"}),
        (["sleep", "600"], {"MLOPS_EXECUTION": "name:-1:0"}),
        (["sleep", "600"], {"MLOPS_EXECUTION": f"name:{'9' * 5000}:1"}),
        # The executing process lives.
        (["sleep", "600"], {"MLOPS_EXECUTION": f"other:{os.getpid()}:{me[2]}"}),
    ]
    living = [
        subprocess.Popen(
            [*words, tag] if len(words) > 2 else words, env={**os.environ, **variables}
        )
        for words, variables in innocent[1:]
    ]
    living.append(
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", innocent[0][0][2]])
    )
    ours = subprocess.Popen(["sleep", "600"], env={**os.environ, "MLOPS_EXECUTION": mark})
    try:
        assert owned.end_orphans()
        assert ours.wait(60) == -signal.SIGKILL, "it carries the mark of a dead process"
        owned.end_marked("nobody")
        assert [process.poll() for process in living] == [None] * len(living)
        # A reused pid has another start.
        status = keeper.status(living[0].pid)
        assert status is not None
        keeper.tell((living[0].pid, status[2] + 1), signal.SIGKILL)
        time.sleep(0.2)
        assert living[0].poll() is None
    finally:
        for process in [*living, ours]:
            process.kill()
            process.wait()
    trials("processes that look like an execution's and are not", len(living) + 1, "none was ended")


def test_a_note_that_names_somebody_elses_process_ends_nobody(
    project: Project, trials: Trials
) -> None:
    victim = subprocess.Popen(["sleep", "600"], start_new_session=True)
    start = process_start(victim.pid)
    notes = [
        # The executing process is dead, the kernel is the victim.
        f'{{"pid": 999999999, "start": 1.0, "kernel_pid": {victim.pid}, "kernel_start": {start}}}',
        f'{{"pid": {victim.pid}, "start": 1.0, "kernel_pid": {victim.pid}, "kernel_start": {start}}}',
        f'{{"pid": {victim.pid}, "start": {start}}}',
        '{"pid": "../../etc/passwd", "start": 1.0}',
        '{"pid": [1], "start": {}}',
        '{"pid": -1, "start": 1.0, "kernel_pid": -1, "kernel_start": 1.0}',
        '{"pid": 1e400, "start": NaN}',
        "[" * 50_000,
        '{"pid": ' + "9" * 5000 + ', "start": 1.0}',
        "\x00\xff",
        "[]",
        "",
    ]
    try:
        for number, note in enumerate(notes):
            folder = state.folder(project, f"run{number}")
            folder.mkdir(parents=True)
            (folder / "process.json").write_text(note)
        (state.folder(project, "pipe")).mkdir()
        os.mkfifo(state.folder(project, "pipe") / "process.json")
        elsewhere = project.root / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "process.json").write_text(notes[0])
        state.folder(project, "link").symlink_to(elsewhere)
        state.reap(project)
        assert [*jobs.list()] == []
        assert victim.poll() is None
        assert (elsewhere / "process.json").exists(), "a link is not followed"
    finally:
        victim.kill()
        victim.wait()
    trials("process.json: garbage, or naming somebody else's process", len(notes) + 2)
