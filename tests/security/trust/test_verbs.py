"""Until its user trusts it, no verb runs anything of a project or contacts anybody for it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import cli, data, drift, jobs, runs, services, trust, workspace
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.magics import parser
from jupyter_mlops.processes.identity import process_start
from jupyter_mlops.project import Project
from jupyter_mlops.trust import NotTrusted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.security.trust.conftest import Foreign
    from tests.trials import Trials

#: A line for each verb, with the words that it needs; what only looks is allowed to succeed.
WORDS = {
    "auto": None,  # a notebook's
    "deep": None,  # the user's own kernels, no project
    "doctor": [],
    "init": None,  # it is a yes
    "scheduler": [],
    "status": [],
    "trust": None,  # it is a yes
    "run list": ["--sort", "accuracy"],
    "run show": ["x"],
    "run compare": ["x", "y"],
    "run curves": ["x"],
    "run parallel": [],
    "run why": ["x", "y"],
    "run reproduce": ["x"],
    "run export": ["x"],
    "run delete": ["x", "--yes"],
    "run restore": ["x"],
    "run sync": [],
    "data add": ["theirs.ipynb"],
    "data list": [],
    "data status": [],
    "data diff": ["data.csv"],
    "data checkout": [],
    "data push": [],
    "data pull": [],
    "data gc": ["--yes", "--older", "0"],
    "job check": ["theirs.ipynb"],
    "job run": ["x"],
    "job sweep": ["x", "-p", "a=1,2"],
    "job schedule": ["theirs.ipynb", "--cron", "* * * * *"],
    "job unschedule": ["nothing"],
    "job list": [],
    "job executions": [],
    "job logs": ["x"],
    "job cancel": ["x"],
    "model register": ["x"],
    "model promote": ["x"],
    "model list": [],
    "model evaluate": ["x", "--on", "mlops.toml"],
    "model gate": ["x"],
    "service build": ["x"],
    "service start": ["x"],
    "service test": ["x"],
    "service stop": ["x"],
    "service list": [],
    "service log": ["x"],
    "drift check": ["x"],
    "drift history": [],
    "drift show": ["x"],
}


def lines() -> list[list[str]]:
    """Return a line for every verb of the table; a verb without one fails the test."""
    verbs = [verb.words for noun in parser.nouns().values() for verb in noun.verbs if verb.name]
    verbs += [*parser.root_verbs()]
    verbs.remove("run run") if "run run" in verbs else None
    found = []
    for words in dict.fromkeys(verbs):
        if words not in WORDS:
            pytest.fail(
                f"'{words}' is a new verb: what does it do in a project that is not trusted?"
            )
        given = WORDS[words]
        if given is not None:
            found.append([*words.split(), *given])
    return found


def shell(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one line in a terminal, in the folder, as a user who has just unpacked it."""
    program = "import sys; from jupyter_mlops.cli import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-P", "-c", program, *words], cwd=folder, capture_output=True, text=True,
        check=False, timeout=600,
    )  # fmt: skip


def test_no_verb_contacts_the_host_that_the_settings_name(
    elsewhere: Foreign, trials: Trials, capfd: pytest.CaptureFixture[str]
) -> None:
    tried = 0
    for words in lines():
        code = cli.main(words)
        said = capfd.readouterr()
        assert code in {0, 1, 2}, words
        assert "Traceback" not in said.err, words
        assert elsewhere.asked == [], words
        assert elsewhere.marked() == [], words
        tried += 1
    assert not trust.is_trusted(elsewhere.root)
    trials("verbs in a project that is not trusted, its store elsewhere", tried)


def test_the_host_is_asked_once_the_project_is_trusted(elsewhere: Foreign) -> None:
    assert cli.main(["run", "list"]) == 2
    assert elsewhere.asked == []
    assert cli.main(["trust"]) == 0
    cli.main(["run", "list"])
    assert any("the-users-token" in line for line in elsewhere.asked)


def test_no_verb_runs_anything_of_the_folder(
    foreign: Foreign, trials: Trials, capfd: pytest.CaptureFixture[str]
) -> None:
    tried = 0
    for words in lines():
        if words[0] == "job" and words[1] in {"run", "sweep"}:
            continue  # they run the notebook that the user names, which is what was asked for
        code = cli.main(words)
        said = capfd.readouterr()
        assert "Traceback" not in said.err, words
        assert code in {0, 1, 2}, words
        assert foreign.marked() == [], words
        assert foreign.asked == [], words
        tried += 1
    assert not trust.is_trusted(foreign.root)
    assert not (foreign.root / ".mlops").exists(), "looking leaves nothing behind"
    trials("verbs in a project that is not trusted, its store in the folder", tried)


@pytest.mark.slow
def test_in_a_terminal_the_folder_shadows_no_module(foreign: Foreign, trials: Trials) -> None:
    for words in (["status"], ["doctor"], ["run", "list"], ["job", "list"], ["data", "list"]):
        done = shell(foreign.root, *words)
        assert "Traceback" not in done.stderr
        assert foreign.marked() == []
    trials("shadowing modules in the working folder of a command", 5 * 8)


def test_recording_trusts_a_folder_that_keeps_what_is_recorded(foreign: Foreign) -> None:
    (foreign.root / ".dvc" / "config").unlink()
    with runs.start("mine"):
        pass
    assert trust.is_trusted(foreign.root)
    assert [run.name for run in runs.list()] == ["mine"]


def refused_when_recording(why: str) -> None:
    with pytest.raises(NotTrusted, match=why) as error, runs.start("mine"):
        pytest.fail("it was recorded")
    assert error.value.status == 403
    assert not Project.find().trusted
    assert not [*(Project.find().state).glob("live/*")]


def test_recording_sends_nothing_elsewhere_without_a_yes(elsewhere: Foreign) -> None:
    refused_when_recording("elsewhere: http://127")
    assert elsewhere.asked == []


def test_recording_goes_into_no_store_that_came_with_the_folder(
    foreign: Foreign, project: Project
) -> None:
    (foreign.root / ".dvc" / "config").unlink()
    shutil.copytree(project.state, foreign.root / ".mlops")
    os.chdir(foreign.root)
    refused_when_recording("already contains a store")


@pytest.mark.parametrize(
    "line",
    [
        'tracking.uri = "sqlite:////somewhere/else.db"',
        'tracking.artifacts = "s3://theirs"',
        'data.remote = "ssh://theirs/data"',
    ],
)
def test_every_place_outside_needs_a_yes(foreign: Foreign, line: str) -> None:
    (foreign.root / ".dvc" / "config").unlink()
    (foreign.root / "mlops.toml").write_text(line)
    refused_when_recording("elsewhere")


@pytest.mark.parametrize(
    "settings",
    [
        # Each of these characters ends a line for DVC's parser.
        *(
            f"[cache]\ntype = copy{end}dir = /tmp/theirs\n"
            for end in "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\r"
        ),
        "[cache]\n'dir' = /tmp/theirs\n",
        "[cache]\ndir = '''\n/tmp/theirs'''\n",
        '[cache]\ndir = """/tmp/theirs\n"""\n',
        "[x]\na = /tmp/theirs\n[cache]\ndir = %(a)s\n",
    ],
    ids=ascii,
)
def test_every_place_that_dvc_reads_needs_a_yes(foreign: Foreign, settings: str) -> None:
    (foreign.root / ".dvc" / "config").write_text(settings, newline="")
    (foreign.root / "mlops.toml").write_text("")
    refused_when_recording("elsewhere")


def test_what_the_user_says_in_the_environment_is_a_yes(
    foreign: Foreign, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (foreign.root / ".dvc" / "config").unlink()
    monkeypatch.setenv("MLOPS_TRACKING_URI", project.tracking_uri)
    monkeypatch.chdir(foreign.root)
    with runs.start("mine"):
        pass
    assert trust.is_trusted(foreign.root)


def test_the_store_of_another_project_is_not_shown(foreign: Foreign, project: Project) -> None:
    with runs.start("private", project=project):
        pass
    state = foreign.root / ".mlops"
    # By its settings, by a link to the store, and by a link to all of the state.
    (foreign.root / "mlops.toml").write_text(f'tracking.uri = "{project.tracking_uri}"')
    with pytest.raises(NotTrusted):
        runs.list(project=foreign.project)
    (foreign.root / "mlops.toml").write_text("")
    state.mkdir()
    (state / "mlflow.db").symlink_to(project.state / "mlflow.db")
    with pytest.raises(NotTrusted):
        runs.list(project=foreign.project)
    (state / "mlflow.db").unlink()
    state.rmdir()
    state.symlink_to(project.state)
    with pytest.raises(NotTrusted):
        runs.list(project=foreign.project)


def test_a_store_that_came_along_is_listed_from_its_file(
    foreign: Foreign, project: Project
) -> None:
    with runs.start("theirs", project=project) as active:
        active.log_metrics({"accuracy": 0.5})
    shutil.copytree(project.state, foreign.root / ".mlops")
    before = sorted((foreign.root / ".mlops").rglob("*"))
    (run,) = runs.list(project=foreign.project)
    assert (run.name, run.metrics) == ("theirs", {"accuracy": 0.5})
    assert workspace.status(project=foreign.project).runs == 1
    with pytest.raises(NotTrusted):
        runs.get("theirs", project=foreign.project)
    written = {path.name for path in {*(foreign.root / ".mlops").rglob("*")} - {*before}}
    assert written <= {"mlflow.db-shm", "mlflow.db-wal"}


def _endless(database: sqlite3.Connection) -> None:
    database.execute("ALTER TABLE experiments RENAME TO kept")
    database.execute(
        "CREATE VIEW experiments AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
        " SELECT x AS experiment_id, x AS name, 'active' AS lifecycle_stage FROM n"
    )


def _no_times(database: sqlite3.Connection) -> None:
    database.execute("UPDATE runs SET start_time = 'yesterday', status = 'DANCING'")


def _huge_times(database: sqlite3.Connection) -> None:
    database.execute("UPDATE runs SET start_time = 9223372036854775807")


def _no_json(database: sqlite3.Connection) -> None:
    database.execute("INSERT INTO tags SELECT x'00ff', x'ff00', run_uuid FROM runs")


def _huge_value(database: sqlite3.Connection) -> None:
    database.execute("INSERT INTO params SELECT 'x', randomblob(20000000), run_uuid FROM runs")


@pytest.mark.parametrize("spoil", [_endless, _no_times, _huge_times, _no_json, _huge_value])
def test_a_spoilt_store_is_refused(
    foreign: Foreign, project: Project, spoil: Callable[[sqlite3.Connection], None]
) -> None:
    with runs.start("theirs", project=project):
        pass
    (foreign.root / ".mlops").mkdir()
    copy = foreign.root / ".mlops" / "mlflow.db"
    with sqlite3.connect(project.state / "mlflow.db") as source, sqlite3.connect(copy) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
        target.execute("PRAGMA ignore_check_constraints = ON")
        spoil(target)
        target.commit()
    target.close()
    source.close()
    with pytest.raises(NotTrusted):
        runs.list(project=foreign.project)
    assert jobs.list(project=foreign.project)[0].name == "x"


def test_a_garbage_store_is_refused(foreign: Foreign) -> None:
    (foreign.root / ".mlops").mkdir()
    (foreign.root / ".mlops" / "mlflow.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with pytest.raises(NotTrusted):
        runs.list(project=foreign.project)


def test_lists_come_from_files(elsewhere: Foreign) -> None:
    project = elsewhere.project
    (job,) = jobs.list(project=project)
    assert (job.name, job.cron) == ("x", "* * * * * *")
    (item,) = data.list(project=project)
    assert (item.path, item.status) == ("data.csv", "not checked")
    assert list(services.list(project=project)) == []
    status = workspace.status(project=project)
    assert (status.trusted, status.runs) == (False, None)
    assert "%mlops trust" in str(status)
    with pytest.raises(NotTrusted):
        drift.history(project=project)
    (finding,) = [item for item in workspace.doctor() if item.part == "project"]
    assert "trust" in finding.fix


def test_a_noted_service_is_neither_asked_nor_ended(foreign: Foreign) -> None:
    """The note names a living process and a host: a stranger's note must not lead us to either."""
    import json

    state = foreign.root / ".mlops"
    bento = state / "bentoml" / "bentos" / "x"
    (bento / "v1" / "src").mkdir(parents=True)
    (bento / "latest").write_text("v1")
    origin = {
        "name": "x", "version": "v1", "built": "2026-01-01T00:00:00+00:00", "run_id": "0" * 32,
        "run_name": "x", "flavor": "sklearn", "allow_pickle": True,
    }  # fmt: skip
    (bento / "v1" / "src" / "origin.json").write_text(json.dumps(origin))
    (bento / "v1" / "src" / "schema.json").write_text('{"inputs": []}')
    victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        note = {
            "name": "x", "tag": "x:v1", "pid": victim.pid, "detached": True,
            "started": process_start(victim.pid), "host": "127.0.0.1", "port": foreign.port,
        }  # fmt: skip
        (state / "services").mkdir()
        (state / "services" / "x.json").write_text(json.dumps(note))
        for verb in (services.list, lambda **k: services.get("x", **k)):
            verb(project=foreign.project)
        for call in (services.stop, services.start, services.test):
            with pytest.raises(NotTrusted):
                call("x", project=foreign.project)
        assert foreign.asked == []
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


def test_trust_is_one_word_and_one_line(foreign: Foreign, capfd: Any) -> None:
    assert cli.main(["trust"]) == 0
    said = capfd.readouterr().out
    assert "is trusted: it may contact http://127.0.0.1" in said
    assert "scheduled jobs run" in said
    assert trust.is_trusted(foreign.root)
    assert cli.main(["trust", "--off"]) == 0
    assert not trust.is_trusted(foreign.root)
    assert cli.main(["trust", "/nowhere/at/all"]) == 2


def test_a_password_in_the_settings_is_not_shown(foreign: Foreign, capfd: Any) -> None:
    (foreign.root / "mlops.toml").write_text('tracking.uri = "postgresql://me:hunter2@host/db"')
    cli.main(["trust", "--json"])
    cli.main(["trust", "--off"])
    cli.main(["run", "list"])
    with pytest.raises(MlopsError) as error:
        foreign.project.trust_by_recording()
    said = capfd.readouterr()
    assert "hunter2" not in said.out + said.err + str(error.value)
    assert "postgresql://me:***@host/db" in said.out
