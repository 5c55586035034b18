"""The REST routes: one resource for each noun, each calling the noun's own function."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

from jupyter_mlops import data, disk_errors, drift, jobs, runs, services, workspace
from jupyter_mlops._version import __version__
from jupyter_mlops.errors import MlopsError, UsageError
from jupyter_mlops.records import to_json
from jupyter_mlops.server.folders import NoProjectHere, path_of, project_of
from jupyter_mlops.server.records import Failure, ProjectStatus
from jupyter_mlops.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.project import Project
    from jupyter_mlops.server.followed import Followed
    from jupyter_mlops.workspace import Trust

MOST_RUNS = 1000


class NounHandler(APIHandler):
    """Find the project of `?path=`, call a verb in a thread, and turn its errors into status codes."""

    auth_resource = "mlops"

    async def prepare(self) -> None:  # type: ignore[override]
        """Authenticate as Jupyter does; headers that it cannot parse give status 400."""
        try:
            await super().prepare()
        except ValueError as error:  # an Origin such as `http://[`
            raise web.HTTPError(400, "A header cannot be read") from error

    async def answer(self, verb: Callable[[Project], Any]) -> None:
        """Send what `verb` returns for the request's project, as JSON."""
        followed: Followed = self.settings["jupyter_mlops"].followed
        root_dir = self.settings["server_root_dir"]
        folder = self.get_argument("path", "", strip=False)
        try:
            project = await asyncio.to_thread(project_of, root_dir, folder)
            try:
                body = await asyncio.to_thread(_json_answer, verb, project)
            finally:
                # After the verb, because the verb may be `trust`.
                followed.follow(project, path_of(root_dir, project))
        except MlopsError as error:
            if isinstance(error, NoProjectHere):
                followed.expect(folder)
            self.set_status(error.status)
            body = Failure(
                message=str(error), what=error.what, do=error.do, error=type(error).__name__
            ).to_json()
        await self.finish(body)

    def number(self, name: str, default: int, most: int) -> int:
        """Return the query argument `name`, a whole number from 1 to `most`."""
        text = self.get_argument(name, str(default))
        short = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
        if not short or not 1 <= int(text) <= most:
            raise UsageError(f"{name}={printable(text, 40)} is not a number from 1 to {most}")
        return int(text)


def _json_answer(verb: Callable[[Project], Any], project: Project) -> str:
    with disk_errors.in_one_line(project.state):
        return to_json(verb(project))


class StatusHandler(NounHandler):
    """GET: which project a folder belongs to."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Send the project's name, folder and store."""
        await self.answer(self._status)

    def _status(self, project: Project, known: Trust | None = None) -> ProjectStatus:
        known = known or workspace.trust_of(project)
        return ProjectStatus(
            name=known.name,
            path=path_of(self.settings["server_root_dir"], project),
            trusted=known.trusted,
            outside=known.outside,
            schedules=known.schedules,
            experiment=project.settings.project.experiment,
            store="team" if project.settings.tracking.uri else "embedded",
            version=__version__,
        )


class TrustHandler(StatusHandler):
    """POST: trust the project; DELETE: no longer trust it."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Trust the project and send its status; its schedules start."""
        await self.answer(lambda project: self._status(project, workspace.trust(project=project)))

    @web.authenticated
    @authorized
    async def delete(self) -> None:
        """Withdraw the trust and send the project's status; its schedules end."""
        await self.answer(
            lambda project: self._status(project, workspace.trust(off=True, project=project))
        )


class RunsHandler(NounHandler):
    """GET: the newest runs."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Send up to `?limit=` runs, of one `?kind=` or `?experiment=` if asked."""
        await self.answer(
            lambda project: runs.list(
                limit=self.number("limit", 50, MOST_RUNS),
                kind=self.get_argument("kind", ""),
                experiment=self.get_argument("experiment", ""),
                project=project,
            )
        )


class RunHandler(NounHandler):
    """GET: one run with everything that it recorded."""

    @web.authenticated
    @authorized
    async def get(self, run: str) -> None:
        """Send the run with this id."""
        await self.answer(lambda project: runs.show(run, project=project))


class ListHandler(NounHandler):
    """GET: what a verb of a noun lists; `LISTS` has one for each resource."""

    package: ClassVar[Any]
    verb: ClassVar[str]

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Send the list of the project."""
        listed = getattr(self.package, self.verb)
        await self.answer(lambda project: listed(project=project))


class ServiceActionHandler(NounHandler):
    """POST: start or stop a service."""

    @web.authenticated
    @authorized
    async def post(self, name: str, action: str) -> None:
        """Start the service (it ends with this server) or stop it; send its new state."""
        verb = services.start if action == "start" else services.stop
        await self.answer(lambda project: verb(name, project=project))


class DriftHandler(NounHandler):
    """GET: one drift check, column by column."""

    @web.authenticated
    @authorized
    async def get(self, run: str) -> None:
        """Send the report that this run recorded."""
        await self.answer(lambda project: drift.show(run, project=project))


class NoRouteHandler(NounHandler):
    """Answers every other address that begins with `mlops/api`.

    Jupyter's own page for unknown addresses answers 500 if a header cannot be parsed.
    """

    async def prepare(self) -> None:  # type: ignore[override]
        """Authenticate, then answer 404."""
        await super().prepare()
        raise web.HTTPError(404, "No such address")


#: Resource → the noun's package, the verb that lists it, and the record of one item.
LISTS: dict[str, tuple[Any, str, str]] = {
    "data": (data, "list", "DataVersion"),
    "jobs": (jobs, "list", "Job"),
    "services": (services, "list", "Service"),
    "drift": (drift, "history", "DriftCheck"),
}
#: Route below the server's base URL → handler.
ROUTES: tuple[tuple[str, type[NounHandler]], ...] = (
    (r"mlops/api/status", StatusHandler),
    (r"mlops/api/trust", TrustHandler),
    (r"mlops/api/runs", RunsHandler),
    (r"mlops/api/runs/([^/]+)", RunHandler),
    *(
        (
            f"mlops/api/{name}",
            type("ListHandler", (ListHandler,), {"package": package, "verb": verb}),
        )
        for name, (package, verb, _) in LISTS.items()
    ),
    (r"mlops/api/services/([^/]+)/(start|stop)", ServiceActionHandler),
    (r"mlops/api/drift/([^/]+)", DriftHandler),
)
