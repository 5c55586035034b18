"""Correct the artifact paths in the embedded store of a project that was moved or copied.

MLflow stores the absolute path of each run's artifacts. Without this, a copy would write into the original, and a
moved project would create its old folder again.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from functools import lru_cache
from typing import TYPE_CHECKING

from jupyter_mlops.progress import say

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project

_PLACES = (
    ("experiments", "artifact_location"), ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"), ("model_versions", "storage_location"),
)  # fmt: skip
_OURS = "/.mlops/artifacts"
_ELSEWHERE = (
    "{column} LIKE 'file://%/.mlops/artifacts%' AND substr({column}, 1, length(:here)) != :here"
)


def follow(project: Project) -> None:
    """Make the store's rows name this project's folder; checked once per process and store."""
    path = project.state / "mlflow.db"
    if path.is_file():
        _followed(path, path.stat().st_ino, (project.state / "artifacts").as_uri())


@lru_cache(maxsize=64)
def _followed(path: Path, _inode: int, here: str) -> None:
    # If the rows cannot be changed now, `places.check` refuses their paths later.
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=20)) as database:
        if not _counted(database, "experiments", "artifact_location", here):
            return
        changed = 0
        with database:
            for table, column in _PLACES:
                where = _ELSEWHERE.format(column=column)
                found = database.execute(
                    f"UPDATE {table} SET {column} = :here || "  # noqa: S608 - our own names
                    f"substr({column}, instr({column}, :ours) + length(:ours)) WHERE {where}",
                    {"here": here, "ours": _OURS},
                )
                changed += found.rowcount
        say(f"the project was moved or copied: {changed} paths in its store now name this folder")


def _counted(database: sqlite3.Connection, table: str, column: str, here: str) -> int:
    where = _ELSEWHERE.format(column=column)
    query = f"SELECT count(*) FROM {table} WHERE {where}"  # noqa: S608 - our own names
    return int(database.execute(query, {"here": here}).fetchone()[0])
