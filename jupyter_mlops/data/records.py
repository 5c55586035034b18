"""What the noun `data` says of itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

from jupyter_mlops import tables
from jupyter_mlops.records import Record

DataStatus = Literal["ok", "changed", "missing", "not in cache", "unreadable", "not checked"]


class DataVersion(Record):
    """The content version of one file or folder; `version` is DVC's md5 (`….dir` for folders).

    `origin` is the URL or path that it was fetched from. `detail` says why a version file, or what it
    points at, is unreadable.
    """

    shown: ClassVar[tuple[str, ...]] = ("path", "version", "size", "files", "status")

    path: str
    version: str
    size: int
    files: int = 1
    status: DataStatus = "ok"
    modified: datetime | None = None
    origin: str = ""
    detail: str = ""

    def row(self) -> dict[str, Any]:
        """Return the line of this file in a list."""
        return {
            "path": self.path,
            "version": self.version[:12],
            "size": tables.size(self.size),
            "files": self.files,
            "status": self.status,
            "modified": self.modified,
        } | {
            name: text for name, text in (("origin", self.origin), ("detail", self.detail)) if text
        }

    def __str__(self) -> str:
        return f"{self.path}  {self.version[:12]}  {tables.size(self.size)}  {self.status}"


class DataTransfer(Record):
    """One version that was pushed to a remote or pulled from it; `objects` and `size` really passed."""

    path: str
    version: str
    status: Literal["pushed", "pulled", "up to date"]
    objects: int
    size: int

    def row(self) -> dict[str, Any]:
        """Return the line of this version in a list."""
        return {
            "path": self.path,
            "version": self.version[:12],
            "status": self.status,
            "objects": self.objects,
            "size": tables.size(self.size),
        }


class Unused(Record):
    """One cached object that nothing refers to."""

    version: str
    size: int
    deleted: bool = False

    def row(self) -> dict[str, Any]:
        """Return the line of this object in a list."""
        return {
            "version": self.version[:12],
            "size": tables.size(self.size),
            "deleted": self.deleted,
        }


class DistributionPair(Record):
    """One column's values before and after, as shares of the same bins or categories."""

    labels: list[str]
    before: list[float]
    after: list[float]
    numeric: bool


class ColumnDiff(Record):
    """What became of one column; `score` is 0 for equal and 1 for disjoint distributions.

    `change` is the first that applies; `moved` also tells of a column whose type changed.
    """

    column: str
    change: Literal["added", "removed", "type", "moved", "missing", "same"]
    moved: bool = False
    type_before: str = ""
    type_after: str = ""
    missing_before: int = 0
    missing_after: int = 0
    before: str = ""
    after: str = ""
    score: float | None = None
    threshold: float | None = None
    method: str = ""
    changed_rows: int | None = None
    histogram: DistributionPair | None = None


class FileDiff(Record):
    """One file of a folder that is not the same on both sides."""

    path: str
    change: Literal["added", "removed", "changed"]
    size_before: int = 0
    size_after: int = 0


class DataDiff(Record):
    """What differs between two contents: of a table, of a folder, or of any other file.

    `rows_changed` is known only where a key matches rows. `sampled` says on what share of the rows
    the comparison was made, or is empty.
    """

    view = "jupyter_mlops.data.view"

    before: str
    after: str
    kind: Literal["table", "folder", "file"]
    same: bool
    version_before: str
    version_after: str
    size_before: int
    size_after: int
    rows_before: int | None = None
    rows_after: int | None = None
    rows_added: int | None = None
    rows_removed: int | None = None
    rows_changed: int | None = None
    columns: list[ColumnDiff] = []
    files: list[FileDiff] = []
    sampled: str = ""
    notes: list[str] = []
