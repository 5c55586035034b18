"""`service start`, `stop` and `list`: start and stop services, and record their ports and processes."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jupyter_mlops import files
from jupyter_mlops.errors import Conflict, MlopsError, UsageError
from jupyter_mlops.processes.identity import ProcessId
from jupyter_mlops.progress import say, step
from jupyter_mlops.project import Project
from jupyter_mlops.records import Records
from jupyter_mlops.services import bento_store, launcher, prediction_log, seal
from jupyter_mlops.services.launcher import RunningService
from jupyter_mlops.services.records import Parity, Service
from jupyter_mlops.services.runtime.host_check import VARIABLE, canonical, is_address

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_EMPTY = "No services yet. Build one: %mlops service build RUN"
_PROBE_SECONDS = 0.5


def start(
    name: str,
    *,
    port: int = 0,
    host: str = "",
    allow_host: Sequence[str] | None = None,
    detach: bool = False,
    timeout: float = 60,
    project: Project | None = None,
) -> Service:
    """Start a service, and return when it is ready.

    Args:
        name: the service; its latest version is started.
        port: default: any free port.
        host: default: `service.host` in mlops.toml, which is 127.0.0.1.
        allow_host: more host names to which the service answers, besides loopback, `host` and
            `service.allow_hosts` in mlops.toml.
        detach: leave it running when this process ends; by default it ends with this process.
        timeout: maximum seconds until it is ready.
        project: default: the project at or above the working folder.

    Raises:
        Conflict: the port is busy, or the service runs already with other settings.
        Unsealed: it was not built by this user, or was changed since.
        BackendFailed: it did not start; the message has the last line of its log.
    """
    project = project or Project.find()
    project.require_trust(f"{name} was not started")
    bento = bento_store.latest(project, name)
    host = host or project.settings.service.host
    hosts = _hosts(project, host, allow_host or ())
    with project.locked(f"service-{name}", timeout=timeout + 30):
        running = _running(project, name)
        if running is not None:
            return _already_running(project, bento, running, port, hosts)
        seal.verify(bento.path)
        try:
            with step(f"Starting {bento.tag}"):
                launched = launcher.launch(
                    bento.path,
                    log=_log(project, name),
                    environment=_environment(project, name) | {VARIABLE: ",".join(hosts)},
                    host=host,
                    port=port,
                    detach=detach,
                    timeout=timeout,
                    note=lambda launched: _note(project, bento, launched, hosts, detach=detach),
                )
        except BaseException:
            _forget(project, name)
            raise
    project.announce("service", "started", name)
    say(f"{name} is ready on {launched.url}")
    return record(project, bento)


def stop(name: str, *, project: Project | None = None) -> Service:
    """Stop a service, whichever process started it; it finishes its open requests first.

    Raises:
        NotFound: no such service.
        Conflict: it is not running.
    """
    project = project or Project.find()
    project.require_trust(f"{name} was not stopped")
    bento = bento_store.latest(project, name)
    with project.locked(f"service-{name}"):
        running = _running(project, name)
        if running is None:
            _forget(project, name)
            raise Conflict(f"{name} is not running", f"Start it: %mlops service start {name}")
        launcher.end(_launched(running).process)
        _forget(project, name)
    project.announce("service", "stopped", name)
    return record(project, bento)


def list(*, project: Project | None = None) -> Records[Service]:
    """List all services, with the state of each."""
    project = project or Project.find()
    found = []
    for name in bento_store.names(project):
        _tidy(project, name)
        try:
            found.append(record(project, bento_store.latest(project, name)))
        except (MlopsError, OSError, ValueError, KeyError, TypeError):
            # Its folder was deleted, is being deleted, or has other content.
            continue
    return Records(found, empty=_EMPTY)


def get(name: str, *, project: Project | None = None) -> Service:
    """Return one service: its running version, or the latest one."""
    project = project or Project.find()
    return record(project, bento_store.latest(project, name))


def record(project: Project, bento: bento_store.Bento) -> Service:
    """Return the record of a service in its present state."""
    running = _running(project, bento.name)
    status: Any = "stopped" if _log(project, bento.name).exists() else "built"
    if running is not None:
        if running["tag"] != bento.tag:
            bento = bento_store.by_tag(project, running["tag"])
        launched = _launched(running)
        status = "ready" if launcher.answers(launched, timeout=_PROBE_SECONDS) else "starting"
    origin = bento.origin
    parity = origin.get("parity")
    return Service(
        name=bento.name,
        tag=bento.tag,
        status=status,
        run_id=origin["run_id"],
        run_name=origin["run_name"],
        flavor=origin["flavor"],
        inputs=[
            {"name": item["name"], "type": item["type"]}
            for item in bento.read_json("schema.json")["inputs"]
        ],
        parity=Parity(**parity) if parity else None,
        url=_launched(running).url if running else "",
        pid=running["pid"] if running else None,
        requests=prediction_log.count(project, bento.name) if project.trusted else 0,
        created=bento.created,
    )


def _hosts(project: Project, host: str, allowed: Sequence[str]) -> tuple[str, ...]:
    """Return the host names, besides loopback, to which the service answers, in canonical form.

    Raises:
        UsageError: one of them is not a host name.
    """
    # The service always answers to the address to which it is bound.
    bound = [] if is_address(host) else [host]
    hosts = []
    for name in [*bound, *project.settings.service.allow_hosts, *allowed]:
        try:
            hosts.append(canonical(name))
        except ValueError:
            raise UsageError(
                f"'{name}' is not a host name", "Write it without http://, port and path"
            ) from None
    return tuple(dict.fromkeys(hosts))


def _already_running(
    project: Project,
    bento: bento_store.Bento,
    running: dict[str, Any],
    port: int,
    hosts: Sequence[str],
) -> Service:
    """Return the running service, if it has the requested version, port and host names."""
    if running["tag"] != bento.tag:
        raise Conflict(
            f"{running['tag']} is running, and {bento.tag} is newer",
            f"Stop it first: %mlops service stop {bento.name}",
        )
    if port and port != running["port"]:
        raise Conflict(
            f"{bento.name} is running already, on port {running['port']}",
            f"Stop it first: %mlops service stop {bento.name}",
        )
    unknown = [name for name in hosts if name not in running.get("hosts", hosts)]
    if unknown:
        raise Conflict(
            f"{bento.name} is running already, but does not answer to the host name {unknown[0]}",
            f"Stop it first: %mlops service stop {bento.name}",
        )
    say(f"{bento.name} is running already, on {_launched(running).url}")
    return record(project, bento)


def _environment(project: Project, name: str) -> dict[str, str]:
    settings = project.settings.service
    return {
        "BENTOML_HOME": str(bento_store.home(project)),
        "MLOPS_PREDICTIONS": str(prediction_log.folder(project, name)),
        "MLOPS_SERVICE_MAX_BODY_MB": str(settings.max_body_mb),
    }


def _log(project: Project, name: str) -> Path:
    return project.state / "services" / f"{name}.log"


def _note(
    project: Project,
    bento: bento_store.Bento,
    launched: RunningService,
    hosts: Sequence[str],
    *,
    detach: bool,
) -> None:
    content = {
        "name": bento.name,
        "tag": bento.tag,
        "pid": launched.process.pid,
        "started": launched.process.start,
        "host": launched.host,
        "port": launched.port,
        "hosts": [*hosts],
        "detached": detach,
        "time": datetime.now(UTC).isoformat(),
    }
    files.replace(_state(project, bento.name), json.dumps(content))


def _state(project: Project, name: str) -> Path:
    return project.state / "services" / f"{name}.json"


def _running(project: Project, name: str) -> dict[str, Any] | None:
    """Return the state file of the service's process if that process still runs, else None.

    The file names a process and an address to contact, so it is read only in a trusted project.
    """
    if not project.trusted:
        return None
    try:
        state = json.loads(_state(project, name).read_text(encoding="utf-8"))
        return dict(state) if launcher.alive(_launched(state).process) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _tidy(project: Project, name: str) -> None:
    """Remove the state file of a process that has ended, unless the service is being started."""
    if not project.trusted or not _state(project, name).exists() or _running(project, name):
        return
    with contextlib.suppress(Conflict), project.locked(f"service-{name}", timeout=0):
        if _running(project, name) is None:
            _forget(project, name)


def _launched(state: dict[str, Any]) -> RunningService:
    # `host` is the service's address here, and no other machine has this note.
    found = ProcessId(int(state["pid"]), float(state["started"]))
    return RunningService(found, state["host"], state["port"])


def _forget(project: Project, name: str) -> None:
    _state(project, name).unlink(missing_ok=True)
