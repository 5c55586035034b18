"""Send the runs that wait for a team's store, in the background, while the server runs."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from jupyter_mlops.tracking import spool

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project

#: Seconds between two checks; each lists one small folder.
INTERVAL = 20.0


class Syncing:
    """Runs `run sync` for the followed projects that have waiting runs, one at a time.

    It runs in its own process, because MLflow would stay in the server's memory and block its event loop.
    """

    def __init__(self) -> None:
        self._projects: dict[Path, Project] = {}
        self._task: asyncio.Task[None] | None = None

    def follow(self, project: Project) -> None:
        """Send the waiting runs of this project from now on, if it is trusted."""
        if not project.trusted:
            return
        self._projects[project.root] = project
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Stop sending."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            for project in [*self._projects.values()]:
                notes = await asyncio.to_thread(spool.waiting, project)
                if project.trusted and any(not note.refused for note in notes):
                    await _sync(project)
            await asyncio.sleep(INTERVAL)


async def _sync(project: Project) -> None:
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "jupyter_mlops.cli", "run", "sync",
        cwd=os.sep, env={**os.environ, "MLOPS_ROOT": str(project.root)}, stdin=quiet, stdout=quiet, stderr=quiet,
    )  # fmt: skip
    try:
        await process.wait()  # if it failed, the next check tries again
    finally:
        if process.returncode is None:
            process.kill()  # nothing is lost: the next sync starts again
            await process.wait()
