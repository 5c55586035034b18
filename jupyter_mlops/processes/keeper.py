"""The parent process of a kernel: it ends every process that the kernel started when the execution is over.

    python -I -S keeper.py EXECUTOR-PID PRIVATE-FOLDER COMMAND…

It runs as a script, on Linux, with the standard library only, between the process that executes a notebook and the
kernel. It is a subreaper: a descendant whose parent ends becomes its child, also after `setsid`, a double fork or
`nohup`, and even if it changed its environment. The execution is over when

- the kernel ends,
- the keeper gets SIGTERM, or
- the executing process ends in any way; then the keeper also removes the private folder.

Processes get SIGTERM, and SIGKILL one second later. The kernel gets SIGKILL at once; so do all processes if the
executing process has died. SIGINT is passed to the kernel. The keeper is not in the kernel's process group, so a
signal to that group does not reach it. If the keeper is killed, the kernel dies with it, and the other processes
are found by the execution's mark (`owned.py`).

A process with `MLOPS_OUTLIVES` in its environment is not ended: a service that was started with `--detach`.

The keeper cannot end processes of other users (`sudo`), of other machines, and those that a daemon starts for the
kernel (containers, `systemd-run`, `at`), because they are not its descendants.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False  # importing `typing` takes time
if TYPE_CHECKING:
    from collections.abc import Callable

OUTLIVES = "MLOPS_OUTLIVES"
SPARED = f"{OUTLIVES}=".encode()
#: The kernel's LD_PRELOAD under another name, because the keeper must not load the lineage shim.
PRELOAD = "MLOPS_KEEPER_LD_PRELOAD"
#: Set for the keeper only, to distinguish it from the processes below it.
IS_KEEPER = "MLOPS_KEEPER"

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
_GRACE, _LONGEST = 1.0, 3.0
_POLL = 1.0
_READINGS = 5

#: A process: its pid, and its start in clock ticks since boot, because pids are reused.
Process = tuple[int, int]


def status(pid: int | str) -> tuple[int, int, int, str] | None:
    """Return parent, session, start and state of a process, or None if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - importing pathlib takes time
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[3]), int(fields[19]), fields[0].decode()


def variables(pid: int) -> list[bytes]:
    """Return the environment with which a process started; empty if it cannot be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            return file.read().split(b"\0")
    except OSError:
        return []


def outlives(pid: int) -> bool:
    """Return whether a process must not be ended with the execution that started it."""
    return any(item.startswith(SPARED) for item in variables(pid))


def below(root: int) -> list[Process]:
    """Return the living descendants of a process, without those that must outlive it.

    A zombie can have living children: its first thread ended before the others, which happens each time a process
    with threads is killed. And a process can end while the others are read, so that the list has children of
    nobody; then it is read again.
    """
    for _ in range(_READINGS):
        children: dict[int, list[tuple[int, int, str]]] = {}
        pids = {0}
        for name in os.listdir("/proc"):  # noqa: PTH208
            if name.isdigit() and (found := status(name)):
                pids.add(int(name))
                children.setdefault(found[0], []).append((int(name), found[2], found[3]))
        if pids.issuperset(children):
            break
    result: list[Process] = []
    todo = [root]
    while todo:
        for pid, start, state in children.get(todo.pop(), ()):
            if state in "ZX":
                todo.append(pid)
            elif not outlives(pid):
                result.append((pid, start))
                todo.append(pid)
    return result


def tell(process: Process, number: int) -> None:
    """Send a signal to this process, but not to a later one with the same pid."""
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
    """End the processes that `left` finds until it finds no more; return whether none is left.

    This takes at most `grace` plus three seconds; a process in an uninterruptible call may end later.
    """
    signalled: set[Process] = set()
    until = time.monotonic() + grace
    while grace and time.monotonic() < until:
        found = left()
        if not found:
            return True
        for process in found:
            if process not in signalled:
                tell(process, signal.SIGTERM)
        signalled.update(found)
        time.sleep(0.02)
    until = time.monotonic() + _LONGEST
    while found := left():
        if time.monotonic() > until:
            return False
        # All are stopped before the first is killed, so that none can start another process.
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
        signal.signal(signal.SIGTERM, self._on_sigterm)
        signal.signal(signal.SIGINT, self._on_sigint)
        watched = select.poll()
        watched.register(woken, select.POLLIN)
        with contextlib.suppress(OSError):  # an old Linux: the loop checks the parent once a second
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
        for _ in range(20):  # children that are not reaped stay zombies if init does not reap them
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
            # Its own group, but the keeper's session: processes are found by their session too.
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

    def _on_sigterm(self, *_: object) -> None:
        self.over = True

    def _on_sigint(self, *_: object) -> None:
        if self.kernel and self.code is None:
            with contextlib.suppress(OSError):
                os.killpg(self.kernel, signal.SIGINT)

    def _reap(self) -> bool:
        """Reap the children that have ended; return whether no children are left."""
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
