"""The projects that panels show: their changes are reported, their schedules kept, waiting runs sent."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from jupyter_mlops.errors import MlopsError
from jupyter_mlops.server.feed import ChangeFeed
from jupyter_mlops.server.folders import project_of
from jupyter_mlops.server.schedulers import Schedulers
from jupyter_mlops.server.spool_sync import Syncing

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.project import Project
    from jupyter_mlops.server.records import Change


class Followed:
    """What the server does for a project from the first request for it until the server stops."""

    def __init__(
        self, root_dir: str, emit: Callable[[Change], None], log: logging.Logger | None = None
    ) -> None:
        self._root_dir = root_dir
        self._emit = emit
        self._log = log or logging.getLogger(__name__)
        self._background: set[asyncio.Task[None]] = set()
        self.feed = ChangeFeed(root_dir, self._changed)
        self.schedulers = Schedulers()
        self.syncing = Syncing()

    def follow(self, project: Project, path: str) -> None:
        """Keep the panels that show this project up to date, and keep its schedules, if it is trusted."""
        if project.trusted:
            self.feed.follow(project, path)
        else:
            self.feed.forget(path)
            self.feed.expect(path, known=True)
        self.ensure_scheduler(path)

    def expect(self, folder: str) -> None:
        """Tell panels when this folder, which is in no project, gets into one."""
        self.feed.expect(folder)

    def ensure_scheduler(self, path: str) -> None:
        """Start the scheduler of the project at `path`, if it has schedules and none runs."""
        task = asyncio.get_running_loop().create_task(self._ensure(path))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def stop(self) -> None:
        """Stop what was started."""
        await self.feed.stop()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.syncing.stop()
        await self.schedulers.stop()

    def _changed(self, change: Change) -> None:
        self._emit(change)
        if change.noun == "job":
            self.ensure_scheduler(change.project)

    async def _ensure(self, path: str) -> None:
        try:
            project = await asyncio.to_thread(project_of, self._root_dir, path)
            self.syncing.follow(project)
            await self.schedulers.ensure(project)
        except MlopsError as error:
            self._log.debug("no scheduler for /%s: %s", path, error)
        except OSError as error:
            self._log.warning("the scheduler for /%s did not start: %s", path, error)
