"""Clients that are slow on purpose do not keep others from their answers, and are closed in time."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops.services import connections
from jupyter_mlops.services.connections import ConnectionLimits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from jupyter_mlops import services
    from tests.trials import Trials

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BODY = b'{"rows":[{"x":1.0,"z":0.0}]}'
GOOD = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
#: What is sent at first, and then again each pause.
ATTACKS: dict[str, tuple[bytes, bytes]] = {
    "nothing at all": (b"", b""),
    "headers never finished": (HEAD + b"X-A: b\r\n", b""),
    "headers a byte at a time": (HEAD + b"X-A: ", b"b"),
    "headers a line at a time": (HEAD, b"X-A: b\r\n"),
    "empty lines for ever": (b"", b"\r\n"),
    "a body never sent": (HEAD + b"Content-Length: 100000\r\n\r\n", b""),
    "a body a byte at a time": (HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "a chunked body a byte at a time": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a body for a route that reads none": (
        HEAD.replace(b"/predict", b"/nothing") + b"Content-Length: 100000\r\n\r\n", b" "),
    "a kept connection, idle": (GOOD, b""),
    "a kept connection, then half a request": (GOOD, b"P"),
    "a kept connection, then empty lines": (GOOD, b"\r\n"),
}  # fmt: skip


@contextlib.asynccontextmanager
async def connected(
    port: int, **options: Any
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect, and close whatever happens."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def attack(port: int, kind: str, pause: float, patience: float) -> float:
    """Be slow until the service closes; return after how many seconds, or infinity."""
    first, again = ATTACKS[kind]
    began = time.monotonic()
    async with connected(port) as (reader, writer):

        async def send() -> None:
            with contextlib.suppress(OSError):
                writer.write(first)
                while again:
                    await asyncio.sleep(pause)
                    writer.write(again)
                    await writer.drain()

        sending = asyncio.ensure_future(send())
        try:
            async with asyncio.timeout(patience):
                with contextlib.suppress(ConnectionError):
                    while await reader.read(65_536):
                        pass
            return time.monotonic() - began
        except TimeoutError:
            return float("inf")
        finally:
            sending.cancel()


async def normal(port: int) -> float:
    """Ask as a normal client does; return how long it took."""
    began = time.monotonic()
    async with asyncio.timeout(30), connected(port) as (reader, writer):
        writer.write(GOOD)
        head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    return time.monotonic() - began


async def besiege(port: int, number: int, pause: float, patience: float) -> tuple[list[float], int]:
    """Attack in every way at once, and ask meanwhile; return when each was closed, and the answers."""
    kinds = [[*ATTACKS][index % len(ATTACKS)] for index in range(number)]
    attacks = asyncio.gather(*(attack(port, kind, pause, patience) for kind in kinds))
    answers = 0
    while not attacks.done():
        await normal(port)
        answers += 1
        await asyncio.sleep(pause / 2)
    return await attacks, answers


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Read the body of /predict, and answer at once elsewhere."""
    if scope["type"] != "http":
        return
    more = scope["path"] == "/predict"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message["more_body"]
    content = b"x" * (8_000_000 if scope["path"] == "/large" else 2)
    length = str(len(content)).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]}
    )
    await send({"type": "http.response.body", "body": content})


@contextlib.asynccontextmanager
async def serving(limits: ConnectionLimits) -> AsyncIterator[tuple[int, connections.Server]]:
    """Serve `echo` in this process, with limits that a test can wait for."""
    import socket

    import uvicorn

    with socket.create_server(("127.0.0.1", 0), backlog=2048) as opened:
        kind = connections.protocol(limits)
        config = uvicorn.Config(
            echo, http=kind, ws="none", lifespan="off", log_config=None, access_log=False,
            timeout_keep_alive=30, timeout_graceful_shutdown=1,
        )  # fmt: skip
        server = connections.Server(config)
        served = asyncio.ensure_future(server._serve([opened]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield opened.getsockname()[1], server
        server.should_exit = True
        await served


SHORT = ConnectionLimits(headers=1, body=1, rate=10_000, longest=4, idle=1, reading=1, closing=1)


def test_slow_clients_are_closed_in_time_and_a_normal_one_is_answered(trials: Trials) -> None:
    async def run() -> tuple[list[float], int, int]:
        async with serving(SHORT) as (port, server):
            closed, answers = await besiege(port, 204, 0.1, 8)
            await asyncio.sleep(0.2)
            return closed, answers, len(server.server_state.connections)

    closed, answers, left = asyncio.run(run())
    assert max(closed) < 5
    assert answers > 5
    assert left == 0
    trials("slow connections, limits of 1 s", len(closed), "all closed, others answered")


def test_a_service_has_limits_below_the_forty_seconds_that_slow_clients_stayed() -> None:
    """The tests above have shorter ones; these are what a started service uses."""
    limits = ConnectionLimits()
    assert limits.headers + limits.closing < 40
    assert limits.body + limits.closing < 40
    assert limits.idle + limits.closing < 40
    assert limits.reading + limits.closing < 40


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_hundred_slow_clients_of_a_real_service(line: services.Service, trials: Trials) -> None:
    port = int(line.url.rpartition(":")[2])
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert files > 600 or most > 600
    limits = ConnectionLimits()
    bound = limits.body + limits.idle + 2
    closed, answers = asyncio.run(besiege(port, 204, 1.0, bound + 10))
    assert max(closed) < bound
    assert answers > 20
    trials("slow connections to a started service", len(closed), "all closed, others answered")


def test_a_slow_but_steady_body_arrives(trials: Trials) -> None:
    async def run() -> bytes:
        async with serving(SHORT) as (port, _), connected(port) as (reader, writer):
            writer.write(HEAD + b"Content-Length: 60000\r\n\r\n")
            for _ in range(12):
                await asyncio.sleep(0.2)
                writer.write(b" " * 5_000)
            return await reader.readuntil(b"\r\n\r\n")

    assert asyncio.run(run()).startswith(b"HTTP/1.1 200")


def test_who_does_not_read_the_answer_is_closed(trials: Trials) -> None:
    async def run() -> int:
        async with serving(SHORT) as (port, server), contextlib.AsyncExitStack() as opened:
            asked = b"GET /large HTTP/1.1\r\nHost: localhost\r\n%b\r\n"
            for index in range(20):
                reader, writer = await opened.enter_async_context(connected(port, limit=1))
                reader._transport.pause_reading()  # type: ignore[attr-defined]
                writer.write(asked % (b"Connection: close\r\n" if index % 2 else b""))
            await asyncio.sleep(0.3)
            assert len(server.server_state.connections) == 20
            await asyncio.sleep(3.5)
            return len(server.server_state.connections)

    assert asyncio.run(run()) == 0
    trials("answers that are never read", 20, "all closed")


def test_headers_without_end_are_refused(trials: Trials) -> None:
    async def run(count: int) -> bytes:
        async with serving(ConnectionLimits()) as (port, _), connected(port) as (reader, writer):
            try:
                writer.write(HEAD + b"X-A: " + b"b" * count)
                await writer.drain()
                return await reader.readuntil(b"\r\n\r\n")
            except ConnectionError:
                return b"reset"  # more was on its way than the service would read

    assert asyncio.run(run(65_500)).startswith(b"HTTP/1.1 431")
    assert asyncio.run(run(50_000_000)).startswith((b"HTTP/1.1 431", b"reset"))


def test_more_connections_than_the_bound_take_the_place_of_those_that_wait(trials: Trials) -> None:
    """A flood of silent connections takes no place from a client that asks."""

    async def run() -> tuple[int, int]:
        most = 0
        async with (
            serving(ConnectionLimits(connections=50)) as (port, server),
            contextlib.AsyncExitStack() as silent,
        ):
            for index in range(400):
                await silent.enter_async_context(connected(port))
                if index % 20 == 0:
                    await normal(port)
                most = max(most, len(server.server_state.connections))
        return most, 400

    most, tried = asyncio.run(run())
    assert most <= 51
    trials("silent connections beyond the bound of 50", tried, "others answered")


def test_a_request_that_is_answered_slowly_is_left_alone() -> None:
    async def run() -> bytes:
        async def slow(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await asyncio.sleep(3)
                await echo(scope, receive, send)

        async with serving(SHORT) as (port, server):
            server.config.loaded_app = slow
            async with connected(port) as (reader, writer):
                writer.write(GOOD)
                return await reader.readuntil(b"\r\n\r\n")

    assert asyncio.run(run()).startswith(b"HTTP/1.1 200")


def test_the_bound_stays_below_the_files_that_the_process_may_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind: Callable[[int], int] = lambda files: connections.protocol().limits.connections  # noqa: E731
    for files, most in ((256, 156), (1024, 924), (1_000_000, 1000), (resource.RLIM_INFINITY, 1000)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        assert kind(files) == most
