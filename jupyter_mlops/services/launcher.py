"""Start a Bento in its own process, and make sure that the process ends.

The parent opens the socket, so a busy port is reported before the process starts, and no other port is opened. The
child waits for a byte on its standard input before it starts. Unless the service is detached, the child ends when
this pipe closes: services end with the kernel that started them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_mlops import files
from jupyter_mlops.errors import BackendFailed, Conflict, MlopsError, UsageError
from jupyter_mlops.processes import keeper
from jupyter_mlops.processes.identity import ProcessId
from jupyter_mlops.text import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_LAST_PORT = 65_535
_STOP_SECONDS = 10.0
#: The line below a traceback: `package.SomeError: what happened`.
_RAISED = re.compile(r"[A-Za-z_][\w.]*: |[A-Za-z_][\w.]*(Error|Exception)$")
_REFUSED = re.compile(r"^mlops_runtime\.[\w.]*\.Refused: ")

#: Children of this process, stored so that they are reaped and their pipes stay open.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class RunningService:
    """A started service: its process, and where it answers."""

    process: ProcessId
    host: str
    port: int

    @property
    def url(self) -> str:
        """The URL of the service."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Open a listening socket on `host`:`port` (0: any free port) for the block.

    Raises:
        UsageError: no such address or port.
        Conflict: the port is busy.
    """
    if not 0 <= port <= _LAST_PORT:
        raise UsageError(f"--port {port} is out of range", f"Use 1 to {_LAST_PORT}, or omit --port")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise UsageError(
            f"This machine has no address '{host}'", "For example: --host 127.0.0.1"
        ) from None
    with socket.socket(family, kind, protocol) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind(address)
            opened.listen(2048)
        except OSError as error:
            raise _cannot_listen(error, host, port) from None
        yield opened


def _cannot_listen(error: OSError, host: str, port: int) -> MlopsError:
    if error.errno == errno.EADDRINUSE:
        return Conflict(
            f"Port {port} is busy", "Use another --port, or leave it out for any free one"
        )
    if error.errno == errno.EACCES:
        return UsageError(f"Port {port} is reserved for the system", "Use a port above 1023")
    return UsageError(
        f"Cannot listen on {host}:{port}: {error.strerror}", "For example: --host 127.0.0.1"
    )


def launch(
    folder: Path,
    *,
    log: Path,
    environment: Mapping[str, str],
    host: str,
    port: int,
    detach: bool,
    timeout: float,
    note: Callable[[RunningService], None] = lambda _: None,
) -> RunningService:
    """Start the Bento in `folder`, and return when it is ready; `note` is called before it starts to load.

    Raises:
        BackendFailed: it ended, or was not ready within `timeout` seconds and was killed.
    """
    with listening(host, port) as opened, files.log(log, fresh=True) as output:
        arguments = [] if detach else ["--parent", str(os.getpid())]
        process = subprocess.Popen(
            # -P: files in the user's folder must not replace imported modules.
            [sys.executable, "-P", "-m", "jupyter_mlops.services.service_process", str(folder),
             str(opened.fileno()), *arguments],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[opened.fileno()],
            cwd=folder / "src",
            env=_environment(environment, detach=detach),
            # An interrupt meant for the cell must not reach the service.
            start_new_session=True,
        )  # fmt: skip
        _children[process.pid] = process
        bound = opened.getsockname()
    launched = RunningService(ProcessId.of(process.pid), host, bound[1])
    try:
        note(launched)
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(b"g")
            process.stdin.flush()
            if detach:
                process.stdin.close()
        _wait_until_ready(process, launched, log, timeout)
    except BaseException:
        end(launched.process, grace=0)
        raise
    return launched


def _environment(extra: Mapping[str, str], *, detach: bool) -> dict[str, str]:
    environment = {**os.environ, "BENTOML_DO_NOT_TRACK": "True", "DO_NOT_TRACK": "1", **extra}
    # Keep the counters in memory: two services could share such a folder and delete each other's files.
    for name in ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir", "BENTOML_CONFIG"):
        environment.pop(name, None)
    if detach:
        environment[keeper.OUTLIVES] = "1"  # it also outlives a job that starts it
    return environment


def _wait_until_ready(
    process: subprocess.Popen[bytes], launched: RunningService, log: Path, timeout: float
) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        remaining = deadline - time.monotonic()
        if answers(launched, timeout=remaining, meanwhile=lambda: process.poll() is None):
            return
        if process.poll() is not None:
            raise BackendFailed(
                f"The service did not start: {logged_error(log)}", f"Its log: {log}"
            )
    raise BackendFailed(
        f"The service did not answer within {timeout:.0f} s: {logged_error(log)}",
        f"Allow more time with --timeout, or read its log: {log}",
    )


def answers(
    launched: RunningService, *, timeout: float, meanwhile: Callable[[], bool] = lambda: True
) -> bool:
    """Return whether the service reports that it is ready, within `timeout` seconds."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(launched.host, launched.host)
    deadline = time.monotonic() + timeout
    try:
        with socket.create_connection((host, launched.port), timeout=timeout) as connection:
            connection.sendall(
                b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
            # Not select(): it fails in a kernel with more than 1,024 open files.
            connection.settimeout(0.1)
            while time.monotonic() < deadline and meanwhile():
                with contextlib.suppress(TimeoutError):
                    return b" 200 " in connection.recv(64)
    except OSError:
        pass
    # Nothing listens, or it is not ready: limit how often the caller tries again.
    time.sleep(0.05)
    return False


def logged_error(log: Path) -> str:
    """Return the line of a service's log that most likely explains why it ended."""
    try:
        lines = [
            line.rstrip() for line in log.read_text(errors="replace").splitlines() if line.strip()
        ]
    except OSError:
        lines = []
    errors = [line for line in lines if _RAISED.match(line)]
    # The class of our own refusal says nothing to the user.
    return cut(_REFUSED.sub("", (errors or lines or ["its log is empty"])[-1]), 400)


def alive(process: ProcessId) -> bool:
    """Return whether this process still runs; another one with its pid does not count."""
    child = _children.get(process.pid)
    if child is not None and child.poll() is not None:
        _release(process.pid)
        return False
    return process.alive


def end(process: ProcessId, *, grace: float = _STOP_SECONDS) -> None:
    """End this process: it has `grace` seconds to finish its answers, then it is killed."""
    deadline = time.monotonic() + grace
    if grace and alive(process):
        _signal(process.pid, signal.SIGTERM)
        while alive(process) and time.monotonic() < deadline:
            time.sleep(0.02)
    if alive(process):
        _signal(process.pid, signal.SIGKILL)
    _release(process.pid)
    while alive(process):
        time.sleep(0.01)


def _release(pid: int) -> None:
    """Reap a child that has ended, and close the pipe to it."""
    child = _children.pop(pid, None)
    if child is None:
        return
    child.wait()
    if child.stdin and not child.stdin.closed:
        # Closing flushes the pipe, which fails if the child did not read everything.
        with contextlib.suppress(OSError):
            child.stdin.close()


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
