"""Greedy micro-batching: all waiting requests are answered as one batch, without a waiting time.

While the model works on one batch, new requests wait for the next one, so batches grow with the load. If the service
is idle, a request waits only a few turns of the event loop, in which requests that arrived together can join it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .rejected import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from .schema import Row

#: A model slower than this runs in a thread, so that the event loop can answer health checks.
_SLOW_SECONDS = 0.02
_LINGER_TURNS = 3
_STOP_SECONDS = 2.0


@dataclass(slots=True, eq=False)
class WaitingRequest:
    """One request's rows, and the future that its handler awaits."""

    rows: list[Row]
    answer: asyncio.Future[Any]
    request_id: str
    test: bool


class Batcher:
    """Collect requests and pass them to `answer` (blocking), which returns one result per request.

    If a result is an exception, it is raised for that request only.
    """

    def __init__(
        self,
        answer: Callable[[list[WaitingRequest]], list[Any]],
        *,
        batch_rows: int = 512,
        waiting_rows: int = 100_000,
    ) -> None:
        self._answer = answer
        self._batch_rows = batch_rows
        self._waiting_rows = waiting_rows
        self._queue: deque[WaitingRequest] = deque()
        self._rows = 0
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._seconds = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self, seconds: float) -> None:
        """Start to answer; `seconds` is the model's time for a few rows."""
        self._seconds = seconds
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Answer the waiting requests, then stop."""
        waiting = [item.answer for item in self._queue]
        if waiting:
            await asyncio.wait(waiting, timeout=_STOP_SECONDS)
        if self._task:
            self._task.cancel()
        self._thread.shutdown(wait=True)

    async def submit(self, rows: list[Row], request_id: str, *, test: bool = False) -> Any:
        """Return the answer to `rows`.

        Raises:
            Rejected: too many rows are waiting.
        """
        if self._rows + len(rows) > self._waiting_rows:
            raise Rejected(503, "overload", "Too many rows are waiting; try again later")
        future = asyncio.get_running_loop().create_future()
        self._rows += len(rows)
        self._queue.append(WaitingRequest(rows, future, request_id, test))
        self._wake.set()
        return await future

    async def _run(self) -> None:
        while True:
            while not self._queue:
                self._wake.clear()
                await self._wake.wait()
            await self._linger()
            batch = self._take()
            if not batch:
                continue
            started = time.perf_counter()
            try:
                if self._seconds > _SLOW_SECONDS:
                    loop = asyncio.get_running_loop()
                    results = await loop.run_in_executor(self._thread, self._answer, batch)
                else:
                    results = self._answer(batch)
            except Exception as error:  # the batch fails, the service continues
                results = [error] * len(batch)
            self._seconds += 0.1 * (time.perf_counter() - started - self._seconds)
            for waiting, result in zip(batch, results, strict=True):
                if waiting.answer.done():
                    continue
                if isinstance(result, BaseException):
                    waiting.answer.set_exception(result)
                else:
                    waiting.answer.set_result(result)
            # Let the answers be sent before the next batch starts.
            await asyncio.sleep(0)

    async def _linger(self) -> None:
        for _ in range(_LINGER_TURNS):
            await asyncio.sleep(0)
            if self._rows >= self._batch_rows:
                return

    def _take(self) -> list[WaitingRequest]:
        batch: list[WaitingRequest] = []
        count = 0
        while self._queue and (not batch or count + len(self._queue[0].rows) <= self._batch_rows):
            waiting = self._queue.popleft()
            self._rows -= len(waiting.rows)
            if not waiting.answer.done():
                batch.append(waiting)
                count += len(waiting.rows)
        return batch
