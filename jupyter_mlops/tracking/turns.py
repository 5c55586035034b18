"""A first-in, first-out queue for the writers of the embedded store.

SQLite allows one writer at a time. A writer that finds it busy sleeps up to 100 ms and tries again, while a new
writer may get the lock at once. With eight writers, some waited 44 s. Here a writer first waits in the queue, in
the order of arrival, and then finds SQLite free. It stays at the head of the queue from the first change of a
transaction to its end. This holds for our writes and for plain `mlflow.*` calls in a process that has the store open.

The queue is an empty file in which each writer locks one byte. The byte's offset is the writer's time of arrival,
so the writer with no locked byte before its own is the first. The operating system removes the locks of a process
that ends, so a killed writer leaves the queue.

The queue decides only the order. SQLite's own lock still protects the store from writers that time out in the
queue or do not use it.
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

_LONGEST = 10.0  # seconds; after that, the writer goes on without the queue
_PAUSE = 0.001
_CHANGES = ("INSERT", "UPDATE", "DELETE", "REPLACE")
_HELD = "mlops.turn"
#: Every turn of this process; a forked child must reset them.
_all: weakref.WeakSet[Turn] = weakref.WeakSet()


class Turn:
    """A fair lock between all threads of all processes that write to one database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self._threads = threading.Lock()
        _all.add(self)

    def take(self, seconds: float = _LONGEST) -> bool:
        """Wait for the lock; return whether it was acquired within `seconds`."""
        import fcntl

        ends = time.monotonic() + seconds
        if not self._threads.acquire(timeout=seconds):
            return False
        taken = False
        try:
            if self._file < 0:
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                self._file = os.open(self._path, flags, 0o666)
            # lockf locks belong to the process, not to the open file: a forked child does not hold them.
            no_wait, offset = fcntl.LOCK_EX | fcntl.LOCK_NB, time.monotonic_ns()
            fcntl.lockf(self._file, no_wait, 1, offset)
            while True:
                with suppress(BlockingIOError, PermissionError):
                    fcntl.lockf(self._file, no_wait, offset)
                    taken = True
                    return True
                if time.monotonic() > ends:
                    return False
                time.sleep(_PAUSE)
        except OSError:
            return False  # the folder is not writable, or the file system has no locks
        finally:
            if not taken:
                self.give()

    def give(self) -> None:
        """Release the lock, or leave the queue."""
        import fcntl

        with suppress(OSError):
            fcntl.lockf(self._file, fcntl.LOCK_UN)
        self._threads.release()

    def forked(self) -> None:
        """Reset the thread lock in a forked child: threads of the parent may hold it."""
        self._threads = threading.Lock()


def taken_by(engine: Any, path: Path) -> None:
    """Make the write transactions of a SQLAlchemy engine use the queue in `path`."""
    try:
        import fcntl  # noqa: F401 - Windows has none, and so no queue
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
