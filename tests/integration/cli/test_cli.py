"""`jupyter mlops` in a terminal: results on standard output, all else on standard error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import data, runs

if TYPE_CHECKING:
    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def mlops(*words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jupyter_mlops.cli", *words], capture_output=True, text=True, check=False,
        cwd=folder, timeout=600,
    )  # fmt: skip


def test_it_is_a_jupyter_subcommand() -> None:
    jupyter = Path(sys.executable).with_name("jupyter")
    path = f"{jupyter.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [jupyter, "mlops", "-h"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PATH": path},
    )
    assert "jupyter mlops NOUN VERB" in done.stdout


def test_init_makes_a_project_and_again_changes_nothing(tmp_path: Path) -> None:
    first = json.loads(mlops("init", "--json", folder=tmp_path).stdout)
    assert first["made"] == ["git", "mlops.toml", "DVC", "MLflow (sqlite)"]
    files = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    second = json.loads(mlops("init", "--json", folder=tmp_path).stdout)
    assert second["made"] == []
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == files
    assert (tmp_path / ".git").is_dir()
    assert "/.mlops/" in (tmp_path / ".gitignore").read_text().splitlines()


def test_init_inside_a_git_repository_uses_it(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    inner = tmp_path / "analysis"
    done = json.loads(mlops("init", str(inner), "--json").stdout)
    assert "git" in done["found"]
    assert not (inner / ".git").exists()
    assert (inner / ".dvc").is_dir()


@pytest.mark.parametrize(
    "words",
    [
        ("run", "list"), ("data", "list"), ("job", "list"), ("model", "list"), ("service", "list"),
        ("drift", "history"), ("run",), ("doctor",),
    ],
    ids=" ".join,
)  # fmt: skip
def test_verbs_that_list_print_one_json_list_and_nothing_else(
    project: Project, words: tuple[str, ...]
) -> None:
    done = mlops(*words, "--json", folder=project.root)
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), list)


def test_what_was_recorded_keeps_its_names_in_json(project: Project) -> None:
    with runs.start("forest", kind="cell", params={"depth": 4}, project=project) as run:
        run.log_metrics({"auc": 0.9, "loss": float("nan")})
    (project.root / "t.csv").write_text("a\n1\n")
    data.add(["t.csv"], project=project)
    (found,) = json.loads(mlops("run", "list", "--json", folder=project.root).stdout)
    assert {key: found[key] for key in ("run_id", "name", "status", "kind", "params", "metrics", "data")} == {
        "run_id": run.run_id, "name": "forest", "status": "finished", "kind": "cell",
        "params": {"depth": "4"}, "metrics": {"auc": 0.9, "loss": None}, "data": [],
    }  # fmt: skip
    assert found["start_time"].endswith("Z")
    shown = json.loads(mlops("run", "show", "forest", "--json", folder=project.root).stdout)
    assert shown["run_id"] == run.run_id
    (listed,) = json.loads(mlops("data", "list", "--json", folder=project.root).stdout)
    assert {"path", "version", "size", "files", "status"} <= set(listed)
    status = json.loads(mlops("status", "--json", folder=project.root).stdout)
    assert (status["runs"], status["data"]) == (1, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("rnu",), "Unknown noun or verb 'rnu'. Did you mean 'run'?"),
        (("run", "lst"), "Did you mean 'list'?"),
        (("run", "list", "--limt", "3"), "Did you mean '--limit'?"),
        (("run", "show", "absent"), "No run 'absent'"),
        (("data", "add", "absent.csv"), "No file absent.csv"),
        (("data", "add"), "needs PATHS"),
        (("model", "promote", "absent"), "No registered model 'absent'"),
        (("job", "run", "absent.ipynb"), "absent.ipynb"),
        (("service", "start", "absent"), "absent"),
        (("service", "stop", "absent"), "absent"),
        (("drift", "check", "absent"), "absent"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    project: Project, words: tuple[str, ...], message: str
) -> None:
    done = mlops(*words, folder=project.root)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    # On a busy machine a line above it says that MLflow took seconds to load.
    lines = [line for line in done.stderr.splitlines() if not line.startswith("MLflow loaded")]
    assert len(lines) == 1
    assert lines[0].startswith("mlops: ")


def test_outside_a_project_every_noun_says_what_to_type(tmp_path: Path) -> None:
    for noun in ("run", "data", "job", "service", "status"):
        done = mlops(noun, folder=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert "jupyter mlops init" in done.stderr


def test_an_unreachable_tracking_server_is_one_line_and_exit_code_1(project: Project) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_mlops.cli", "run", "list"], capture_output=True, text=True, check=False,
        cwd=project.root, timeout=600,
        env=os.environ | {"MLOPS_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"},
    )  # fmt: skip
    assert done.returncode == 1
    assert "does not answer: [Errno 111]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_pipe_is_quiet(project: Project) -> None:
    command = f"{sys.executable} -m jupyter_mlops.cli -h | head -1"
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, check=False, cwd=project.root
    )
    assert "Traceback" not in done.stderr


def test_what_is_to_be_typed_has_the_form_of_a_terminal(tmp_path: Path) -> None:
    outside = mlops("run", "list", folder=tmp_path)
    assert outside.stderr.endswith("Type: jupyter mlops init\n")
    mlops("init", folder=tmp_path)
    assert mlops("job", "executions", folder=tmp_path).stdout == (
        "No executions yet. Type: jupyter mlops job run NOTEBOOK\n"
    )
    mlops("trust", "--off", folder=tmp_path)
    shown = mlops("status", folder=tmp_path).stdout
    assert "if you trust who made it: jupyter mlops trust" in shown


def test_a_users_code_is_shown_as_it_is(project: Project) -> None:
    with runs.start("a", project=project) as run:
        run.log_params({"note": "%mlops run list"})
    assert "%mlops run list" in mlops("run", "show", "a", folder=project.root).stdout


def test_what_only_a_notebook_has_is_not_offered_in_a_terminal() -> None:
    assert mlops("run", "curves").stderr == (
        "mlops: 'run curves' is for a notebook. Type there: %mlops run curves\n"
    )
    for words in (["-h"], ["run", "-h"]):
        assert "curves" not in mlops(*words).stdout
    assert mlops("run", "NAME").stderr.startswith("mlops: run has no verb 'NAME'. One of list, ")
    assert "curves" not in mlops("run", "NAME").stderr
