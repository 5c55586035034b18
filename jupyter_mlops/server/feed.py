"""Reads send each line that is appended to a project's `events.jsonl` and emits it as a server event."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass
from stat import S_ISREG
from typing import TYPE_CHECKING

from pydantic import ValidationError

from jupyter_mlops.errors import MlopsError
from jupyter_mlops.server.folders import path_of, project_of
from jupyter_mlops.server.records import Change

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jupyter_mlops.project import Project

#: Seconds between two reads of the files, and so the delay of a change on the screen.
INTERVAL = 0.25
#: Maximum number of projects followed; above it, the least recently requested one is dropped.
MOST = 32
#: Maximum number of bytes read at once. Others may write to the file; ours is emptied before it has so many.
MOST_BYTES = 4_000_000


@dataclass(slots=True)
class Tail:
    """Read the lines appended to a file after the tail was created."""

    path: Path
    position: int = 0
    inode: int = 0

    def __post_init__(self) -> None:
        try:
            stat = self.path.stat()
        except OSError:
            return
        self.position, self.inode = stat.st_size, stat.st_ino

    def lines(self) -> list[bytes]:
        """Return the complete lines written since the last call; a replaced file is read from its start."""
        try:
            stat = self.path.stat()
        except OSError:
            return []
        if stat.st_ino != self.inode or stat.st_size < self.position:
            self.position, self.inode = 0, stat.st_ino
        if stat.st_size == self.position:
            return []
        if stat.st_size - self.position > MOST_BYTES or not S_ISREG(stat.st_mode):
            self.position = stat.st_size  # the panel's slow poll shows what is left out here
            return []
        # It does not wait for the other end of a pipe that has taken the file's place.
        descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            file.seek(self.position)
            complete, newline, _ = file.read(MOST_BYTES).rpartition(b"\n")
        self.position += len(complete) + len(newline)
        return complete.splitlines()


class ChangeFeed:
    """Follow the requested projects, and pass each of their changes to `emit`."""

    def __init__(self, root_dir: str, emit: Callable[[Change], None]) -> None:
        self._root_dir = root_dir
        self._emit = emit
        self._tails: dict[str, Tail] = {}
        #: Folders outside of trusted projects → whether they are in an untrusted one.
        self._expected: dict[str, bool] = {}
        self._task: asyncio.Task[None] | None = None

    def follow(self, project: Project, path: str) -> None:
        """Start to report this project's changes, under the name `path`."""
        known = path in self._tails
        self._tails[path] = self._tails.pop(path) if known else Tail(project.events)
        if len(self._tails) > MOST:
            del self._tails[next(iter(self._tails))]
        self._start()

    def forget(self, path: str) -> None:
        """Stop to report the changes of the project `path`, because it is not trusted."""
        self._tails.pop(path, None)

    def expect(self, folder: str, *, known: bool = False) -> None:
        """Report when `folder` becomes part of a project (`init`), or when its project becomes trusted.

        Args:
            folder: the folder, as JupyterLab writes it.
            known: whether it is in an untrusted project already.
        """
        self._expected.pop(folder, None)
        self._expected[folder] = known
        if len(self._expected) > MOST:
            del self._expected[next(iter(self._expected))]
        self._start()

    async def stop(self) -> None:
        """Stop following all projects."""
        task, self._task = self._task, None
        self._tails.clear()
        self._expected.clear()
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            for folder, known in list(self._expected.items()):
                project = await asyncio.to_thread(self._found, folder)
                if project is None or (known and not project.trusted):
                    continue
                if project.trusted:
                    self._expected.pop(folder, None)
                else:
                    self._expected[folder] = True
                self._emit(_initialised(path_of(self._root_dir, project), project))
            for path, tail in list(self._tails.items()):
                for line in await asyncio.to_thread(tail.lines):
                    change = _change(path, line)
                    if change is not None:
                        self._emit(change)

    def _found(self, folder: str) -> Project | None:
        try:
            return project_of(self._root_dir, folder)
        except MlopsError:
            return None


def _initialised(path: str, project: Project) -> Change:
    return Change(
        project=path, noun="project", action="initialised", name=project.name, time=time.time()
    )


def _change(path: str, line: bytes) -> Change | None:
    try:
        return Change.model_validate({**json.loads(line), "project": path})
    except (ValueError, TypeError, RecursionError, ValidationError):
        # Of another version, incomplete or hostile: the panel's slow poll shows the change later.
        return None
