"""Writers of the embedded store take turns, so that none waits for long.

SQLite lets one write at a time. Who finds it busy sleeps, longer each time, up to 100 ms, and asks again; a
newcomer asks at once and gets it. With eight writers some lost so often that they waited for 44 s. Here a
writer first waits for its turn, in the order of arrival, and SQLite is free then. The turn is held from a
transaction's first change to its end, whoever makes it: we, or a plain `mlflow.*` call in a process that
has the store open.

The queue is a file without content, in which each writer locks one byte: the byte's place is the time of its
arrival, so the one with nothing locked before its own byte is the first. The kernel removes the locks of a
process that ends, so a killed writer leaves the queue.

The turn decides the order only. Whoever does not get it in time, or does not know of it, is kept apart by
SQLite as ever.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST = 10.0  # seconds; then SQLite decides
_PAUSE = 0.001
_CHANGES = ("INSERT", "UPDATE", "DELETE", "REPLACE")
_HELD = "mlops.turn"
#: Every turn of this process: a forked child has none of them.
_all: weakref.WeakSet[Turn] = weakref.WeakSet()


class Turn:
    """A lock among the processes, and the threads of each, that write to one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self._threads = threading.Lock()
        _all.add(self)

    def take(self, seconds: float = _LONGEST) -> bool:
        """Wait for the turn; return whether it came."""
        import fcntl

        ends = time.monotonic() + seconds
        if not self._threads.acquire(timeout=seconds):
            return False
        taken = False
        try:
            if self._file < 0:
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                self._file = os.open(self._path, flags, 0o666)
            # Of the process, not of the open file: a forked child must not go on holding them.
            at_once, place = fcntl.LOCK_EX | fcntl.LOCK_NB, time.monotonic_ns()
            fcntl.lockf(self._file, at_once, 1, place)
            while True:
                with suppress(BlockingIOError, PermissionError):
                    fcntl.lockf(self._file, at_once, place)
                    taken = True
                    return True
                if time.monotonic() > ends:
                    return False
                time.sleep(_PAUSE)
        except OSError:
            return False  # a folder that cannot be written to, a file system without locks
        finally:
            if not taken:
                self.give()

    def give(self) -> None:
        """End the turn, or leave the queue."""
        import fcntl

        with suppress(OSError):
            fcntl.lockf(self._file, fcntl.LOCK_UN)
        self._threads.release()

    def forked(self) -> None:
        """Forget what the parent's threads hold."""
        self._threads = threading.Lock()


def taken_by(engine: Any, path: Path) -> None:
    """Let the transactions of an engine of SQLAlchemy's take turns at `path`."""
    try:
        import fcntl  # noqa: F401 - not on Windows, where SQLite alone decides
    except ImportError:
        return
    from sqlalchemy import event

    turn = Turn(path)

    def first_change(
        connection: Any, _cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool
    ) -> None:
        if statement.lstrip()[:7].upper().startswith(_CHANGES) and _HELD not in connection.info:
            connection.info[_HELD] = turn.take()

    def returned(_connection: Any, record: Any) -> None:
        if record.info.pop(_HELD, False):
            turn.give()

    event.listen(engine, "before_cursor_execute", first_change)
    event.listen(engine, "checkin", returned)


def _forked() -> None:
    for turn in _all:
        turn.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
