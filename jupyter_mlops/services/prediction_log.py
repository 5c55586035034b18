"""`service log`: read the inputs and predictions that a service has logged."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jupyter_mlops.project import Project
from jupyter_mlops.records import Records
from jupyter_mlops.services import bento_store
from jupyter_mlops.services.records import Logged

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_BLOCK = 1024 * 1024
_TEST = ".test.jsonl"

#: File → (position, number of lines up to it). Files only grow, so these lines are counted once.
_counted: dict[Path, tuple[int, int]] = {}


def folder(project: Project, name: str) -> Path:
    """The folder of a service's prediction log, with one file per process."""
    return project.state / "predictions" / name


def predictions(name: str, *, last: int = 0, project: Project | None = None) -> pd.DataFrame:
    """Return the logged inputs of a service, the oldest first, with the model's columns and types.

    The predictions and times are in `frame.attrs["predictions"]` and `frame.attrs["times"]`. Reference
    rows that `service test` sent are left out.

    Args:
        name: the service.
        last: number of the newest rows to return; 0 for all.
        project: default: the project at or above the working folder.

    Raises:
        NotFound: no such service.
    """
    import pandas as pd

    project = project or Project.find()
    schema = bento_store.latest(project, name).read_json("schema.json")["inputs"]
    records = _records(project, name, last)
    frame = pd.DataFrame(
        {
            item["name"]: _series([record["inputs"].get(item["name"]) for record in records], item)
            for item in schema
        }
    )
    frame.attrs["predictions"] = [record.get("prediction") for record in records]
    frame.attrs["times"] = [record["time"] for record in records]
    return frame


def log(name: str, *, last: int = 20, project: Project | None = None) -> Records[Logged]:
    """List the `last` logged inputs and predictions of a service, the oldest first."""
    project = project or Project.find()
    bento_store.latest(project, name)
    return Records(
        [
            Logged(
                time=datetime.fromtimestamp(record["time"], UTC),
                version=record["version"],
                request=record["request"],
                inputs=record["inputs"],
                prediction=record.get("prediction"),
            )
            for record in _records(project, name, last)
        ],
        empty=f"{name} has answered no requests yet.",
    )


def _records(project: Project, name: str, last: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    # Read the newest files first, and stop when there are enough rows.
    for path in sorted(_files(project, name), reverse=True):
        with path.open("rb") as file:
            records = [record for line in file if (record := _record(line)) is not None]
        found = records + found
        if last and len(found) >= last:
            break
    found.sort(key=lambda record: record["time"])
    return found[-last:] if last else found


def _record(line: bytes) -> dict[str, Any] | None:
    """Return a record, or None for a line that is incomplete after a full disk or a killed process."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    valid = isinstance(record, dict) and isinstance(record.get("inputs"), dict) and "time" in record
    return record if valid else None


def _series(values: list[Any], column: dict[str, Any]) -> pd.Series[Any]:
    import pandas as pd

    dtype = column["dtype"]
    if column.get("categories") is not None:
        return pd.Series(pd.Categorical(values, categories=column["categories"]))
    if column["type"] == "datetime":
        return pd.Series(pd.to_datetime(values, format="ISO8601", utc="UTC" in dtype)).astype(dtype)
    if None in values and column["type"] in {"long", "integer", "boolean"}:
        return pd.Series(values, dtype=object if column["type"] == "boolean" else "float64")
    return pd.Series(values, dtype=dtype)


def count(project: Project, name: str) -> int:
    """Return the number of rows that a service has logged."""
    return sum(_lines(path) for path in _files(project, name))


def _files(project: Project, name: str) -> list[Path]:
    return [
        path
        for path in folder(project, name).glob("*.jsonl")
        if path.is_file() and not path.name.endswith(_TEST)
    ]


def _lines(path: Path) -> int:
    position, lines = _counted.get(path, (0, 0))
    try:
        with path.open("rb") as file:
            file.seek(position)
            while block := file.read(_BLOCK):
                lines += block.count(b"\n")
                position += len(block)
    except OSError:
        return 0
    _counted[path] = (position, lines)
    return lines
