"""The parent of a kernel: it ends every process that the kernel started, as soon as the execution is over.

    python -I -S keeper.py EXECUTOR-PID PRIVATE-FOLDER COMMAND…

It runs as a file, on Linux, with the standard library only, between the process that executes a notebook and the
kernel. It is a subreaper: a process below it whose parent ends becomes its child, also after `setsid`, a double
fork or `nohup`, and whatever it did to its environment. The execution is over when

- the kernel ends,
- it is told so (SIGTERM), or
- the executing process ends, however that happens; the private folder is then removed too.

Processes get SIGTERM and a second, then SIGKILL; the kernel and, after a kill, everything SIGKILL at once. SIGINT
goes on to the kernel. The keeper is never in the kernel's process group, so a signal to that group spares it. Killed
itself, it takes the kernel with it, and what is left carries the execution's mark (`owned.py`).

A process whose environment has `MLOPS_OUTLIVES` stays: a service that was started with `--detach`.

What it cannot end: processes of other users (`sudo`), of other machines, and those that a daemon starts for the
kernel (containers, `systemd-run`, `at`), which were never below it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False  # `typing` costs its import
if TYPE_CHECKING:
    from collections.abc import Callable

OUTLIVES = "MLOPS_OUTLIVES"
SPARED = f"{OUTLIVES}=".encode()
#: The kernel's LD_PRELOAD under another name, as the keeper must not load the lineage shim.
PRELOAD = "MLOPS_KEEPER_LD_PRELOAD"
#: Set for the keeper only, so that it is told apart from what it keeps.
IS_KEEPER = "MLOPS_KEEPER"

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
_GRACE, _LONGEST = 1.0, 3.0
_POLL = 1.0

#: A process for good: its pid and its start in clock ticks since boot. A reused pid has another start.
Process = tuple[int, int]


def status(pid: int | str) -> tuple[int, int, int, str] | None:
    """Return parent, session, start and state of a process, or None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - pathlib costs its import
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[3]), int(fields[19]), fields[0].decode()


def variables(pid: int) -> list[bytes]:
    """Return the environment that a process began with; empty if it cannot be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            return file.read().split(b"\0")
    except OSError:
        return []


def outlives(pid: int) -> bool:
    """Return whether a process shall stay when the execution that started it ends."""
    return any(item.startswith(SPARED) for item in variables(pid))


def below(root: int) -> list[Process]:
    """Return the living descendants of a process, without those that shall outlive it."""
    children: dict[int, list[tuple[int, int, str]]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit() and (found := status(name)):
            children.setdefault(found[0], []).append((int(name), found[2], found[3]))
    result: list[Process] = []
    todo = [root]
    while todo:
        for pid, start, state in children.get(todo.pop(), ()):
            if state in "ZX":
                continue
            if not outlives(pid):
                result.append((pid, start))
                todo.append(pid)
    return result


def tell(process: Process, number: int) -> None:
    """Send a signal to that very process: not to another one that has its pid by now."""
    pid, start = process
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(pid)
        try:
            found = status(pid)
            if found is not None and found[2] == start:
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def end(left: Callable[[], list[Process]], *, grace: float) -> bool:
    """End the processes that `left` finds, and those they start meanwhile; return whether none is left.

    It takes at most `grace` and three seconds: a process in an uninterruptible call ends later.
    """
    told: set[Process] = set()
    until = time.monotonic() + grace
    while grace and time.monotonic() < until:
        found = left()
        if not found:
            return True
        for process in found:
            if process not in told:
                tell(process, signal.SIGTERM)
        told.update(found)
        time.sleep(0.02)
    until = time.monotonic() + _LONGEST
    while found := left():
        if time.monotonic() > until:
            return False
        # All stand still before the first is gone: none can start another in between.
        for process in found:
            tell(process, signal.SIGSTOP)
        for process in [*found, *left()]:
            tell(process, signal.SIGKILL)
        time.sleep(0.01)
    return True


class _Keeper:
    def __init__(self, executor: int, folder: str, command: list[str]) -> None:
        self.executor = executor
        self.folder = folder
        self.command = command
        self.over = False
        self.kernel = 0
        self.code: int | None = None

    def run(self) -> int:
        library = ctypes.CDLL(None)
        library.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._told)
        signal.signal(signal.SIGINT, self._interrupt)
        watched = select.poll()
        watched.register(woken, select.POLLIN)
        with contextlib.suppress(OSError):  # an old Linux: only the wait's own end is left
            watched.register(os.pidfd_open(self.executor), select.POLLIN)
        self._start(library)
        while not self.over and self.code is None and os.getppid() == self.executor:
            watched.poll(_POLL * 1000)
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
            self._reap()
        orphaned = os.getppid() != self.executor
        if self.code is None and (found := status(self.kernel)):
            tell((self.kernel, found[2]), signal.SIGKILL)
        end(self._left, grace=0 if orphaned else _GRACE)
        for _ in range(20):  # the dead that are left would be zombies below a careless init
            if self._reap():
                break
            time.sleep(0.01)
        if orphaned and self.folder:
            import shutil

            shutil.rmtree(self.folder, ignore_errors=True)
        return self.code if self.code is not None else 128 + signal.SIGKILL

    def _start(self, library: ctypes.CDLL) -> None:
        keeper = os.getpid()
        environment = {key: value for key, value in os.environ.items() if key != IS_KEEPER}
        environment["JPY_PARENT_PID"] = str(keeper)
        if PRELOAD in environment:
            environment["LD_PRELOAD"] = environment.pop(PRELOAD)
        self.kernel = os.fork()
        if self.kernel:
            with contextlib.suppress(OSError):
                os.setpgid(self.kernel, self.kernel)
            return
        try:
            # A group, not a session of its own: the session stays the keeper's, which is how it is found.
            os.setpgid(0, 0)
            library.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            if os.getppid() == keeper:
                os.execvpe(self.command[0], self.command, environment)  # noqa: S606
        except OSError as error:
            os.write(2, f"{self.command[0]}: {error.strerror}\n".encode())
        finally:
            os._exit(127)

    def _told(self, *_: object) -> None:
        self.over = True

    def _interrupt(self, *_: object) -> None:
        if self.kernel and self.code is None:
            with contextlib.suppress(OSError):
                os.killpg(self.kernel, signal.SIGINT)

    def _reap(self) -> bool:
        """Take leave of children that ended; return whether there are no more."""
        while True:
            try:
                pid, ended = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            if pid == self.kernel:
                code = os.waitstatus_to_exitcode(ended)
                self.code = code if code >= 0 else 128 - code

    def _left(self) -> list[Process]:
        self._reap()
        return below(os.getpid())


if __name__ == "__main__":
    sys.exit(_Keeper(int(sys.argv[1]), sys.argv[2], sys.argv[3:]).run())
