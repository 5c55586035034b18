"""Reads what other processes append to a project's `events.jsonl`, and emits it as server events."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from jupyter_mlops.errors import MlopsError
from jupyter_mlops.server.folders import path_of, project_of
from jupyter_mlops.server.records import Change

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jupyter_mlops.project import Project

#: Seconds between two looks at the files; a change is on the screen in about this time.
INTERVAL = 0.25
#: Projects followed at once; past that the one that was asked for longest ago is let go.
MOST = 32


@dataclass(slots=True)
class Tail:
    """The end of one growing file, from where it was when the tail was made."""

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
        """Return the whole lines written since the last call; a replaced file starts again."""
        try:
            stat = self.path.stat()
        except OSError:
            return []
        if stat.st_ino != self.inode or stat.st_size < self.position:
            self.position, self.inode = 0, stat.st_ino
        if stat.st_size == self.position:
            return []
        with self.path.open("rb") as file:
            file.seek(self.position)
            whole, newline, _ = file.read().rpartition(b"\n")
        self.position += len(whole) + len(newline)
        return whole.splitlines()


class ChangeFeed:
    """Follows the projects that were asked for and hands each change in them to `emit`."""

    def __init__(self, root_dir: str, emit: Callable[[Change], None]) -> None:
        self._root_dir = root_dir
        self._emit = emit
        self._tails: dict[str, Tail] = {}
        #: Folders of no trusted project → whether they are in one that is not trusted.
        self._expected: dict[str, bool] = {}
        self._task: asyncio.Task[None] | None = None

    def follow(self, project: Project, path: str) -> None:
        """Report this project's changes from now on, under the name `path`."""
        known = path in self._tails
        self._tails[path] = self._tails.pop(path) if known else Tail(project.events)
        if len(self._tails) > MOST:
            del self._tails[next(iter(self._tails))]
        self._start()

    def forget(self, path: str) -> None:
        """Report no more changes of the project `path`: it is not trusted."""
        self._tails.pop(path, None)

    def expect(self, folder: str, *, known: bool = False) -> None:
        """Report when `folder` becomes part of a project, or when its project becomes trusted.

        Args:
            folder: as Lab writes it.
            known: it is in a project already, which is not trusted.
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
                self._emit(_made(path_of(self._root_dir, project), project))
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


def _made(path: str, project: Project) -> Change:
    return Change(
        project=path, noun="project", action="initialised", name=project.name, time=time.time()
    )


def _change(path: str, line: bytes) -> Change | None:
    try:
        return Change.model_validate({**json.loads(line), "project": path})
    except (ValueError, TypeError, ValidationError):
        return None  # another version's line, or a torn one: the panel's slow poll makes up for it
