"""Progress of a long hash, copy or transfer: one line per second, none in the first second."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jupyter_mlops import tables
from jupyter_mlops.progress import say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_QUIET, _PERIOD = 1.0, 1.0


class Meter:
    """Count bytes (and files, if there are several) and show the progress once a second."""

    def __init__(self, title: str, *, size: int = 0, files: int = 1) -> None:
        self.title = title
        self.size = size
        self.files = files
        self.done_bytes = 0
        self.done_files = 0
        self._started = time.monotonic()
        self._next = self._started + _QUIET
        self._shown = False
        self._lock = threading.Lock()  # transfers count from several threads
        self._watched: Watched | None = getattr(_here, "watched", None)
        if self._watched is not None:
            self._watched.meter = self

    def __enter__(self) -> Meter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown and kind is None:
            took = tables.duration(time.monotonic() - self._started)
            say(f"{self.title} … {tables.size(self.done_bytes)} in {took}")

    def add(self, count: int, *, files: int = 0) -> None:
        """Count `count` more bytes, and `files` more files."""
        with self._lock:
            self.done_bytes += count
            self.done_files += files
            now = time.monotonic()
            if now < self._next:
                return
            self._next = now + _PERIOD
            if self._watched is not None:
                return
            self._shown = True
        say(self.line())

    def line(self) -> str:
        """Return the progress line."""
        parts = []
        if self.files > 1:
            parts.append(f"{self.done_files:,} of {self.files:,} files")
        if self.size:
            share = min(1.0, self.done_bytes / self.size)
            parts.append(
                f"{tables.size(self.done_bytes)} of {tables.size(self.size)} ({share:.0%})"
            )
        else:
            parts.append(tables.size(self.done_bytes))
        return f"{self.title} … {', '.join(parts)}"


class Watched:
    """The meters of a background thread: they show nothing, another thread reads `line`."""

    meter: Meter | None = None

    def line(self) -> str:
        """Return the progress line of the last meter."""
        return self.meter.line() if self.meter else "hashing …"


_here = threading.local()


@contextmanager
def watched() -> Iterator[Watched]:
    """Silence the meters that this thread makes in the block; yield an object that has their progress."""
    _here.watched = Watched()
    try:
        yield _here.watched
    finally:
        del _here.watched


def counting(meter: Meter) -> Any:
    """Return a progress callback of fsspec that feeds `meter`: files, and bytes inside a file."""
    from fsspec.callbacks import Callback

    class Inner(Callback):  # type: ignore[misc]
        def relative_update(self, inc: int = 1) -> None:
            meter.add(inc)

        def branched(self, path_1: str, path_2: str, **_: Any) -> Any:  # noqa: ARG002
            return self

    class Outer(Callback):  # type: ignore[misc]
        def relative_update(self, inc: int = 1) -> None:
            meter.add(0, files=inc)

        def branched(self, path_1: str, path_2: str, **_: Any) -> Any:  # noqa: ARG002
            return Inner()

    return Outer()
