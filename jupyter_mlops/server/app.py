"""The extension as Jupyter Server loads it: routes, the event schema, the live feed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_server.extension.application import ExtensionApp

from jupyter_mlops.server.feed import ChangeFeed
from jupyter_mlops.server.handlers import ROUTES
from jupyter_mlops.server.records import CHANGE_SCHEMA, Change

if TYPE_CHECKING:
    from jupyter_mlops.project import Project


class MlopsServer(ExtensionApp):
    """Serves the panel. It reads nothing and starts nothing until a project is asked for."""

    name = "jupyter_mlops"

    def initialize_settings(self) -> None:
        """Register the event schema and make the feed."""
        assert self.serverapp is not None
        self.feed = ChangeFeed(self.serverapp.root_dir, self._emit)
        self.serverapp.event_logger.register_event_schema(
            Path(__file__).with_name("change.v1.yaml")
        )

    def initialize_handlers(self) -> None:
        """Add the routes."""
        self.handlers.extend(ROUTES)

    def follow(self, project: Project, path: str) -> None:
        """Keep the panels that show this project up to date from now on."""
        self.feed.follow(project, path)

    def expect(self, folder: str) -> None:
        """Tell panels when this folder, which is in no project, gets into one."""
        self.feed.expect(folder)

    async def stop_extension(self) -> None:
        """Stop what was started."""
        await self.feed.stop()

    def _emit(self, change: Change) -> None:
        assert self.serverapp is not None
        self.serverapp.event_logger.emit(schema_id=CHANGE_SCHEMA, data=change.model_dump())
