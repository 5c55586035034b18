"""An embedded store whose project was moved or copied: its rows name the old folder, and are made to name this one.

MLflow keeps the absolute place of each run's files. Followed, a copy would write into the original, and a
project that was moved would make its old folder again.
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
    """Let the store's rows name this project's own folder; looked at once for each process and store."""
    path = project.state / "mlflow.db"
    if path.is_file():
        _followed(path, path.stat().st_ino, (project.state / "artifacts").as_uri())


@lru_cache(maxsize=64)
def _followed(path: Path, _inode: int, here: str) -> None:
    # What cannot be changed now is refused where it is used, as a place of somebody else.
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
        say(f"the project was moved or copied: its store names this folder now (places: {changed})")


def _counted(database: sqlite3.Connection, table: str, column: str, here: str) -> int:
    where = _ELSEWHERE.format(column=column)
    query = f"SELECT count(*) FROM {table} WHERE {where}"  # noqa: S608 - our own names
    return int(database.execute(query, {"here": here}).fetchone()[0])
