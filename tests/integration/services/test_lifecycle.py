"""From a run to a port and back, on real BentoML over loopback."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pandas as pd
import pytest

from jupyter_mlops import services
from jupyter_mlops.errors import Conflict, MlopsError, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.project import Project

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def test_a_forest_is_built_only_because_it_answers_as_the_notebook_does(
    forest: services.Service,
) -> None:
    assert forest.status == "built"
    assert forest.parity is not None
    assert forest.parity.equal
    assert forest.parity.rows == 200
    assert forest.run_name == "forest"
    assert forest.inputs[0] == {"name": "mean radius", "type": "double"}
    assert "target" not in {item["name"] for item in forest.inputs}


def test_the_bento_stands_alone(service_project: Project, forest: services.Service) -> None:
    name, _, version = forest.tag.partition(":")
    source = service_project.state / "bentoml" / "bentos" / name / version / "src"
    code = [path.read_text() for path in source.rglob("*.py")]
    assert code
    assert not any("import jupyter_mlops" in text or "from jupyter_mlops" in text for text in code)
    origin = json.loads((source / "origin.json").read_text())
    assert origin["run_id"] == forest.run_id
    assert origin["data"][0]["path"] == "train.parquet"
    assert len(pd.read_parquet(source / "reference.parquet")) == 569
    requirements = (source / "requirements.txt").read_text().splitlines()
    assert all("==" in line for line in requirements)
    assert not any(line.startswith(("mlflow", "jupyter")) for line in requirements)
    assert (source / "model" / "model.skops").is_file()


def test_a_started_service_answers_what_the_model_answers(
    service_project: Project, screening: services.Service
) -> None:
    assert screening.status == "ready"
    answer = services.test("screening", rows=20, project=service_project)
    assert answer.agree
    assert len(answer.predictions) == 20
    assert answer.latency_ms > 0


def test_a_kernel_with_thousands_of_open_files_finds_its_service_ready(
    service_project: Project, screening: services.Service
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)), hard))
    opened: list[int] = []
    try:
        while not opened or opened[-1] < 1024:  # the first number that select() refuses
            opened.append(os.open(os.devnull, os.O_RDONLY))
        assert services.get("screening", project=service_project).status == "ready"
    finally:
        for number in opened:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_frame_goes_in_and_a_frame_comes_out(
    service_project: Project, screening: services.Service
) -> None:
    frame = pd.read_parquet(service_project.root / "train.parquet").drop(columns="target")
    answer = services.predict("screening", frame.iloc[10:13], project=service_project)
    assert list(answer.columns) == ["prediction", "probability_0", "probability_1"]
    assert list(answer.index) == [10, 11, 12]
    assert answer["probability_1"].between(0, 1).all()


def test_what_was_asked_is_logged_as_the_models_own_columns(
    service_project: Project, screening: services.Service
) -> None:
    frame = pd.read_parquet(service_project.root / "train.parquet").drop(columns="target")
    before = len(services.predictions("screening", project=service_project))
    services.predict("screening", frame.iloc[100:105], project=service_project)
    services.test("screening", rows=3, project=service_project)
    logged = services.predictions("screening", last=5, project=service_project)
    pd.testing.assert_frame_equal(logged, frame.iloc[100:105].reset_index(drop=True))
    assert len(services.predictions("screening", project=service_project)) == before + 5
    assert services.get("screening", project=service_project).requests == before + 5
    assert len(logged.attrs["predictions"]) == 5
    assert services.log("screening", last=2, project=service_project)[0].version in screening.tag


def test_only_one_port_is_open_and_only_on_loopback(screening: services.Service) -> None:
    import psutil

    process = psutil.Process(screening.pid)
    family = [process, *process.children(recursive=True)]
    listening = [
        item.laddr
        for member in family
        for item in member.net_connections("inet")
        if item.status == psutil.CONN_LISTEN
    ]
    assert [(at.ip, at.port) for at in listening] == [("127.0.0.1", urlsplit(screening.url).port)]


def test_health_schema_and_metrics_answer(screening: services.Service) -> None:
    with httpx.Client(base_url=screening.url) as client:
        for path in ("/healthz", "/livez", "/readyz"):
            assert client.get(path).status_code == 200
        schema = client.get("/schema").json()
        assert schema["inputs"][0]["name"] == "mean radius"
        assert schema["output"] == {"kind": "classification", "classes": [0, 1]}
        assert client.get("/unknown/path").status_code == 404
        metrics = client.get("/metrics").text
    for name in ("mlops_batch_rows_bucket", "mlops_model_seconds", "process_resident_memory_bytes"):
        assert name in metrics
    assert "/unknown/path" not in metrics


def test_starting_it_again_returns_the_one_that_runs(
    service_project: Project, screening: services.Service
) -> None:
    again = services.start("screening", project=service_project)
    assert (again.pid, again.url) == (screening.pid, screening.url)
    with pytest.raises(Conflict, match="is running already, on port"):
        services.start("screening", port=1, project=service_project)


def test_a_torch_network_is_packaged_and_answers_alike_beside_the_other(
    service_project: Project, screening: services.Service, digits: services.Service
) -> None:
    assert digits.flavor == "torch"
    assert digits.parity is not None
    assert digits.parity.equal
    started = services.start("digits", project=service_project)
    try:
        assert started.url != screening.url
        assert services.test("digits", rows=10, project=service_project).agree
        with httpx.Client(base_url=started.url) as client:
            nested = [[[0.0] * 8] * 8]
            answer = client.post("/predict", json={"data": nested}).json()
            assert len(answer["scores"][0]) == 10
            assert answer["prediction"][0] in range(10)
        states = {item.name: item.status for item in services.list(project=service_project)}
        # Another test may have built services of its own: none of those is started.
        assert {name for name, status in states.items() if status != "built"} == {
            "screening",
            "digits",
        }
        assert (states["screening"], states["digits"]) == ("ready", "ready")
    finally:
        stopped = services.stop("digits", project=service_project)
    assert stopped.status == "stopped"
    assert not _answers(started.url)
    with pytest.raises(Conflict, match="digits is not running"):
        services.stop("digits", project=service_project)


def test_a_busy_port_is_one_line_and_leaves_nothing(
    service_project: Project, digits: services.Service
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Conflict, match=f"Port {port} is busy") as raised:
            services.start("digits", port=port, project=service_project)
    assert raised.value.exit_code == 2
    with pytest.raises(UsageError, match="--port 70000 is out of range"):
        services.start("digits", port=70_000, project=service_project)
    with pytest.raises(UsageError, match="This machine has no address"):
        services.start("digits", host="no-such-host.invalid", project=service_project)
    assert not (service_project.state / "services" / "digits.json").exists()
    assert services.get("digits", project=service_project).pid is None


def test_names_and_runs_that_are_not_there_are_one_line(
    service_project: Project, forest: services.Service
) -> None:
    with pytest.raises(NotFound, match="Did you mean 'screening'"):
        services.start("screning", project=service_project)
    with pytest.raises(UsageError, match="is not a valid name for a service"):
        services.build("forest", name="../../etc", project=service_project)
    with pytest.raises(NotFound, match="No run 'nothing-like-it'"):
        services.build("nothing-like-it", project=service_project)


@pytest.mark.slow
def test_bentoml_serve_answers_too(service_project: Project, forest: services.Service) -> None:
    import os
    import sys
    import time

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "bentoml",
            "serve",
            forest.tag,
            "--host",
            "127.0.0.1",
            "-p",
            str(port),
        ],
        env={**os.environ, "BENTOML_HOME": str(service_project.state / "bentoml")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 600
        while not _answers(f"http://127.0.0.1:{port}") and time.monotonic() < deadline:
            time.sleep(0.5)
        frame = pd.read_parquet(service_project.root / "train.parquet").drop(columns="target")
        body = {"rows": frame.head(2).to_dict("records")}
        answer = httpx.post(f"http://127.0.0.1:{port}/predict", json=body, timeout=30)
        assert answer.status_code == 200
        assert len(answer.json()["prediction"]) == 2
        assert "mlops_batch_rows_bucket" in httpx.get(f"http://127.0.0.1:{port}/metrics").text
    finally:
        process.terminate()
        process.wait(600)


@pytest.mark.slow
def test_a_pickle_is_packaged_only_when_it_is_allowed_by_name(
    service_project: Project, record: Callable[[str, str], str]
) -> None:
    record(
        "custom",
        """
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

train = pd.read_parquet("train.parquet")
X, y = train[["mean radius", "mean texture"]], train["target"]
model = make_pipeline(FunctionTransformer(lambda frame: frame / 10), LogisticRegression()).fit(X, y)
""",
    )
    with pytest.raises(MlopsError, match="--allow-pickle"):
        services.build("custom", project=service_project)
    assert "custom" not in {item.name for item in services.list(project=service_project)}
    built = services.build("custom", allow_pickle=True, project=service_project)
    assert built.parity is not None
    assert built.parity.equal


@pytest.mark.slow
def test_a_model_that_answers_differently_each_time_is_not_built(
    service_project: Project, record: Callable[[str, str], str]
) -> None:
    record(
        "moody",
        """
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin

class Moody(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.feature_names_in_ = np.array(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        return self
    def predict(self, X):
        return np.random.default_rng().random(len(X))

train = pd.read_parquet("train.parquet")
X, y = train[["mean radius"]], train["target"]
model = Moody().fit(X, y)
""",
    )
    with pytest.raises(MlopsError, match="the packaged model gives other answers"):
        services.build("moody", allow_pickle=True, project=service_project)
    assert "moody" not in {item.name for item in services.list(project=service_project)}
    assert not any((service_project.state / "building").iterdir())


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def test_bentomls_private_names_are_still_what_the_launcher_uses() -> None:
    import inspect

    from _bentoml_impl.loader import load
    from _bentoml_sdk import Service
    from bentoml._internal.context import server_context

    assert {"bento_identifier", "standalone_load"} <= set(inspect.signature(load).parameters)
    assert "is_main" in inspect.signature(Service.to_asgi).parameters
    for name in ("service_type", "service_name", "worker_index", "bento_name", "bento_version"):
        assert hasattr(server_context, name)
