"""Sorts the file events of all lineage layers into a cell's inputs and outputs."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

IGNORED = {
    ".git", ".dvc", ".mlops", ".venv", "venv", "node_modules", "__pycache__", "site-packages",
    ".ipynb_checkpoints", ".ipython", ".cache", ".config", ".dvcignore", ".gitignore",
}  # fmt: skip
#: Code, which is in the run's git snapshot, and other files that are not data.
_IGNORED_SUFFIXES = {".py", ".pyc", ".ipynb", ".so", ".dvc", ".lock", ".toml", ".pth"}


@dataclass
class FileUses:
    """The file events of a cell, in order; `settle` computes the inputs and outputs from them.

    `inputs` are files that the cell read and did not create, under the names at the time of reading.
    `outputs` are files that it created or changed, under their current names. `lost` files were read
    and then deleted. `now` returns the current path of a file that was moved.
    """

    root: Path
    inputs: list[Path] = field(default_factory=list)
    outputs: list[Path] = field(default_factory=list)
    lost: list[Path] = field(default_factory=list)
    _since: int = 0
    _read: dict[str, None] = field(default_factory=dict)
    _written: dict[str, None] = field(default_factory=dict)
    #: Opened for reading and writing: written if it has changed, else read.
    _both: dict[str, None] = field(default_factory=dict)
    _created: set[str] = field(default_factory=set)
    _moved: dict[str, str] = field(default_factory=dict)

    def begin(self, state: Path) -> None:
        """Store the start time, by the clock of the project's disk."""
        self._since = _disk_time(state)

    def note(self, kind: str, path: str, new: str = "") -> None:
        """Note that `path` was read, written, created, both (opened for both), or moved to `new`."""
        if kind == "read":
            self._read.setdefault(path)
        elif kind == "both":
            self._both.setdefault(path)
        elif kind == "moved":
            self._move(path, new)
        else:
            self._written.setdefault(path)
            if kind == "created":
                self._created.add(path)

    def now(self, path: Path) -> Path:
        """Return the current path of the file that was at `path`; it may have been moved."""
        passed: set[Path] = set()
        while path not in passed and not os.path.lexists(path):
            passed.add(path)
            for part in (path, *path.parents):  # it, or a folder that it is in
                if str(part) in self._moved:
                    path = Path(self._moved[str(part)], path.relative_to(part))
                    break
        return path

    def is_data(self, path: str) -> bool:
        """Whether `path` is a data file of the project."""
        return self._is_ours(Path(path)) and Path(path).is_file()

    def settle(self) -> None:
        """Compute inputs, outputs and lost files from the events and the current files."""
        for name in self._both:
            if self._changed(name):
                self._written.setdefault(name)
            elif name not in self._written:
                self._read.setdefault(name)
        folders: dict[str, str] = {}
        for path in self._ours(self._read, folders):
            if str(path) in self._created:
                continue
            now = self.now(path)
            if now.is_file():
                self.inputs.append(path)
            elif str(path) in self._read and not os.path.lexists(now):
                self.lost.append(path)
        read = {self.now(path) for path in self.inputs}
        made = [self.now(path) for path in self._ours(self._written, folders)]
        self.outputs = [
            path
            for path in dict.fromkeys(made)
            if path not in read and path.is_file() and self._is_ours(path) and self._changed(path)
        ]

    def _move(self, old: str, new: str) -> None:
        self._moved[old] = new
        if old not in self._read or old in self._created:
            # An atomic write: a temporary file was renamed to the final name.
            self._written.setdefault(new)
            if new not in self._read:
                self._created.add(new)

    def _changed(self, path: str | Path) -> bool:
        try:
            return os.stat(path).st_ctime_ns >= self._since  # noqa: PTH116 - it is text, mostly
        except OSError:
            return False

    def _ours(self, paths: Iterable[str], folders: dict[str, str]) -> list[Path]:
        """Return the project files among `paths`, as paths below the project's root."""
        found = []
        for text in paths:
            path = Path(text)
            if not path.is_relative_to(self.root):
                # The path may lead into the project through a symbolic link.
                folder = str(path.parent)
                if folder not in folders:
                    folders[folder] = os.path.realpath(folder)
                real = Path(folders[folder], path.name)
                if not real.is_relative_to(self._real_root):
                    continue
                path = self.root / real.relative_to(self._real_root)
            if self._is_ours(path):
                found.append(path)
        return list(dict.fromkeys(found))

    def _is_ours(self, path: Path) -> bool:
        return (
            path.is_relative_to(self.root)
            and path.suffix not in _IGNORED_SUFFIXES
            and IGNORED.isdisjoint(path.relative_to(self.root).parts)
        )

    @property
    def _real_root(self) -> str:
        return os.path.realpath(self.root)


def _disk_time(folder: Path) -> int:
    """Return the time of a new file in `folder`: a file server's clock differs from this machine's."""
    import tempfile
    import time

    with suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_ctime_ns
    return time.time_ns()
