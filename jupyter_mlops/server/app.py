"""The extension as Jupyter Server loads it: the routes, the event schema, the followed projects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_server.extension.application import ExtensionApp

from jupyter_mlops.server.followed import Followed
from jupyter_mlops.server.handlers import ROUTES, NoRouteHandler
from jupyter_mlops.server.records import CHANGE_SCHEMA, Change

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


class MlopsServer(ExtensionApp):
    """Serves the panel; the handlers find `followed` through the server's settings."""

    name = "jupyter_mlops"

    def initialize_settings(self) -> None:
        """Register the event schema; start nothing yet."""
        assert self.serverapp is not None
        self.followed = Followed(self.serverapp.root_dir, self._emit, self.log)
        self.serverapp.event_logger.register_event_schema(
            Path(__file__).with_name("change.v1.yaml")
        )

    def initialize_handlers(self) -> None:
        """Add the routes."""
        self.handlers.extend([*ROUTES, (r"mlops/api.*", NoRouteHandler)])

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:  # noqa: ARG002
        """Start the scheduler of the project in the server's own folder, with no panel open."""
        self.followed.ensure_scheduler("")

    async def stop_extension(self) -> None:
        """Stop the feed, the spool sync and the schedulers."""
        await self.followed.stop()

    def _emit(self, change: Change) -> None:
        assert self.serverapp is not None
        self.serverapp.event_logger.emit(schema_id=CHANGE_SCHEMA, data=change.model_dump())
