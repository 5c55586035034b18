"""The projects' scheduler processes: they run as long as this server."""

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

#: Seconds before a project is checked again: another process may run its scheduler.
PAUSE = 5
#: Seconds that a scheduler has to end before it is killed.
GRACE = 10


class Schedulers:
    """One scheduler process for each project that declares jobs."""

    def __init__(self) -> None:
        self._children: dict[Path, subprocess.Popen[bytes]] = {}
        self._checked: dict[Path, float] = {}
        #: Held while a child is started or all are ended, so that none is started after the end.
        self._changing = threading.Lock()
        self._stopped = False

    async def ensure(self, project: Project) -> None:
        """Start this project's scheduler if it has schedules and no scheduler runs, here or elsewhere."""
        child = self._children.get(project.root)
        if child is not None and child.poll() is None:
            if not project.trusted:  # the user has withdrawn the trust
                await asyncio.to_thread(_end, self._children.pop(project.root))
            return
        if not project.trusted:
            return
        now = time.monotonic()
        if now - self._checked.get(project.root, -PAUSE) < PAUSE:
            return
        self._checked[project.root] = now
        await asyncio.to_thread(self._start, project)

    async def stop(self) -> None:
        """Stop every scheduler that was started here; start no more."""
        children = await asyncio.to_thread(self._take_children)
        await asyncio.gather(*(asyncio.to_thread(_end, child) for child in children))

    def _start(self, project: Project) -> None:
        with self._changing:
            if self._stopped or not jobs.has_schedules(project):
                return
            started = jobs.start_scheduler(project)
            if started is not None:
                self._children[project.root] = started

    def _take_children(self) -> list[subprocess.Popen[bytes]]:
        with self._changing:
            self._stopped = True
            children, self._children = [*self._children.values()], {}
        return children


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.stdin is not None:
        child.stdin.close()  # this tells the scheduler to end
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
