"""What the noun `data` says of itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

from jupyter_mlops import tables
from jupyter_mlops.records import Record

DataStatus = Literal["ok", "changed", "missing", "not in cache"]


class DataVersion(Record):
    """The content version of one file or folder; `version` is DVC's md5 (`….dir` for folders)."""

    shown: ClassVar[tuple[str, ...]] = ("path", "version", "size", "files", "status")

    path: str
    version: str
    size: int
    files: int = 1
    status: DataStatus = "ok"
    modified: datetime | None = None

    def row(self) -> dict[str, Any]:
        """Return the line of this file in a list."""
        return {
            "path": self.path,
            "version": self.version[:12],
            "size": tables.size(self.size),
            "files": self.files,
            "status": self.status,
            "modified": self.modified,
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
