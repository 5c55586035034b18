"""A trusted project's tracking server may be hostile: one line for each answer, nothing outside, no token to others."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import cli, runs
from jupyter_mlops.errors import BackendFailed, MlopsError
from jupyter_mlops.jobs import state
from jupyter_mlops.project import Project
from jupyter_mlops.tracking import artifacts, places
from tests.security.tracking.servers import ANSWERS, RUN, Server, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.trials import Trials

pytestmark = pytest.mark.filterwarnings("ignore")
VERBS = (
    ["run", "list"],
    ["run", "list", "--json"],
    ["run", "show", "theirs"],
    ["run", "show", RUN],
    ["run", "export", "theirs"],
    ["run", "restore", "theirs"],
    ["run", "reproduce", "theirs"],
    ["model", "list"],
    ["model", "evaluate", "theirs", "--on", "mlops.toml"],
    ["service", "build", "theirs"],
    ["drift", "history"],
    ["status"],
)
VALUES: list[Any] = [
    None, "", 0, -1, 1e308, 10**30, -(10**18), [], {}, [1], {"a": 1}, "x\0y", "\ud800", "\x1b]0;x\x07", "../../x",
    "/etc/passwd", "<img src=x onerror=alert(1)>", "a" * 5000, "a\nb", True, "file:///etc", "runs:/x", "models:/x/1",
    "nan", -0.5, [[]], [None], "9" * 400, "http://[",
]  # fmt: skip
BODIES = [
    b"",
    b"null",
    b"[]",
    b"{",
    b"\xff\xfe",
    b"<html>",
    b"[" * 50_000,
    b'{"a":' * 5_000,
    b'"x"',
    b"1e999",
]
_TRIED = 420
FOLDER = "/api/2.0/mlflow-artifacts/artifacts?1/a/artifacts"


@pytest.fixture
def server() -> Iterator[Server]:
    with started() as made:
        yield made


@pytest.fixture
def team(project: Project, server: Server, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a trusted project whose settings name the server."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "the-users-token")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (project.root / "mlops.toml").write_text(f'[tracking]\nuri = "{server.uri}"\n')
    monkeypatch.setattr(artifacts, "_copies", {})
    return Project.find(project.root)


def _leaves(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in items:
        yield from _leaves(item, (*at, key))


def _changed(answer: Any, at: tuple[Any, ...], value: Any) -> Any:
    made = copy.deepcopy(answer)
    inner = made
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = value
    return made


def test_the_server_is_understood(team: Project, server: Server) -> None:
    """Else the attacks below would meet an error before they are read."""
    shown = runs.show("theirs", project=team)
    assert (shown.artifacts, shown.source) == (["mlops/cell.py", "x.txt"], "x = 1")
    assert shown.model is not None


def test_each_wrong_answer_is_one_line(
    team: Project, server: Server, trials: Trials, capfd: pytest.CaptureFixture[str]
) -> None:
    plans: list[tuple[list[str], str, Any]] = []
    for path, answer in ANSWERS.items():
        made = [*BODIES]
        if not isinstance(answer, bytes):
            made += [_changed(answer, at, value) for at in _leaves(answer) for value in VALUES]
        plans += [(words, path, changed) for changed in made for words in VERBS]
    before = sorted(team.root.rglob("*.ipynb"))
    tried = 0
    for words, path, changed in random.Random(4).sample(plans, _TRIED):
        server.answers = ANSWERS | {path: changed}
        artifacts._copies.clear()
        code = cli.main(words)
        said = capfd.readouterr()
        assert code in {0, 1, 2}, (words, path)
        assert "Traceback" not in said.err, (words, path)
        assert "\x1b" not in said.out + said.err, (words, path)
        tried += 1
    assert sorted(team.root.rglob("*.ipynb")) in ([], before, [team.root / "theirs.ipynb"])
    trials("wrong answers of a tracking server", tried, "each one line")


def test_lists_without_an_end_are_refused(team: Project, server: Server, trials: Trials) -> None:
    search = copy.deepcopy(ANSWERS["/api/2.0/mlflow/experiments/search"])
    server.answers["/api/2.0/mlflow/experiments/search"] = search | {"next_page_token": "again"}
    for verb in (runs.list, lambda **k: runs.show("theirs", **k)):
        with pytest.raises(BackendFailed, match="does not end"):
            verb(project=team)
    server.answers = copy.deepcopy(ANSWERS)
    endless = json.dumps({"files": [{"path": "x", "is_dir": True}]}).encode()
    for place in ("1/a/artifacts", "1/models/b/artifacts"):
        server.first = lambda path, place=place: (  # type: ignore[misc]
            (200, {}, endless) if path.startswith(f"{FOLDER.partition('?')[0]}?{place}") else None
        )
        with pytest.raises(BackendFailed, match="does not end"):
            runs.show("theirs", project=team)
    trials("lists of a tracking server that do not end", 4, "each refused")


def test_the_name_of_a_file_leads_nowhere_else(
    team: Project, server: Server, tmp_path: Path, trials: Trials
) -> None:
    (tmp_path / "kept").write_text("kept")
    names = [
        "../x", "../../../kept", "/etc/passwd", str(tmp_path / "kept"), "a/../../x", "..", ".", "a/..", "x\0", "%2e%2e/x",
        "..%2fx", "%252e%252e/x", "..\\x", "C:\\x", "C:/x", "\\\\host\\x", "file:///etc/passwd", "x" * 300, "a/" * 3000,
        ".git/config", "\ud800", "~/x", "x?y", "x#y", "http://127.0.0.1:9/x", "...", ".. ", "a//../../x",
    ]  # fmt: skip
    for name in names:
        for kind in (True, False):
            for place in ("1/a/artifacts", "1/models/b/artifacts"):
                key = f"{FOLDER.partition('?')[0]}?{place}"
                server.answers = ANSWERS | {
                    key: {"files": [{"path": name, "is_dir": kind, "file_size": 1},
                                    {"path": "MLmodel", "is_dir": False, "file_size": 1}]},
                }  # fmt: skip
                server.first = lambda path: (200, {}, b"theirs") if path.endswith("x") else None
                artifacts._copies.clear()
                before = {*tmp_path.iterdir()}
                with contextlib.suppress(MlopsError):
                    runs.show("theirs", project=team)
                assert {*tmp_path.iterdir()} == before, name
                assert (tmp_path / "kept").read_text() == "kept", name
    trials("names of files that a tracking server lists", 4 * len(names), "none outside")


def test_the_token_goes_to_no_other_host(team: Project, server: Server, trials: Trials) -> None:
    tried = 0
    with started() as other:
        key = "/api/2.0/mlflow/experiments/search"
        for status in (301, 302, 303, 307, 308):
            for host in (other.uri, other.uri.replace("127.0.0.1", "localhost")):
                server.first = lambda path, to=host, status=status: (  # type: ignore[misc]
                    (status, {"Location": f"{to}{path}"}, b"") if path == key else None
                )
                with contextlib.suppress(MlopsError):
                    runs.list(project=team)
                tried += 1
        for target in (
            "file:///etc/passwd",
            "ftp://127.0.0.1/x",
            "//",
            "http://[",
            "\x00",
            "gopher://x",
            "",
        ):
            server.first = lambda path, to=target: (302, {"Location": to}, b"")  # type: ignore[misc]
            with pytest.raises(MlopsError):
                runs.list(project=team)
            tried += 1
        server.first = lambda _path: None
        for place in (
            f"{other.uri}/api/2.0/mlflow-artifacts/artifacts/x", f"mlflow-artifacts://{other.uri[7:]}/x",
            f"runs:/{'c' * 32}/x", "models:/theirs/1", f"models:/m-{'c' * 32}", f"runs://p@databricks/{'c' * 32}/x",
        ):  # fmt: skip
            elsewhere = copy.deepcopy(ANSWERS["/api/2.0/mlflow/runs/get"]["run"])
            elsewhere["info"] |= {"artifact_uri": place}
            leads = copy.deepcopy(elsewhere)
            leads["info"] |= {
                "run_id": "c" * 32,
                "run_uuid": "c" * 32,
                "artifact_uri": f"{other.uri}/x",
            }
            server.answers = ANSWERS | {
                "/api/2.0/mlflow/runs/search": {"runs": [elsewhere]},
                "/api/2.0/mlflow/runs/get": {"run": leads},
                "/api/2.0/mlflow/model-versions/get-download-uri": {
                    "artifact_uri": f"{other.uri}/x"
                },
            }
            assert runs.show("theirs", project=team).artifacts == []
            with pytest.raises(places.ForeignPlace):
                runs.artifact("theirs", "x", project=team)
            tried += 1
    assert [token for _, token in other.asked if token] == []
    assert any(token == "Bearer the-users-token" for _, token in server.asked)
    trials("redirects and places that lead to another host", tried, "no token sent")


def test_a_row_of_an_embedded_store_leads_to_no_other_rows_place(
    project: Project, monkeypatch: pytest.MonkeyPatch, trials: Trials
) -> None:
    """`runs:/B` in the row of A: MLflow asks the place of B without our check."""
    import sqlite3

    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "the-users-token")
    for name in ("a", "b"):
        with runs.start(name, project=project) as active:
            active.log_text("x", "mlops/cell.py")
    ids = {name: runs.show(name, project=project).run_id for name in ("a", "b")}
    with started() as other:
        for place in (
            f"runs:/{ids['b']}",
            f"runs:/{ids['b']}/mlops",
            "RUNS:/" + ids["b"],
            "models:/m-x",
        ):
            for target in (f"{other.uri}/api/2.0/mlflow-artifacts/artifacts/x", "/etc"):
                with sqlite3.connect(project.state / "mlflow.db") as database:
                    query = "UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?"
                    database.execute(query, (place, ids["a"]))
                    database.execute(query, (target, ids["b"]))
                database.close()
                assert runs.show("a", project=project).artifacts == []
                with pytest.raises(places.ForeignPlace):
                    runs.artifact("a", "passwd", project=project)
    assert other.asked == []
    trials("rows whose place is another row", 8, "none followed")


def test_the_id_of_a_run_is_no_path(
    team: Project, server: Server, tmp_path: Path, trials: Trials
) -> None:
    """An execution has a folder by the id of its run; `job cancel` would write into another."""
    before = {*tmp_path.rglob("*")} - {*team.root.rglob("*")}
    tried = 0
    for run_id in (
        "../../../x",
        str(tmp_path / "x"),
        "..",
        ".",
        "a/../../..",
        "x\0",
        "A" * 32,
        "a" * 33,
        "",
    ):
        run = copy.deepcopy(ANSWERS["/api/2.0/mlflow/runs/get"]["run"])
        run["info"] |= {"run_id": run_id, "run_uuid": run_id, "status": "RUNNING"}
        run["data"]["tags"] = [{"key": "mlops.kind", "value": "job"}]
        server.answers = ANSWERS | {
            "/api/2.0/mlflow/runs/search": {"runs": [run]},
            "/api/2.0/mlflow/runs/get": {"run": run},
        }
        for words in (
            ["cancel", "theirs"],
            ["logs", "theirs"],
            ["executions"],
            ["resume", "theirs"],
        ):
            assert cli.main(["job", *words]) in {1, 2}, run_id
            tried += 1
    assert {*tmp_path.rglob("*")} - {*team.root.rglob("*")} == before
    with pytest.raises(MlopsError):
        state.folder(team, "../../x")
    trials("ids of runs that lead to another folder", tried)


def test_what_is_checked_is_what_runs(
    team: Project, server: Server, monkeypatch: pytest.MonkeyPatch, trials: Trials
) -> None:
    """The capsule that the user signed at one request, another one at the next: one of them is read, once."""
    from jupyter_mlops import signing_key
    from jupyter_mlops.replays import execution, reproduce
    from jupyter_mlops.runs import signatures
    from jupyter_mlops.runs.capsules.capsule import Capsule, CapsuleCell

    own, theirs = (
        Capsule(cells=[CapsuleCell(source=source)]).to_json().encode()
        for source in ("mine = 1", "theirs = 1")
    )
    signed = signatures.of({signatures.CAPSULE: own})[signatures.CAPSULE + signatures.SUFFIX]
    assert signing_key.read(make=False)
    place = "/api/2.0/mlflow-artifacts/artifacts/1/a/artifacts/mlops/capsule.json"
    ran: list[str] = []

    def outcome(_project: Any, _detail: Any, capsule: Capsule, **_: Any) -> execution.ReplayOutcome:
        ran.append(capsule.cells[-1].source)
        return execution.ReplayOutcome()

    monkeypatch.setattr(reproduce, "outcome", outcome)
    monkeypatch.setattr(reproduce, "_keep", lambda *_: None)
    for order in (
        [own, theirs, theirs],
        [theirs, own, own],
        [own, own, theirs],
        [theirs, theirs, own],
    ):
        answers = [*order]

        def first(
            path: str, left: list[bytes] = answers
        ) -> tuple[int, dict[str, str], bytes] | None:
            if path == place:
                return 200, {}, left.pop(0) if len(left) > 1 else left[0]
            return (200, {}, signed) if path == f"{place}.sig" else None

        server.first = first
        ran.clear()
        result = reproduce.reproduce("theirs", project=team)
        said = any("was not recorded by you" in note for note in result.notes)
        assert ran
        assert said or {*ran} == {"mine = 1"}, order
    trials("capsules that change between the check and the replay", 4, "named before they ran")


def test_nothing_acts_on_the_terminal(
    team: Project, server: Server, trials: Trials, capfd: pytest.CaptureFixture[str]
) -> None:
    """A name can move the cursor, set the title, fill the clipboard, or begin a line of its own."""
    texts = [
        "\x1b]0;title\x07", "\x1b]52;c;eA==\x07", "\x1b[2J", "\x9b2J", "a\rb", "a\nmlops: all is well", "\x08\x08x",
        "\u202egnp.exe", "\u2066x", "a\u2028b", "\x7f", "\x0bx", "\x0cx", "\x00",
    ]  # fmt: skip
    tried = 0
    for text in texts:
        run = json.loads(json.dumps(ANSWERS["/api/2.0/mlflow/runs/get"]["run"]))
        run["info"] |= {"run_name": text, "user_id": text}
        run["data"]["params"] = [{"key": text, "value": text}]
        run["data"]["metrics"] = [{"key": text, "value": 1.0, "timestamp": 1, "step": 0}]
        run["data"]["tags"] += [{"key": "mlops.error", "value": text}]
        run["inputs"]["dataset_inputs"][0]["dataset"]["name"] = text
        server.answers = ANSWERS | {
            "/api/2.0/mlflow/runs/search": {"runs": [run]},
            "/api/2.0/mlflow/runs/get": {"run": run},
            FOLDER: {"files": [{"path": f"x{text}", "is_dir": False, "file_size": 1}]},
        }
        for words in (["run", "list"], ["run", "show", RUN], ["run", "list", "--json"], ["run", "show", "thers"],
                      ["run", "reproduce", RUN], ["job", "logs", RUN]):  # fmt: skip
            cli.main(words)
            said = capfd.readouterr()
            assert not {*said.out, *said.err} & {
                *"\x1b\x9b\r\x07\x08\u202e\u2066\u2028\x7f\x00\x0b\x0c"
            }, words
            listed = said.out if words[1] == "list" else said.err
            assert not any(line.startswith("mlops: all") for line in listed.splitlines()), words
            if "--json" in words:
                json.loads(said.out)
            tried += 1
    trials("names that act on a terminal", tried, "none reached it")
