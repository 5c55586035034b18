"""The Jupyter Server extension: routes, event schema, live feed, schedulers and spool sync."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_server.extension.application import ExtensionApp

from jupyter_mlops.errors import MlopsError
from jupyter_mlops.server.feed import ChangeFeed
from jupyter_mlops.server.folders import project_of
from jupyter_mlops.server.handlers import ROUTES
from jupyter_mlops.server.records import CHANGE_SCHEMA, Change
from jupyter_mlops.server.schedulers import Schedulers
from jupyter_mlops.server.spool_sync import Syncing

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

    from jupyter_mlops.project import Project


class MlopsServer(ExtensionApp):
    """Serve the panel, run the schedules of the projects that it shows, and send their waiting runs."""

    name = "jupyter_mlops"

    def initialize_settings(self) -> None:
        """Register the event schema, and create the parts that are started later."""
        assert self.serverapp is not None
        self.feed = ChangeFeed(self.serverapp.root_dir, self._emit)
        self.schedulers = Schedulers()
        self.syncing = Syncing()
        self._background: set[asyncio.Task[None]] = set()
        self.serverapp.event_logger.register_event_schema(
            Path(__file__).with_name("change.v1.yaml")
        )

    def initialize_handlers(self) -> None:
        """Add the routes."""
        self.handlers.extend(ROUTES)

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:  # noqa: ARG002
        """Start the schedules of the project in the server's root folder, even without an open panel."""
        self._ensure_scheduler("")

    def follow(self, project: Project, path: str) -> None:
        """If the project is trusted, send its changes to the panels and run its schedules."""
        if project.trusted:
            self.feed.follow(project, path)
        else:
            self.feed.forget(path)
            self.feed.expect(path, known=True)
        self._ensure_scheduler(path)

    def expect(self, folder: str) -> None:
        """Notify the panels when this folder, which is in no project, becomes part of one."""
        self.feed.expect(folder)

    async def stop_extension(self) -> None:
        """Stop the feed, the spool sync and the schedulers."""
        await self.feed.stop()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.syncing.stop()
        await self.schedulers.stop()

    def _emit(self, change: Change) -> None:
        assert self.serverapp is not None
        self.serverapp.event_logger.emit(schema_id=CHANGE_SCHEMA, data=change.model_dump())
        if change.noun == "job":
            self._ensure_scheduler(change.project)

    def _ensure_scheduler(self, path: str) -> None:
        task = asyncio.get_running_loop().create_task(self._ensure(path))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _ensure(self, path: str) -> None:
        assert self.serverapp is not None
        try:
            project = await asyncio.to_thread(project_of, self.serverapp.root_dir, path)
            self.syncing.follow(project)
            await self.schedulers.ensure(project)
        except MlopsError as error:
            self.log.debug("no scheduler for /%s: %s", path, error)
        except OSError as error:
            self.log.warning("the scheduler for /%s did not start: %s", path, error)
