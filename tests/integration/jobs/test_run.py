"""`job run` on a real kernel: recorded as a run, and never finished unless every cell ran."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from jupyter_mlops import jobs, runs
from jupyter_mlops.errors import Conflict, NotFound, UsageError

if TYPE_CHECKING:
    from jupyter_mlops.project import Project


def test_a_notebook_runs_with_parameters_and_is_recorded(
    project: Project, write: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(
        "train.ipynb",
        "# Knobs",
        ("parameters", "n: int = 100  # trees\nhalf = n // 2"),
        "# Train",
        "import os\nprint(n, half, os.getcwd(), os.environ['MLOPS_ROOT'])",
        "'the end'",
    )
    before = (project.root / name).read_bytes()
    execution = jobs.run(name, params={"n": "200"}, output="out/executed.ipynb")
    assert (execution.status, execution.error, execution.failed_cell) == ("finished", "", None)
    assert execution.params == {"n": 200}
    assert (project.root / name).read_bytes() == before, "the user's notebook was changed"

    run = runs.get(execution.run_id)
    assert (run.status, run.kind, run.name, run.notebook) == ("finished", "job", "train", name)
    assert run.params == {"n": "200"}
    assert name in run.artifacts

    kept = nbformat.read(project.state / "jobs" / execution.run_id / name, 4)
    assert kept.cells[3].outputs[0].text == f"200 100 {project.root} {project.root}\n"
    assert kept.metadata.papermill.parameters == {"n": 200}
    assert {cell.metadata.papermill.status for cell in kept.cells} == {"completed"}
    assert nbformat.read(project.root / "out" / "executed.ipynb", 4) == kept

    lines = capsys.readouterr().err
    assert "[1/3] Knobs … " in lines
    assert "[2/3] Train … " in lines
    assert "[3/3] 'the end' … " in lines

    assert "200 100" in jobs.logs("train")
    assert [item.run_id for item in jobs.executions("train")] == [execution.run_id]
    (job,) = jobs.list()
    assert (job.name, job.last_run, job.last_status, job.cron) == (
        "train",
        execution.run_id,
        "finished",
        "",
    )
    events = [json.loads(line) for line in project.events.read_text().splitlines()]
    assert [(e["action"], e["name"]) for e in events if e["noun"] == "job"] == [
        ("started", "train"), ("finished", "train"),
    ]  # fmt: skip
    with pytest.raises(Conflict, match="finished already"):
        jobs.cancel("train")


def test_numbers_of_recorded_cells_and_of_plain_mlflow_become_the_jobs(write: Any) -> None:
    name = write(
        "train.ipynb",
        "%load_ext jupyter_mlops\nimport mlflow",
        "%%mlops run inner\nscore = sum([0.5, 0.25])",
        "mlflow.log_metric('plain', 2.0)",
        "%%mlops run second\nother = sum([1.0, 2.0])",
        "mlflow.log_metric('again', 3.0)",
    )
    execution = jobs.run(name)
    assert execution.error == ""
    assert execution.metrics == {"score": 0.75, "plain": 2.0, "other": 3.0, "again": 3.0}
    assert runs.get(execution.run_id).metrics == {
        "score": 0.75,
        "plain": 2.0,
        "other": 3.0,
        "again": 3.0,
    }
    inner = runs.get("inner")
    assert (inner.kind, inner.status, inner.parent) == ("cell", "finished", execution.run_id)


def test_an_untagged_notebook_takes_the_value_given_for_its_constant(write: Any) -> None:
    name = write("plain.ipynb", "z = 1\ny = z * 2", "print(y)")
    execution = jobs.run(name, params={"z": 5})
    assert execution.status == "finished"
    assert "10" in jobs.logs(execution.run_id)


FAILS = {
    "an error": ("print('before')\n1 / 0", "ZeroDivisionError: division by zero (cell 2)"),
    "a dead kernel": ("import os\nos._exit(0)", "the kernel died (cell 2)"),
    "exit": ("exit()", "the notebook ended the kernel (cell 2)"),
    "sys.exit": ("import sys\nsys.exit(0)", "it called sys.exit (cell 2)"),
    "a recorded cell": ("%load_ext jupyter_mlops\nget_ipython().run_cell_magic('mlops', 'run a', '1 / 0')", "ZeroDivisionError"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILS)
def test_a_job_whose_cell_fails_has_failed_and_says_where(
    case: str, project: Project, write: Any
) -> None:
    source, error = FAILS[case]
    execution = jobs.run(write("bad.ipynb", "x = 1", source, "print('after')"))
    assert execution.status == "failed"
    assert execution.failed_cell == 2
    assert error in execution.error
    run = runs.get(execution.run_id)
    assert (run.status, run.error) == ("failed", execution.error)
    kept = nbformat.read(project.state / "jobs" / execution.run_id / "bad.ipynb", 4)
    assert [cell.metadata.papermill.status for cell in kept.cells] == [
        "completed",
        "failed",
        "pending",
    ]
    (listed,) = jobs.executions()
    assert (listed.failed_cell, listed.error) == (2, execution.error)


def test_a_kernel_that_dies_as_its_last_cell_ends_has_not_finished(write: Any) -> None:
    source = "import os, threading\nthreading.Timer(0.01, os._exit, (0,)).start()"
    execution = jobs.run(write("late.ipynb", source))
    assert execution.status == "failed"
    assert "the kernel died" in execution.error


def test_a_job_stops_at_its_timeout(write: Any) -> None:
    execution = jobs.run(write("slow.ipynb", "import time", "time.sleep(600)"), timeout=3)
    assert execution.status == "failed"
    assert execution.error == "stopped after the timeout of 3 s (cell 2)"
    assert (execution.duration or 999) < 500


def test_cells_that_may_fail_and_cells_to_skip_do_as_they_say(write: Any) -> None:
    name = write(
        "tags.ipynb",
        ("raises-exception", "1 / 0"),
        ("skip-execution", "import nothing_at_all"),
        "print('reached')",
    )
    execution = jobs.run(name)
    assert execution.status == "finished"
    assert "reached" in jobs.logs(execution.run_id)


def test_what_would_fail_is_refused_unless_forced(write: Any) -> None:
    name = write("wrong.ipynb", "print(nowhere)", "print(neither)")
    with pytest.raises(UsageError, match=r"cell 1: 'nowhere' is not defined \(and 1 more\)"):
        jobs.run(name)
    assert len(runs.list()) == 0, "nothing was recorded"
    execution = jobs.run(name, force=True)
    assert (execution.status, execution.failed_cell) == ("failed", 1)


def test_bad_words_are_one_line(write: Any, project: Project) -> None:
    name = write("ok.ipynb", ("parameters", "n = 1"))
    for call, what in (
        (lambda: jobs.run("none.ipynb"), "No notebook none.ipynb"),
        (lambda: jobs.run(name, params={"m": "1"}), "no parameter 'm'"),
        (lambda: jobs.run(name, params={"n": "x"}), "expects int"),
        (lambda: jobs.run(name, params={"n": "x"}, force=True), "expects int"),
        (lambda: jobs.run(name, output=name), "is the notebook itself"),
        (lambda: jobs.run(name, output="out.txt"), "is not a notebook"),
        (lambda: jobs.run(name, cwd="nowhere"), "No folder nowhere"),
        (lambda: jobs.logs("nothing"), "nothing"),
        (lambda: jobs.cancel("nothing"), "nothing"),
        (lambda: jobs.executions("nothing"), "No job 'nothing'"),
    ):
        with pytest.raises((UsageError, NotFound), match=what):
            call()
    assert len(runs.list()) == 0


def test_the_command_prints_one_document_and_exits_by_the_outcome(
    write: Any, project: Project
) -> None:
    write("ok.ipynb", "import os\nos.system('echo noise')\nprint('quiet')")
    write("bad.ipynb", "raise ValueError('no')")

    def shell(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "jupyter_mlops.cli", "job", *words],
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip

    good = shell("run", "ok.ipynb", "--json")
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["status"] == "finished"
    bad = shell("run", "bad.ipynb")
    assert bad.returncode == 1
    assert "ValueError: no (cell 1)" in bad.stdout
    assert "Traceback" not in bad.stderr
    assert shell("run", "none.ipynb").returncode == 2
