"""End all processes that an execution started, and no others.

On Linux a kernel runs below a keeper (`keeper.py`), which ends the kernel's processes when the execution ends or the
executing process dies. In case the keeper is killed too, each kernel's environment has a mark, which its children
inherit: `MLOPS_EXECUTION=name:pid:start`, the execution and the process that executes it. `end_marked` ends the
processes with one execution's mark, `end_orphans` those with the mark of a dead executing process. Both also end the
descendants of these processes and the other processes in their sessions. Pid and start are compared before each
signal, because pids are reused. Only processes of this user and this pid namespace (not those in containers) count,
and only the variable itself: a process with the same text in its arguments is not ours.

If the keeper was killed too, a child is not found if it cleared or overwrote its environment (`setproctitle` may do
that), its parent has ended, and it left the session. Never found, because they are not below the kernel: containers,
`systemd-run`, `at`, other machines, processes of other users (`sudo`). On systems other than Linux, only the kernel's
process group is ended.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mlops.processes import keeper
from jupyter_mlops.processes.identity import process_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MARK = "MLOPS_EXECUTION"
LINUX = sys.platform == "linux"
_MARK = f"{MARK}=".encode()
_KEEPER = f"{keeper.IS_KEEPER}=".encode()
#: Seconds that a keeper needs to end everything: its grace, its longest kill, and a reserve.
_KEEPER_TIMEOUT = 8.0


def name_of(root: Path, execution: str) -> str:
    """Return the name that marks an execution; it differs between projects."""
    return hashlib.sha256(f"{root.resolve()}\0{execution}".encode()).hexdigest()[:24]


def marked(environment: dict[str, str], name: str) -> dict[str, str]:
    """Return an environment with this process's mark of an execution, after the marks that it inherited."""
    pid = os.getpid()
    status = keeper.status(pid) if LINUX else None
    start = status[2] if status else 0
    inherited = os.environ.get(MARK, "")
    others = {key: value for key, value in environment.items() if key != keeper.OUTLIVES}
    return {**others, MARK: f"{inherited}/{name}:{pid}:{start}".lstrip("/")}


def end_marked(name: str, *, grace: float = 0) -> bool:
    """End the processes with the mark of an execution; return whether none is left."""
    return not LINUX or _end(lambda marks: any(item[0] == name for item in marks), grace)


def end_orphans() -> bool:
    """End the processes of executions whose executing process has died; return whether none is left."""
    return not LINUX or _end(lambda marks: any(map(_orphaned, marks)), 0)


def _orphaned(mark: tuple[str, int, int]) -> bool:
    _, pid, start = mark
    found = keeper.status(pid)
    return found is None or found[2] != start or found[3] in {"Z", "X"}


def _end(ours: Callable[[list[tuple[str, int, int]]], bool], grace: float) -> bool:
    found = [*_carrying(ours)]
    if not found:
        return True
    # Keepers are ended first: each ends its descendants, which include processes without a mark.
    keepers = [process for process, is_keeper in found if is_keeper]
    for process in keepers:
        keeper.tell(process, signal.SIGTERM)
    until = time.monotonic() + _KEEPER_TIMEOUT
    while any(map(alive, keepers)) and time.monotonic() < until:
        time.sleep(0.02)
    return keeper.end(lambda: _around(ours), grace=grace)


def alive(process: keeper.Process) -> bool:
    """Return whether this process still runs; another one with its pid does not count."""
    found = keeper.status(process[0])
    return found is not None and found[2] == process[1] and found[3] not in {"Z", "X"}


def _carrying(
    ours: Callable[[list[tuple[str, int, int]]], bool],
) -> Iterator[tuple[keeper.Process, bool]]:
    """Yield each process for whose marks `ours` is true, and whether it is a keeper."""
    user = os.getuid()
    own = _namespace("self")
    spared = _above()
    for name in os.listdir("/proc"):  # noqa: PTH208
        if not name.isdigit() or int(name) in spared:
            continue
        try:
            if Path("/proc", name).stat().st_uid != user:
                continue
        except OSError:
            continue
        found = keeper.status(name)
        if found is None or found[3] in "ZX":
            continue
        variables = keeper.variables(int(name))
        marks = next((item for item in variables if item.startswith(_MARK)), b"")
        if not marks or any(item.startswith(keeper.SPARED) for item in variables):
            continue
        if ours(_parsed(marks)) and _namespace(name) == own:
            yield (int(name), found[2]), any(item.startswith(_KEEPER) for item in variables)


def _around(ours: Callable[[list[tuple[str, int, int]]], bool]) -> list[keeper.Process]:
    """Return the marked processes, their descendants, and the other processes in their sessions."""
    found = {process for process, _ in _carrying(ours)}
    if not found:
        return []
    spared = _above()
    # A process cannot join an existing session, and a keeper starts a new one: so all its members come
    # from the kernel.
    sessions = {status[1] for pid, _ in found if (status := keeper.status(pid))}
    this_process = keeper.status(os.getpid())
    sessions -= {0, this_process[1] if this_process else 0}
    for name in os.listdir("/proc"):  # noqa: PTH208
        status = keeper.status(name) if name.isdigit() else None
        if status is None or status[1] not in sessions or status[3] in "ZX":
            continue
        if int(name) not in spared and not keeper.outlives(int(name)):
            found.add((int(name), status[2]))
    below = [process for pid, _ in [*found] for process in keeper.below(pid)]
    return [process for process in {*found, *below} if process[0] not in spared]


def _above() -> set[int]:
    """Return the pids of this process and its ancestors."""
    found: set[int] = set()
    pid = os.getpid()
    while pid > 0 and pid not in found:
        found.add(pid)
        status = keeper.status(pid)
        pid = status[0] if status else 0
    return found


def _parsed(variable: bytes) -> list[tuple[str, int, int]]:
    marks = []
    for part in variable.removeprefix(_MARK).decode(errors="replace").split("/"):
        name, _, rest = part.partition(":")
        pid, _, start = rest.partition(":")
        if name and pid.isdecimal() and start.isdecimal() and len(rest) < 40:
            marks.append((name, int(pid), int(start)))
    return marks


def _namespace(pid: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")  # noqa: PTH115
    except OSError:
        return ""


def kill_group(pid: int, number: int = signal.SIGKILL) -> None:
    """Signal a process that leads its own group, and all processes in that group."""
    if pid > 1:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)


def end_group(pid: int, *, patience: float) -> None:
    """Send SIGTERM to a process, and after `patience` seconds SIGKILL to its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while process_start(pid) is not None and time.monotonic() < deadline:
            time.sleep(0.1)
    kill_group(pid)
