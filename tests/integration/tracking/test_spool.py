"""A team's store that is away while cells are recorded: they are kept here and sent later, once."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from jupyter_mlops import data, models, runs
from jupyter_mlops.errors import NotFound, ServerAway
from jupyter_mlops.project import Project
from jupyter_mlops.runs import retention
from jupyter_mlops.tracking import spool
from tests.team import PASSWORD, TrackingServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::ResourceWarning",
    "ignore::UserWarning",
)

_TRAIN = """%%mlops run forest
import mlflow, pandas as pd
import matplotlib.pyplot as plt
from sklearn.linear_model import LogisticRegression
train = pd.read_csv("train.csv")
C = 0.5
for step in range(5):
    mlflow.log_metric("loss", 1 / (step + 1), step=step)
AWAY
model = LogisticRegression(C=C).fit(train[["a", "b"]], train["label"])
score = float(model.score(train[["a", "b"]], train["label"]))
fig = plt.figure(); _ = plt.plot([1, 2, C])
"""


@dataclass
class Away:
    """A store that can go away and come back."""

    settings: str
    go: Callable[[], None]
    come: Callable[[], None]


@pytest.fixture(params=["postgres"])
def store(request: pytest.FixtureRequest, _template: Path, tmp_path: Path) -> Iterator[Away]:
    bucket = request.getfixturevalue("bucket")
    if request.param == "postgres":
        postgres = request.getfixturevalue("postgres")
        uri = request.getfixturevalue("database")
        yield Away(f'uri = "{uri}"\nartifacts = "{bucket}/runs"', postgres.stop, postgres.start)
        postgres.stop()
        postgres.start()
    else:
        database = tmp_path / "of-the-server.db"
        shutil.copyfile(_template / ".mlops" / "mlflow.db", database)
        server = TrackingServer(f"sqlite:///{database}", bucket, tmp_path / "log")
        server.start()
        yield Away(f'uri = "{server.uri}"', server.kill, server.start)
        server.kill()


#: On the tracking server too, which takes seconds to come back.
both = pytest.mark.parametrize(
    "store", ["postgres", pytest.param("server", marks=pytest.mark.slow)], indirect=True
)


@pytest.fixture
def team(project: Project, store: Away) -> Project:
    (project.root / "mlops.toml").write_text(f"[tracking]\n{store.settings}\n")
    (project.root / "train.csv").write_text("a,b,label\n1,2,0\n2,1,1\n1,3,0\n3,1,1\n")
    return Project.find(project.root)


@pytest.fixture
def cell(team: Project) -> Iterator[Callable[..., str]]:
    shell = InteractiveShell.instance()
    shell.colors = "nocolor"
    shell.run_line_magic("load_ext", "jupyter_mlops")

    def run(source: str, **names: Any) -> str:
        shell.user_ns.update(names)
        with capture_output() as captured:
            outcome = shell.run_cell(source, store_history=True)
        outcome.raise_error()
        return str(captured.stdout).strip()

    yield run
    InteractiveShell.clear_instance()


def _is_complete(run: runs.RunDetail, project: Project) -> None:
    assert (run.status, run.kind, run.params["C"]) == ("finished", "cell", "0.5")
    assert run.metrics == {"loss": 0.2, "score": 1.0}
    assert [use.path for use in run.data] == ["train.csv"]
    assert run.model is not None
    assert run.model.format == "skops"
    assert {"mlops/cell.py", "mlops/capsule.json", "mlops/manifest.json"} <= {*run.artifacts}
    assert "figures/figure-1.png" in run.artifacts
    assert models.load_model(run.run_id).predict([[3, 1]])[0] == 1
    store = runs.open_store(project)
    assert len(store.client.get_metric_history(run.run_id, "loss")) == 5
    assert len(store.client.get_metric_history(run.run_id, "score")) == 1
    assert len(store.client.get_run(run.run_id).outputs.model_outputs) == 1
    assert "LogisticRegression" in run.source
    folder = models.model_files(run.run_id)
    assert f"run_id: {run.run_id}" in (folder / "MLmodel").read_text()
    assert run.model.model_id in (folder / "MLmodel").read_text()


@both
def test_a_cell_is_recorded_while_the_store_is_away_and_sent_once_when_it_is_back(
    team: Project, store: Away, cell: Callable[..., str]
) -> None:
    store.go()
    said = cell(_TRAIN.replace("AWAY", ""))
    (line,) = said.splitlines()
    assert "recorded locally; it will be sent when " in line
    assert PASSWORD not in line
    (short,) = re.findall(r"^recorded · forest ([0-9a-f]{8}) ", line)
    (note,) = spool.waiting(team)
    assert note.run_id.startswith(short)
    assert runs.get(short).metrics["score"] == 1.0
    assert runs.get("forest").model is not None
    with pytest.raises(
        ServerAway, match="1 run waits in this project and will be sent when it answers"
    ):
        runs.list()
    with pytest.raises(ServerAway):
        runs.sync()
    with pytest.raises(ServerAway):
        data.gc(older=0)

    store.come()
    (run,) = runs.list()
    assert spool.waiting(team) == []
    assert run.run_id != note.run_id
    _is_complete(runs.get("forest"), team)
    for name in (short, note.run_id):
        assert runs.get(name).run_id == run.run_id
    assert len(runs.sync()) == 0
    assert len(runs.list()) == 1
    assert not [*(team.state / "spool" / "artifacts").rglob("*.skops")], "sent, and still here"
    assert models.register("forest").version == 1


@both
def test_a_store_that_goes_away_in_the_middle_of_a_cell_gets_the_rest_later(
    team: Project, store: Away, cell: Callable[..., str]
) -> None:
    said = cell(_TRAIN.replace("AWAY", "go()"), go=store.go)
    assert "recorded locally" in said
    (note,) = spool.waiting(team)
    store.come()
    there = runs.open_store(team)
    assert there.client.get_run(note.into).info.status == "RUNNING"
    (sent,) = runs.sync()
    assert (sent.status, sent.detail) == ("sent", note.into)
    (run,) = runs.list()
    assert run.run_id == note.into
    _is_complete(runs.get("forest"), team)


@pytest.mark.slow
def test_a_store_that_comes_back_in_the_middle_of_a_cell_gets_the_whole_at_once(
    team: Project, store: Away, cell: Callable[..., str]
) -> None:
    store.go()
    cell(_TRAIN.replace("AWAY", "come()"), come=store.come)
    assert len(spool.waiting(team)) == 1
    cell("%%mlops run next\nx = 1")
    assert spool.waiting(team) == [], "the next recording sends what waits"
    assert {run.name for run in runs.list()} == {"forest", "next"}
    _is_complete(runs.get("forest"), team)


@pytest.mark.slow
def test_a_restarted_store_costs_no_run(
    team: Project, store: Away, cell: Callable[..., str]
) -> None:
    def restart() -> None:
        store.go()
        store.come()

    said = cell(_TRAIN.replace("AWAY", "restart()"), restart=restart)
    assert "recorded locally" not in said
    _is_complete(runs.get("forest"), team)


@pytest.mark.slow
def test_a_plain_mlflow_call_in_a_cell_fails_there_and_the_run_says_so(
    team: Project, store: Away, cell: Callable[..., str]
) -> None:
    source = '%%mlops run broken\nimport mlflow\ndepth = 3\ngo()\nmlflow.log_metric("x", 1)'
    with pytest.raises(Exception, match="connection"):
        cell(source, go=store.go)
    store.come()
    (run,) = runs.list()
    assert (run.status, run.params) == ("failed", {"depth": "3"})
    assert "connection" in run.error


@pytest.mark.slow
def test_a_parent_and_its_parts_find_each_other_again(team: Project, store: Away) -> None:
    store.go()
    with runs.start("whole", kind="sweep") as whole:
        for index in range(2):
            with runs.start(f"part-{index}", parent=whole.run_id) as part:
                part.log_metrics({"x": index})
    assert [run.name for run in runs.parts(whole.run_id, project=team)] == ["part-1", "part-0"]
    store.come()
    listed = {run.name: run for run in runs.list()}
    assert len(listed) == 3
    parent = listed["whole"].run_id
    assert [listed[f"part-{n}"].parent for n in (0, 1)] == [parent, parent]
    assert listed["part-0"].tags["mlflow.parentRunId"] == parent


@pytest.mark.slow
def test_what_the_store_refuses_holds_up_no_other_and_is_named(team: Project, store: Away) -> None:
    with runs.start("first", project=team) as first:
        store.go()
        first.log_params({"depth": 3})
    with runs.start("second", project=team) as second:
        second.log_metrics({"x": 1.0})
    store.come()
    client = runs.open_store(team).client
    client.delete_run(first.run_id)  # nothing can be written to a deleted run
    assert [run.name for run in runs.list()] == ["second"]
    (refused,) = runs.sync()
    assert (refused.name, refused.status) == ("first", "refused")
    assert "deleted" in refused.detail
    client.restore_run(first.run_id)
    assert [item.status for item in runs.sync()] == ["sent"]
    assert runs.get("first").params == {"depth": "3"}


@pytest.mark.slow
def test_a_bucket_that_is_away_is_waited_for_too(team: Project, cell: Callable[..., str]) -> None:
    import boto3

    boto3.client("s3").create_bucket(Bucket="comes-later")
    toml = (team.root / "mlops.toml").read_text()
    (team.root / "mlops.toml").write_text(re.sub(r"s3://[^/]+", "s3://comes-later", toml))
    boto3.client("s3").delete_bucket(Bucket="comes-later")
    said = cell(_TRAIN.replace("AWAY", ""))
    assert "recorded locally" in said
    (refused,) = runs.sync()
    assert "NoSuchBucket" in refused.detail
    boto3.client("s3").create_bucket(Bucket="comes-later")
    assert [item.status for item in runs.sync()] == ["sent"]
    _is_complete(runs.get("forest"), Project.find(team.root))


@pytest.mark.slow
def test_the_data_of_waiting_runs_is_kept(
    team: Project, store: Away, cell: Callable[..., str]
) -> None:
    store.go()
    cell("%%mlops run reader\nimport pandas as pd\nrows = len(pd.read_csv('train.csv'))")
    store.come()
    (note,) = spool.waiting(team)
    spool.write(team, spool.Note(note.run_id, note.name, note.attempt, refused="as an example"))
    assert "train.csv" in {path for path, _ in retention.data_versions(team)}


def test_an_embedded_store_has_no_spool(project: Project) -> None:
    with runs.start("here"):
        pass
    assert str(runs.sync()).startswith("This project has no team's store")
    assert not (project.state / "spool").exists()
    with pytest.raises(NotFound):
        runs.get("there")
