"""The projects' schedulers: running while this server does, and ended with it."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from typing import TYPE_CHECKING

from jupyter_mlops import jobs

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project

#: Seconds before a project is looked at again: another process may hold its scheduler's place.
PAUSE = 5
#: Seconds that a scheduler has to end by itself.
GRACE = 10


class Schedulers:
    """One scheduler process for each project that declares jobs."""

    def __init__(self) -> None:
        self._children: dict[Path, subprocess.Popen[bytes]] = {}
        self._looked: dict[Path, float] = {}
        #: Held while a child is made or all are ended: none is made, and lost, after the end.
        self._changing = threading.Lock()
        self._over = False

    async def ensure(self, project: Project) -> None:
        """Start this project's scheduler if it has schedules and no scheduler runs, here or elsewhere."""
        child = self._children.get(project.root)
        if child is not None and child.poll() is None:
            if not project.trusted:  # the user has taken it back
                await asyncio.to_thread(_end, self._children.pop(project.root))
            return
        if not project.trusted:
            return
        now = time.monotonic()
        if now - self._looked.get(project.root, -PAUSE) < PAUSE:
            return
        self._looked[project.root] = now
        await asyncio.to_thread(self._start, project)

    async def stop(self) -> None:
        """Stop every scheduler that was started here; start no more."""
        children = await asyncio.to_thread(self._taken)
        await asyncio.gather(*(asyncio.to_thread(_end, child) for child in children))

    def _start(self, project: Project) -> None:
        with self._changing:
            if self._over or not jobs.has_schedules(project):
                return
            started = jobs.start_scheduler(project)
            if started is not None:
                self._children[project.root] = started

    def _taken(self) -> list[subprocess.Popen[bytes]]:
        with self._changing:
            self._over = True
            children, self._children = [*self._children.values()], {}
        return children


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.stdin is not None:
        child.stdin.close()  # it takes this as the word to end
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
