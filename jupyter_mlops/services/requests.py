"""`service test`, and requests to a service from a notebook."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops import data
from jupyter_mlops.errors import Conflict, MlopsError, NotFound, UsageError
from jupyter_mlops.project import Project
from jupyter_mlops.services import answers, bento_store, lifecycle, seal, served_model
from jupyter_mlops.services.http_client import Client, encode
from jupyter_mlops.services.records import Answer

if TYPE_CHECKING:
    import pandas as pd

_TIMED_SECONDS = 1.0
_TIMED_REQUESTS = 200


def test(  # a verb, not a test of pytest
    name: str,
    *,
    rows: int = 20,  # noqa: PT028
    file: str = "",  # noqa: PT028
    project: Project | None = None,  # noqa: PT028
) -> Answer:
    """Send rows to a running service, and compare its answers with those of the model in this process.

    Reference rows are marked as a test, and drift checks leave them out. Rows of a `file` are new data, and
    are logged like any other request.

    Args:
        name: the service; it must be running.
        rows: number of rows to send.
        file: a table (Parquet or CSV) with the model's columns; default: the packaged reference rows.
        project: default: the project at or above the working folder.
    """
    project = project or Project.find()
    if rows < 1:
        raise UsageError(f"--rows must be at least 1, not {rows}", "For example: --rows 20")
    service, bento = _ready(project, name)
    frame = _table(project, file, bento) if file else _reference(bento)
    frame = frame.head(rows)
    with Client(service.url, name=name, test=not file) as client:
        served = client.predict(frame)
    expected: dict[str, list[Any]] = {}
    agree: bool | None = None
    source = _source(project, bento)
    if source is not None:
        expected = answers.expected(source, frame)
        agree = answers.compare(served, expected)[0].equal
    latency, per_second = _timed(service.url, name, _reference(bento).head(1))
    return Answer(
        service=name,
        rows=len(frame),
        predictions=served["prediction"],
        expected=expected.get("prediction", []),
        agree=agree,
        latency_ms=latency,
        requests_per_second=per_second,
    )


def predict(name: str, rows: Any, *, project: Project | None = None) -> pd.DataFrame:
    """Send rows to a running service over HTTP, and return its answers with the rows' index.

    Args:
        name: the service; it must be running.
        rows: a DataFrame, or a list of `{column: value}`.
        project: default: the project at or above the working folder.

    Returns:
        The column `prediction`, and for a classifier `probability_LABEL` for each of its labels.
    """
    import pandas as pd

    project = project or Project.find()
    service, bento = _ready(project, name)
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows)
    with Client(service.url, name=name) as client:
        served = client.predict(frame)
    answer = pd.DataFrame({"prediction": served["prediction"]}, index=frame.index)
    classes = bento.read_json("schema.json")["output"]["classes"]
    for key in ("probability", "scores"):
        if key in served:
            labels = classes or range(len(served[key][0]))
            part = pd.DataFrame(served[key], index=frame.index)
            answer[[f"{key}_{label}" for label in labels]] = part
    return answer


def _ready(project: Project, name: str) -> tuple[Any, bento_store.Bento]:
    project.require_trust(f"{name} was not asked")
    service = lifecycle.get(name, project=project)
    if not service.url:
        raise Conflict(f"{name} is not running", f"Start it: %mlops service start {name}")
    bento = bento_store.by_tag(project, service.tag)
    seal.verify(bento.path)
    return service, bento


def _source(project: Project, bento: bento_store.Bento) -> served_model.ServedModel | None:
    """Return the run's model, or None if the run does not exist any more."""
    allowed = seal.verify(bento.path).allow_pickle
    try:
        return served_model.read(bento.origin["run_id"], allow_pickle=allowed, project=project)
    except NotFound:
        return None


def _reference(bento: bento_store.Bento) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(bento.source / "reference.parquet")


def _table(project: Project, file: str, bento: bento_store.Bento) -> pd.DataFrame:
    """Return the model's columns of a table."""
    path = Path(file) if Path(file).exists() else project.root / file
    if not path.is_file():
        raise NotFound(f"No file {file}", "Name a Parquet or CSV file")
    frame = data.read_table(path, name=file)
    names = [item["name"] for item in bento.read_json("schema.json")["inputs"]]
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise MlopsError(
            f"{file} has no column '{missing[0]}'", f"The model needs: {', '.join(names[:8])}"
        )
    if frame.empty:
        raise MlopsError(f"{file} has no rows")
    return frame[names]


def _timed(url: str, name: str, row: pd.DataFrame) -> tuple[float, float]:
    """Return the median latency of one row in milliseconds, and requests per second, with one client."""
    content = encode(row)
    seconds: list[float] = []
    with Client(url, name=name, test=True) as client:
        client.post(content)
        began = time.perf_counter()
        while len(seconds) < _TIMED_REQUESTS and time.perf_counter() - began < _TIMED_SECONDS:
            started = time.perf_counter()
            client.post(content)
            seconds.append(time.perf_counter() - started)
        total = time.perf_counter() - began
    return statistics.median(seconds) * 1000, len(seconds) / total
