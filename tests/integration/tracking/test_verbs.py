"""The same verbs on each store: the embedded one, a tracking server, PostgreSQL with a bucket."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from jupyter_mlops import data, drift, jobs, models, runs, trust, workspace
from jupyter_mlops.errors import NotFound, UsageError
from jupyter_mlops.project import Project
from jupyter_mlops.runs import retention
from tests.shell import started
from tests.team import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::ResourceWarning",
    "ignore::UserWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)

_TRAIN = """%%mlops run {name}
import pandas as pd, numpy as np
import matplotlib.pyplot as plt
from sklearn.linear_model import LogisticRegression
train = pd.read_csv("train.csv")
C = {c}
model = LogisticRegression(C=C).fit(train[["a", "b"]], train["label"])
score = float(model.score(train[["a", "b"]], train["label"]))
fig = plt.figure(); _ = plt.plot([1, 2, C])
"""


_CELLS = (("weak", 0.001), ("strong", 1.0))
_PYTHON = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


@dataclass
class Team:
    """A project on one of the stores, with two recorded cells."""

    project: Project
    shell: Any
    said: list[str]
    kind: str


@pytest.fixture(
    scope="module", params=[pytest.param("embedded", marks=pytest.mark.slow), "postgres", "server"]
)
def team(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _template: Path
) -> Iterator[Team]:
    root = tmp_path_factory.mktemp(request.param) / "screening"
    settings = _settings(request)
    if request.param == "embedded":
        subprocess.run(["cp", "-r", _template, root], check=True)
        trust.grant(root, "init")
    else:
        root.mkdir()
    with (root / "mlops.toml").open("a") as file:
        file.write(settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        workspace.init(".", name="screening")
        rng = np.random.default_rng(0)
        frame = pd.DataFrame(rng.normal(size=(200, 2)), columns=["a", "b"])
        frame["label"] = (frame["a"] + rng.normal(scale=0.3, size=200) > 0).astype(int)
        frame.to_csv("train.csv", index=False)
        with started() as cells:
            shell = cells.shell
            said = [_run(shell, _TRAIN.format(name=name, c=c)) for name, c in _CELLS]
            yield Team(Project.find(root), shell, said, request.param)
            shell.atexit_operations()
            atexit.unregister(shell.atexit_operations)


def _run(shell: Any, source: str) -> str:
    from IPython.utils.capture import capture_output

    with capture_output() as captured:
        outcome = shell.run_cell(source, store_history=True)
    outcome.raise_error()
    return str(captured.stdout + captured.stderr)


def _settings(request: pytest.FixtureRequest) -> str:
    gate = '\n[gate]\nscore = ">= 0.5"\n'
    if request.param == "embedded":
        return gate
    request.getfixturevalue("s3")
    import boto3

    name = f"team-{request.param}"
    boto3.client("s3").create_bucket(Bucket=name)
    if request.param == "server":
        uri = request.getfixturevalue("tracking_server").uri
    else:
        migrated = request.getfixturevalue("_migrated")
        uri = request.getfixturevalue("postgres").create("team", migrated)
    return f'[tracking]\nuri = "{uri}"\n[data]\nremote = "s3://{name}/data"{gate}'


@pytest.fixture(autouse=True)
def _in_the_project(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(team.project.root)


def test_a_recorded_cell_says_one_line_and_has_everything(team: Team) -> None:
    (line,) = team.said[1].strip().splitlines()
    assert line.startswith("recorded · strong ")
    assert "model (skops)" in line
    assert "train.csv@" in line
    run = runs.get("strong")
    assert (run.status, run.kind, run.params["C"]) == ("finished", "cell", "1.0")
    assert (run.metrics["score"] or 0) > 0.8
    assert [use.path for use in run.data] == ["train.csv"]
    assert run.model is not None
    assert (run.model.flavor, run.model.format, run.model.safe) == ("sklearn", "skops", True)
    assert [item["name"] for item in run.model.inputs] == ["a", "b"]
    assert {"mlops/cell.py", "mlops/capsule.json", "mlops/manifest.json"} <= {*run.artifacts}
    assert any(name.startswith("figures/") for name in run.artifacts)
    assert run.source == _TRAIN.format(name="strong", c=1.0).partition("\n")[2]


def test_runs_are_listed_sorted_filtered_and_with_columns(team: Team) -> None:
    listed = runs.list(kind="cell", columns=["score", "params.C"])
    recorded = [run for run in listed if run.name in {"weak", "strong"}]
    assert [run.name for run in recorded] == ["strong", "weak"]
    assert "train.csv" in {use.path for use in recorded[0].data}
    ordered = runs.list(kind="cell", sort="-score", filter="metrics.score > 0")
    assert [run.name for run in ordered] == ["weak", "strong"]
    assert [run.name for run in runs.list(filter="params.C = '1.0'")] == ["strong"]
    assert [run.name for run in runs.list(filter="metrics.score > 0.8", limit=1)] == ["strong"]
    with pytest.raises(UsageError, match="cannot read the filter"):
        runs.list(filter="metrics.score >")
    with pytest.raises(NotFound, match=r"No experiment 'defaul'\. Did you mean"):
        runs.list(experiment="defaul")


def test_a_run_is_found_by_the_start_of_its_id_and_a_wrong_name_is_told(team: Team) -> None:
    run_id = runs.get("weak").run_id
    assert runs.get(run_id[:8]).name == "weak"
    assert runs.get(run_id).name == "weak"
    with pytest.raises(NotFound, match=r"No run 'stong'\. Did you mean 'strong'\?"):
        runs.get("stong")
    with pytest.raises(NotFound, match="No run 0000"):
        runs.get("0" * 32)


def test_two_runs_are_compared(team: Team) -> None:
    compared = runs.compare(["weak", "strong"])
    assert "C" in str(compared)
    assert "score" in str(compared)


def test_a_run_goes_to_the_trash_and_comes_back(team: Team) -> None:
    _run(team.shell, "%%mlops run rubbish\nx = 1")
    said = runs.delete(["rubbish"], yes=True)
    assert "rubbish" not in {run.name for run in runs.list()}
    runs.restore([said.rpartition(" ")[2]])
    assert "rubbish" in {run.name for run in runs.list()}


def test_the_model_is_loaded_and_its_training_data_found(team: Team) -> None:
    model = models.load_model("strong")
    frame = models.training_data("strong")
    assert model.score(frame[["a", "b"]], frame["label"]) == runs.get("strong").metrics["score"]


def test_a_model_is_registered_promoted_and_listed(team: Team) -> None:
    first = models.register("weak", name="screener")
    second = models.register("strong", name="screener")
    assert models.register("strong", name="screener").version == second.version
    models.promote("screener", version=first.version)
    promoted = models.promote("screener")
    assert (promoted.version, promoted.aliases) == (second.version, ["champion"])
    listed = {(item.name, item.version): item.aliases for item in models.list()}
    assert listed["screener", first.version] == []


@pytest.mark.slow
def test_a_model_is_evaluated_and_gated(team: Team) -> None:
    models.register("strong", name="gated")
    report = models.evaluate("strong", on="train.csv", target="label")
    assert report.metrics
    assert runs.get(report.run_id).status == "finished"
    verdict = models.gate("gated")
    assert (verdict.status, len(verdict.rules)) == ("passed", 1), str(verdict)


@pytest.mark.slow
def test_a_run_is_reproduced_and_exported_out_of_the_artifact_store(team: Team) -> None:
    result = runs.reproduce("strong")
    assert result.verdict == "reproduced", str(result)
    assert runs.get("strong").tags["mlops.reproduced"] == "reproduced"
    written = runs.export("strong", output="strong.ipynb")
    assert "LogisticRegression" in Path("strong.ipynb").read_text(), written


def test_data_goes_to_the_bucket_and_comes_back(team: Team) -> None:
    if team.kind == "embedded":
        pytest.skip("tests/integration/data has it")
    before = Path("train.csv").read_bytes()
    data.add(["train.csv"])
    pushed = data.push(runs=True)
    assert "train.csv" in {item.path for item in pushed}
    Path("train.csv").unlink()
    data.pull(["train.csv"])
    assert Path("train.csv").read_bytes() == before


def test_no_version_that_a_run_needs_is_collected(team: Team) -> None:
    version = next(use.version for use in runs.get("strong").data)
    assert ("train.csv", version) in retention.data_versions(team.project)
    assert version not in {item.version for item in data.gc(older=0)}


@pytest.mark.slow
def test_a_job_is_a_run_and_its_cells_are_too(team: Team) -> None:
    import nbformat

    cells = ["n = 3", "%load_ext jupyter_mlops", "%%mlops run inside\nmeasured = n * 2.0"]
    made = [nbformat.v4.new_code_cell(source) for source in cells]
    made[0].metadata["tags"] = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=_PYTHON), "batch.ipynb")
    execution = jobs.run("batch.ipynb", params={"n": "5"})
    assert (execution.status, execution.error) == ("finished", "")
    assert execution.metrics == {"measured": 10.0}
    assert runs.get("inside").parent == execution.run_id
    assert "batch.ipynb" in runs.get("batch").artifacts


@pytest.mark.slow
def test_a_drift_check_is_a_run(team: Team) -> None:
    shifted = pd.read_csv("train.csv")
    shifted["a"] += 5
    report = drift.check(run="strong", current=shifted)
    assert report.verdict == "drift"
    assert drift.history()[0].run_id == report.run_id


@pytest.mark.slow
def test_a_killed_run_is_closed_by_the_next_command_and_nobody_elses(team: Team) -> None:
    program = (
        "import os; from jupyter_mlops import runs\n"
        "with runs.start('victim', kind='cell') as run:\n"
        "    run.log_metrics({'step': 1}); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=False)
    store = runs.open_store(team.project)
    # A colleague's run on another machine, which leaves no note here.
    theirs = store.client.create_run(store.experiment_id(), run_name="of a colleague").info.run_id
    assert {run.name: run.status for run in runs.list()}["victim"] == "killed"
    run = runs.get("victim")
    assert (run.error, run.metrics) == ("The process that ran it died", {"step": 1.0})
    assert store.client.get_run(theirs).info.status == "RUNNING"


def test_the_password_is_nowhere(team: Team) -> None:
    if team.kind != "postgres":
        pytest.skip("only this address has one")
    shown = [str(workspace.status()), str(workspace.doctor()), *team.said, str(workspace.init("."))]
    for run in runs.list(limit=1000):
        detail = runs.get(run.run_id)
        shown.append(detail.to_json())
        for name in detail.artifacts:
            path = runs.artifact(run.run_id, name)
            shown.append(path.read_bytes().decode(errors="replace"))
    for file in team.project.state.rglob("*"):
        if file.is_file() and file.suffix != ".lock":
            shown.append(file.read_bytes().decode(errors="replace"))
    assert not [text[:200] for text in shown if PASSWORD in text]
    assert json.loads(workspace.status().to_json())["tracking"].startswith(
        "postgresql://mlops:***@"
    )
