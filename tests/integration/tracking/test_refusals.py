"""A store that is away, refuses us or is new: one line, soon, and never the password."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import runs, workspace
from jupyter_mlops.cli import main
from jupyter_mlops.errors import BackendFailed, MissingBackend, ServerAway
from jupyter_mlops.project import Project
from tests.team import PASSWORD, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.team import Postgres

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def _with(project: Project, uri: str) -> Project:
    (project.root / "mlops.toml").write_text(f'[tracking]\nuri = "{uri}"\n')
    return Project.find(project.root)


@pytest.mark.parametrize("scheme", ["http", "postgresql"])
def test_a_store_that_does_not_answer_is_told_at_once(
    project: Project, scheme: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _with(project, f"{scheme}://me:{PASSWORD}@127.0.0.1:{free_port()}/team")
    started = time.monotonic()
    assert main(["run", "list"]) == 1
    assert time.monotonic() - started < 10
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"{scheme}://me:***@127.0.0.1" in line
    assert "does not answer: [Errno 111] Connection refused. Check tracking.uri" in line


def test_a_name_that_nobody_has_is_told_at_once(project: Project) -> None:
    with pytest.raises(ServerAway, match=r"mlflow\.invalid does not answer: "):
        runs.list(project=_with(project, "https://mlflow.invalid"))


def test_a_wrong_password_is_told_and_not_shown(project: Project, postgres: Postgres) -> None:
    uri = postgres.uri("postgres").replace(PASSWORD, f"not%20{PASSWORD}")
    started = time.monotonic()
    with pytest.raises(BackendFailed, match="password authentication failed") as refused:
        runs.list(project=_with(project, uri))
    assert time.monotonic() - started < 10
    assert not isinstance(refused.value, ServerAway)
    assert PASSWORD not in str(refused.value)


def test_a_database_that_does_not_exist_is_told(project: Project, postgres: Postgres) -> None:
    with pytest.raises(BackendFailed, match='database "nobodys" does not exist'):
        runs.list(project=_with(project, postgres.uri("nobodys")))


def test_an_address_that_is_none_is_told_without_its_password(project: Project) -> None:
    for uri in (f"postgresql://me:{PASSWORD}@127.0.0.1:port/team", f"gopher://me:{PASSWORD}@there"):
        with pytest.raises(BackendFailed) as refused:
            runs.list(project=_with(project, uri))
        assert PASSWORD not in str(refused.value)


def test_a_missing_driver_is_told_with_what_to_install(
    project: Project, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingBackend, match=r"pip install 'jupyter-mlops\[postgres\]'"):
        runs.list(project=_with(project, postgres.uri("any")))


def test_something_that_is_no_mlflow_is_told(project: Project, s3: str) -> None:
    with pytest.raises(BackendFailed, match="The tracking store http"):
        runs.list(project=_with(project, s3))


def test_a_new_postgresql_is_a_store_after_the_first_command(
    project: Project, postgres: Postgres
) -> None:
    project = _with(project, postgres.create(f"fresh_{os.getpid()}"))
    with runs.start("first", project=project) as run:
        run.log_metrics({"x": 1.0})
    assert [item.name for item in runs.list(project=project)] == ["first"]
    assert runs.get("first").status == "finished"


@pytest.mark.slow
def test_eight_processes_open_a_fresh_postgresql_at_once(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With MLflow's own first open, seven of eight fail."""
    monkeypatch.setenv("MLOPS_TRACKING_URI", postgres.create(f"race_{os.getpid()}"))
    workspace.init(str(tmp_path))
    program = (
        "from jupyter_mlops import runs\nwith runs.start('x') as run: run.log_metrics({'a': 1})"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", program], cwd=tmp_path, stderr=subprocess.PIPE
        )
        for _ in range(8)
    ]
    said = [process.communicate()[1].decode()[-600:] for process in running]
    assert [process.returncode for process in running] == [0] * 8, said
    assert [run.status for run in runs.list(project=Project.find(tmp_path))] == ["finished"] * 8
