"""Hashes the files that a cell reads, while the cell runs.

A large file takes seconds to hash, and reading, hashing and writing let other threads run. So one
thread hashes each file in parallel with the cell, from its first open on. It compares the file's time,
size and inode before and after: a version must belong to the content that the cell read.
"""

from __future__ import annotations

import os
import queue
import threading
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING

from jupyter_mlops import data
from jupyter_mlops.data.meter import watched
from jupyter_mlops.errors import Conflict
from jupyter_mlops.progress import say
from jupyter_mlops.secrets.redaction import is_secret_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jupyter_mlops.data.records import DataVersion
    from jupyter_mlops.project import Project

#: Maximum number of files to hash while the cell runs; further files are hashed afterwards.
_MOST = 200
_PERIOD = 1.0
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_Key = tuple[int, int, int]


class EarlyHasher:
    """Hashes files at their first open, one after the other.

    Args:
        project: the project whose data cache stores them.
        wanted: whether a path is data of the project.
    """

    def __init__(self, project: Project, wanted: Callable[[str], bool]) -> None:
        self._project = project
        self._wanted = wanted
        self._below = f"{project.root}/"
        self._first: dict[str, _Key | None] = {}
        self._found: dict[str, Future[DataVersion]] = {}
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._line: Callable[[], str] = str

    def saw(self, path: str, flags: int) -> None:
        """Queue a file to be hashed; the audit hook calls this before the file is opened."""
        if path in self._first or not path.startswith(self._below):
            return
        if is_secret_file(path):
            return
        # Files that the cell writes are hashed after it ends.
        self._first[path] = first = None if flags & _WRITE_FLAGS else _key(path)
        if first is None or len(self._found) >= _MOST:
            return
        self._found[path] = Future()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="mlops-hashes", daemon=True)
            self._thread.start()
        self._waiting.put(path)

    def version(self, path: Path, now: Path | None = None) -> DataVersion:
        """Return the version of the file that was read at `path`; print a line each second of waiting.

        Args:
            path: its name when it was read.
            now: its name now, if it was moved.

        Raises:
            Conflict: the file was changed before it could be hashed.
        """
        text = str(path)
        found = self._found.get(text)
        if found is not None:
            while not wait([found], _PERIOD).done:
                say(self._line())
            if found.exception() is None:
                return found.result()
        first = self._first.get(text)
        now = now or path
        version = data.version(now, project=self._project)
        if first is not None and first != _key(str(now)):
            raise Conflict(f"{path.name} was changed after it was read", "Write to another file")
        return version

    def working(self) -> bool:
        """Whether this is the hashing thread; files that it opens do not count for the cell."""
        return self._thread is not None and threading.get_ident() == self._thread.ident

    def stop(self) -> None:
        """Accept no more files; queued files are still hashed."""
        self._waiting.put(None)

    def _work(self) -> None:
        with watched() as meters:
            self._line = meters.line
            while (path := self._waiting.get()) is not None:
                found = self._found[path]
                try:
                    found.set_result(self._hash(path))
                except BaseException as error:  # `version` tries again and raises the reason
                    found.set_exception(error)

    def _hash(self, path: str) -> DataVersion:
        first = self._first[path]
        if not self._wanted(path) or _key(path) != first:
            raise Conflict(
                f"{path} is not a data file, or was changed", "It is hashed after the cell ends"
            )
        found = data.version(path, project=self._project)
        if _key(path) != first:
            raise Conflict(
                f"{path} was changed while it was read", "It is hashed after the cell ends"
            )
        return found


def _key(path: str) -> _Key | None:
    """Return time, size and inode, which change with a file's content; None if there is no file."""
    try:
        facts = os.stat(path)  # noqa: PTH116 - pathlib is too slow in a hook
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
