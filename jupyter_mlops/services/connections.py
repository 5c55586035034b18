"""Limit how long a client may take, and how many may be connected; uvicorn has no such limits.

uvicorn limits only the idle time of a kept connection. It waits forever for the end of a request's headers or body,
and for a client that does not read its answer. A few hundred such connections use up the process's files, and other
clients get no answer (slowloris).
"""

from __future__ import annotations

import asyncio
import math
import resource
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_SWEEP_TICKS = 5  # uvicorn's main loop has ten ticks per second
_SPARE_FILES = 100
_FEWEST = 16


def _response(status: int, error: str) -> bytes:
    """Return a complete HTTP response that closes the connection."""
    content = f'{{"error":"{error}"}}'
    return (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n{content}"
    ).encode()


_TIMEOUT = _response(408, "The request took too long to arrive")
_TOO_LONG = _response(431, "The headers of the request are too long")
_BUSY = _response(503, "Too many connections; try again later")

Phase = Literal["headers", "body", "answer", "idle"]


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits for one client, in seconds and bytes, and the maximum number of connections.

    A body has `body` seconds, and one more for each `rate` bytes that arrive, but at most `longest`.
    """

    headers: float = 10
    header_bytes: int = 65_536
    body: float = 20
    rate: int = 16_384
    longest: float = 600
    idle: float = 30
    reading: float = 30  # the client must read a part of its answer in this time
    closing: float = 5
    connections: int = 1_000


class Connection(HttpToolsProtocol):  # type: ignore[misc]
    """uvicorn's HTTP protocol, which also records what it waits for, and since when."""

    limits = ConnectionLimits()
    phase: Phase = "headers"
    since = 0.0
    _credit = 0.0
    _head_bytes = 0
    _stuck_since = math.inf
    _closing_since = math.inf

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Start to wait for headers; if there are too many connections, close one."""
        super().connection_made(transport)
        self._wait_for("headers")
        if len(self.connections) > self.limits.connections:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Process the data; refuse headers that are too large."""
        if self.transport.is_closing():
            return
        waited = self.phase
        super().data_received(data)
        if self.phase == "headers" and waited == "headers":
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.header_bytes and not self.transport.is_closing():
                self.transport.write(_TOO_LONG)
                self.transport.close()

    def on_message_begin(self) -> None:
        """Start to wait for the headers of the next request."""
        super().on_message_begin()
        self._head_bytes = 0
        if self.phase != "headers":  # for the first request, the time starts with the connection
            self._wait_for("headers")

    def on_headers_complete(self) -> None:
        """Start to wait for the body."""
        self._wait_for("body")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Add time for the bytes that arrived."""
        super().on_body(body)
        self._credit += len(body) / self.limits.rate

    def on_message_complete(self) -> None:
        """Wait for the service: this time does not count for the client."""
        super().on_message_complete()
        self._wait_for("idle" if self.cycle.response_complete else "answer")

    def on_response_complete(self) -> None:
        """Start to wait for the next request."""
        super().on_response_complete()
        if self.phase == "headers":  # the next request arrived before this answer was ready
            self._wait_for("headers")
        elif self.phase == "answer" and self.cycle.response_complete:
            self._wait_for("idle")

    def pause_writing(self) -> None:
        """Start to wait for the client to read its answer."""
        super().pause_writing()
        self._stuck_since = self.loop.time()

    def resume_writing(self) -> None:
        """Stop waiting: the client reads."""
        super().resume_writing()
        self._stuck_since = math.inf

    def _wait_for(self, phase: Phase) -> None:
        self.phase = phase
        self.since = self.loop.time()
        self._credit = 0.0

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def check(self, now: float) -> None:
        """Close this connection if its client took too long."""
        limits = self.limits
        if self.transport.is_closing():
            # The client may never read the rest of its answer.
            self._closing_since = min(self._closing_since, now)
            if now - self._closing_since > limits.closing:
                self.transport.abort()
            return
        if now - self._stuck_since > limits.reading:
            self.transport.abort()
            return
        waited = now - self.since
        if (self.phase == "headers" and waited > limits.headers and not self._answering) or (
            self.phase == "body" and waited > min(limits.body + self._credit, limits.longest)
        ):
            if not (self.cycle and self._answering and self.cycle.response_started):
                self.transport.write(_TIMEOUT)
            self.transport.close()
        elif self.phase == "idle" and waited > limits.idle:
            self.transport.close()

    def _make_room(self) -> None:
        """Close the connection that has waited longest for its client, or this one if none waits."""
        others = [
            other
            for other in self.connections
            if other is not self
            and isinstance(other, Connection)
            and other.phase != "answer"
            and not other.transport.is_closing()
        ]
        if others:
            min(others, key=lambda other: other.since).transport.abort()
        else:
            self.transport.write(_BUSY)
            self.transport.close()


class Server(uvicorn.Server):  # type: ignore[misc]
    """uvicorn's server, which also checks its connections twice a second."""

    async def on_tick(self, counter: int) -> bool:
        """Close the connections that took too long."""
        if counter % _SWEEP_TICKS == 0:
            now = asyncio.get_running_loop().time()
            for connection in [*self.server_state.connections]:
                if isinstance(connection, Connection):
                    connection.check(now)
        return bool(await super().on_tick(counter))


def protocol(limits: ConnectionLimits | None = None) -> type[Connection]:
    """Return the protocol for `uvicorn.Config(http=…)`; by default limited by this process's open files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    default = ConnectionLimits()
    most = default.connections
    if files != resource.RLIM_INFINITY:
        most = min(most, max(_FEWEST, files - _SPARE_FILES))
    bounded: Any = type(
        "Bounded", (Connection,), {"limits": limits or ConnectionLimits(connections=most)}
    )
    kind: type[Connection] = bounded
    return kind
