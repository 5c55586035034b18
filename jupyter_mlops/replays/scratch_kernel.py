"""A clean kernel for a replay: it starts in the scratch project and ends with the block."""

from __future__ import annotations

import os
import queue
import re
import secrets
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_mlops import temporary
from jupyter_mlops.errors import BackendFailed
from jupyter_mlops.processes import owned
from jupyter_mlops.runs.capsules.capsule import OFF
from jupyter_mlops.text import error_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_mlops.project import Project

T = TypeVar("T")

_POLL = 0.2
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class CodeResult:
    """The result of one piece of code; `error` is the exception's type, `message` its text."""

    output: str = ""
    error: str = ""
    message: str = ""

    @property
    def line(self) -> str:
        """The error in one line."""
        first = error_line(self.message)
        return f"{self.error}: {first}" if first else self.error


class DeadKernel(BackendFailed):
    """The kernel died while it ran a cell."""


class Stopped(Exception):
    """The caller was interrupted."""


class Kernel:
    """A running kernel; `run` blocks, and `input()` fails in it."""

    def __init__(self, manager: Any, client: Any, stop: threading.Event) -> None:
        self._manager = manager
        self._client = client
        self._stop = stop

    def run(self, code: str, *, quiet: bool = False) -> CodeResult:
        """Execute code; `quiet` keeps it out of the kernel's history and counters.

        Raises:
            DeadKernel: the kernel died before the code ended.
        """
        request = self._client.execute(code, allow_stdin=False, store_history=not quiet)
        printed: list[str] = []
        error = message = ""
        while True:
            try:
                got = self._client.get_iopub_msg(timeout=_POLL)
            except queue.Empty:
                if self._stop.is_set():
                    raise Stopped from None
                if not self._manager.is_alive():
                    raise DeadKernel("The kernel died") from None
                continue
            if got["parent_header"].get("msg_id") != request:
                continue
            kind, content = got["msg_type"], got["content"]
            if kind == "stream" and content["name"] == "stdout":
                printed.append(content["text"])
            elif kind == "error":
                error, message = content["ename"], _COLOURS.sub("", content["evalue"])
            elif kind == "status" and content["execution_state"] == "idle":
                return CodeResult("".join(printed), error, message)


@contextmanager
def start(
    folder: Path,
    environment: dict[str, str],
    stop: threading.Event,
    interpreter: Path | None = None,
) -> Iterator[Kernel]:
    """Start a kernel in `folder` with exactly the variables in `environment`; `stop` ends it."""
    from jupyter_client.manager import KernelManager

    from jupyter_mlops.processes import kernels

    # Socket files in a private folder: no port that another process could reach.
    private = temporary.make()
    manager = KernelManager(
        kernel_name="python3", transport="ipc", connection_file=str(private / "kernel.json")
    )
    # Use the requested interpreter, not the one of an installed kernel.
    manager.kernel_spec.argv[0] = str(interpreter or sys.executable)
    mark = secrets.token_hex(12)
    client: Any = None
    try:
        kernels.keep(manager, private)
        manager.start_kernel(
            cwd=str(folder),
            env=owned.marked(environment, mark),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        client = manager.client()  # the connection exists only now
        client.start_channels()
        try:
            client.wait_for_ready(timeout=120)
        except RuntimeError as error:
            raise BackendFailed(f"The scratch kernel does not start: {error}") from None
        yield Kernel(manager, client, stop)
    finally:
        if client is not None:
            client.stop_channels()
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
        owned.end_marked(mark)
        shutil.rmtree(private, ignore_errors=True)


def in_a_thread(work: Callable[[threading.Event], T]) -> T:
    """Call `work` in a new thread, where no event loop runs, and return its result.

    If the caller is interrupted, the event passed to `work` is set, and the thread's end awaited.
    """
    stop = threading.Event()
    box: dict[str, Any] = {}
    over = threading.Event()

    def target() -> None:
        from jupyter_core.utils import ensure_event_loop

        loop = ensure_event_loop()  # the client's, in this thread; nothing else closes it
        try:
            box["value"] = work(stop)
        except BaseException as error:  # raised again in the caller's thread below
            box["error"] = error
        finally:
            loop.close()
            over.set()

    threading.Thread(target=target, name="replay", daemon=True).start()
    try:
        while not over.wait(_POLL):
            continue
    except BaseException:  # the kernel must end before the caller goes on
        stop.set()
        over.wait(30)
        raise
    if "error" in box:
        raise box["error"]
    value: T = box["value"]
    return value


def environment(
    project: Project, of: Project | None = None, interpreter: Path | None = None
) -> dict[str, str]:
    """Return this process's variables, with the user's stores replaced by the scratch project's.

    Args:
        project: the scratch project.
        of: the original project; its import folders are replaced by those of the copy.
        interpreter: the Python that will run, if it is not this one.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLOPS_", "MLFLOW_", "JPY_", "GIT_"))
    }
    own = f"sqlite:///{project.state / 'mlflow.db'}"
    kept |= {"MLOPS_ROOT": str(project.root), "MLFLOW_TRACKING_URI": own, OFF: "1"}
    # In a replay, one cell may write a module and a later one rewrite it within a second: Python
    # would then use the bytecode of the first.
    kept["PYTHONDONTWRITEBYTECODE"] = "1"
    if project.settings.tracking.uri:
        kept["MLOPS_TRACKING_URI"] = own
    if interpreter is not None:
        kept["VIRTUAL_ENV"] = str(interpreter.parent.parent)
        kept["PATH"] = os.pathsep.join([str(interpreter.parent), kept.get("PATH", "")])
    if folders := _folders_of_code(project, of, interpreter):
        kept["PYTHONPATH"] = os.pathsep.join(folders)
    return kept


def _folders_of_code(project: Project, of: Project | None, interpreter: Path | None) -> list[str]:
    """Return the folders to import from before the installed packages."""
    given = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    if interpreter is not None:
        # Packages in these folders would be visible in the other environment too.
        given = [folder for folder in given if not any(Path(folder).glob("*.dist-info"))]
    moved = []
    if of is not None:
        # The project itself, as an editable install.
        pythons = (sys.prefix, sys.base_prefix)  # an environment may lie in the project
        moved = [
            str(project.root / folder.relative_to(of.root))
            for folder in map(Path, sys.path)
            if folder.is_relative_to(of.root) and not any(map(folder.is_relative_to, pythons))
        ]
        given = [folder for folder in given if not Path(folder).is_relative_to(of.root)]
    if interpreter is None and not moved:
        return given
    return [str(_this_package(project)), *moved, *given]


def _this_package(project: Project) -> Path:
    """Return a folder that holds only the running jupyter_mlops, which executes the replay."""
    folder = project.state / "running"
    folder.mkdir(parents=True, exist_ok=True)
    name = __package__.partition(".")[0]
    place = folder / name
    if not place.exists():
        place.symlink_to(Path(sys.modules[name].__path__[0]), target_is_directory=True)
    return folder
