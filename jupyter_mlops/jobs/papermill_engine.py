"""papermill engine that detects kernel death and early exit.

Stock papermill misses three failures: after a kill of the kernel, all cells have the status
`completed`; `exit()` in a cell ends the kernel without an error; a full disk leaves half a file.
Here an execution is complete only if every cell ran and the kernel answered after the last one.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager

from jupyter_mlops import files, temporary
from jupyter_mlops.jobs import output_redaction
from jupyter_mlops.processes import kernels, owned
from jupyter_mlops.text import cut, error_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.jobs.notebook import CodeCell

_SAVE_EVERY = 1.0
_STOP_POLL = 0.25
_SHUTDOWN_SECONDS = 20  # seconds
_PATIENCE = 5.0


@dataclass
class ExecutionRequest:
    """A notebook to execute (a copy, changed in place), and the settings of its kernel.

    `mark` identifies the kernel's processes (`processes.owned`). `on_cell` is called in the thread that called
    `execute`: when a cell begins (seconds: None), and when it ends.
    """

    path: Path
    notebook: Any
    cells: list[CodeCell]
    kernel: str
    folder: Path
    output: Path
    environment: dict[str, str]
    mark: str
    timeout: float = 0
    stop: threading.Event = field(default_factory=threading.Event)
    on_cell: Callable[[CodeCell, float | None], None] = lambda _cell, _seconds: None
    on_kernel: Callable[[int], None] = lambda _pid: None
    events: queue.SimpleQueue[tuple[CodeCell, float | None]] = field(
        default_factory=queue.SimpleQueue
    )


@dataclass
class NotebookOutcome:
    """Result of an execution: complete, or the failed cell's number and error; `stopped` on request."""

    complete: bool = False
    stopped: bool = False
    error: str = ""
    failed_cell: int | None = None


def execute(request: ExecutionRequest) -> NotebookOutcome:
    """Execute the notebook; the executed copy is written to `request.output`, also after a failure.

    Blocks until the kernel and its child processes ended. Safe in any thread, also in one with a
    running event loop.
    """
    outcome = NotebookOutcome()
    over = threading.Event()
    # No join: after an interrupt of `Thread.join`, Python 3.11 treats the thread as ended.
    threading.Thread(
        target=_execute, args=(request, outcome, over), name="notebook", daemon=True
    ).start()
    try:
        while not over.is_set() or not request.events.empty():
            with contextlib.suppress(queue.Empty):
                request.on_cell(*request.events.get(timeout=_STOP_POLL))
    except BaseException:  # an interrupt: end the kernel first
        request.stop.set()
        over.wait(30)
        raise
    return outcome


def _execute(request: ExecutionRequest, outcome: NotebookOutcome, over: threading.Event) -> None:
    try:
        _Engine.execute_notebook(
            request.notebook,
            request.kernel,
            output_path=str(request.output),
            progress_bar=False,
            request=request,
            outcome=outcome,
        )
    except OSError as error:
        outcome.complete = False
        outcome.error = f"The executed notebook cannot be written: {error.strerror or error}"
    except Exception as error:  # after any error of the kernel or its client, the job failed
        outcome.complete = False
        outcome.error = outcome.error or error_line(f"{type(error).__name__}: {error}")
    finally:
        outcome.stopped = request.stop.is_set() and not outcome.complete
        over.set()


class _AtomicSaves(NotebookExecutionManager):  # type: ignore[misc]
    """papermill's execution manager with atomic saves, at most one per second while cells run."""

    def save(self, **_kwargs: Any) -> None:
        now = time.monotonic()
        if self.end_time is None and now - getattr(self, "saved", -_SAVE_EVERY) < _SAVE_EVERY:
            return
        files.replace(Path(self.output_path), nbformat.writes(output_redaction.notebook(self.nb)))
        self.saved = now

    def autosave_cell(self, **_kwargs: Any) -> None:
        self.save()


class _Engine(NBClientEngine):  # type: ignore[misc]
    @classmethod
    def execute_notebook(
        cls, nb: Any, kernel_name: str, output_path: str | None = None, **kwargs: Any
    ) -> Any:
        # papermill creates its own manager here; ours saves atomically.
        nb.metadata.setdefault("papermill", {}).update(
            {"input_path": str(kwargs["request"].path), "output_path": output_path}
        )
        for cell in nb.cells:
            cell.metadata.setdefault("tags", [])
        state = _AtomicSaves(nb, output_path=output_path, progress_bar=False)
        state.notebook_start()
        try:
            cls.execute_managed_notebook(state, kernel_name, **kwargs)
        finally:
            _complete(state)
        return nb

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        request: ExecutionRequest,
        outcome: NotebookOutcome,
        **_kwargs: Any,
    ) -> Any:
        # The connection is a unix socket in a private folder: no port, and a short path.
        private = temporary.make()
        try:
            client = _Client(
                nb_man, request, outcome, kernel_name=kernel_name, startup_timeout=120, timeout=None
            )
            return asyncio.run(client.run(private))
        finally:
            shutil.rmtree(private, ignore_errors=True)


def _complete(state: Any) -> None:
    """Complete papermill's metadata; a cell that did not run stays `pending`, unlike in papermill."""
    pending = [
        cell for cell in state.nb.cells if cell.metadata.papermill["status"] == state.PENDING
    ]
    state.notebook_complete()
    changed = False
    for cell in pending:
        if cell.cell_type == "code" and cell.metadata.papermill["status"] != state.PENDING:
            cell.metadata.papermill["status"] = state.PENDING
            changed = True
    if changed:
        state.save()


class _Client(PapermillNotebookClient):  # type: ignore[misc]
    """papermill's client with its own event loop; reports the begin and end of each cell."""

    def __init__(
        self, nb_man: Any, request: ExecutionRequest, outcome: NotebookOutcome, **kwargs: Any
    ) -> None:
        super().__init__(nb_man, **kwargs)
        self.request = request
        self.outcome = outcome
        self.by_index = {cell.index: cell for cell in request.cells}
        self.deadline = time.monotonic() + request.timeout if request.timeout else None
        self.exited: int | None = None
        self.on_cell_executed = self._executed
        self.timeout_func = self._left

    async def run(self, private: Path) -> Any:
        from jupyter_client.manager import AsyncKernelManager

        self.reset_execution_trackers()
        self.km = AsyncKernelManager(
            kernel_name=self.kernel_name,
            transport="ipc",
            connection_file=str(private / "kernel.json"),
        )
        manager = self.km
        kept = kernels.keep(manager, private)
        with (self.request.output.parent / "kernel.log").open("ab") as log:
            await self.async_start_new_kernel(
                cwd=str(self.request.folder), env=self.request.environment, stdout=log, stderr=log
            )
        pid = int(self.km.provisioner.pid or 0)
        self.request.on_kernel(pid)
        watcher = asyncio.create_task(self._watch(manager.provisioner))
        try:
            await self.async_start_new_kernel_client()
            await self._cells()
            self.shutdown_kernel = "graceful" if self.outcome.complete else "immediate"
        except BaseException:
            self.shutdown_kernel = "immediate"
            raise
        finally:
            watcher.cancel()
            with contextlib.suppress(Exception):  # the kernel is gone already
                await self._async_cleanup_kernel()
            if not kept:
                owned.kill_group(pid)
            owned.end_marked(self.request.mark)
        return self.nb

    async def _cells(self) -> None:
        current: CodeCell | None = None
        try:
            for index, cell in enumerate(self.nb.cells):
                current = self.by_index.get(index)
                if current:
                    await self._one(current, cell)
                    if self.outcome.failed_cell:
                        return
            current = None
            # The job is complete only if the kernel still answers after the last cell.
            reply = await self.async_wait_for_reply(self.kc.kernel_info())
            self.nb.metadata["language_info"] = reply["content"]["language_info"]
            self.set_widgets_metadata()
            await self._shut_down()
        except DeadKernelError:
            self._fail(current, "the kernel died" + (self._log_tail() or ""))
            return
        except CellTimeoutError:
            self._fail(current, f"stopped after the timeout of {self.request.timeout:g} s")
            return
        self.outcome.complete = not self.outcome.error

    async def _shut_down(self) -> None:
        """Send a shutdown request and wait for the reply; a dead kernel sends none."""
        asked = self.kc.shutdown()
        for _ in range(_SHUTDOWN_SECONDS):
            with contextlib.suppress(queue.Empty):
                reply = await self.kc.control_channel.get_msg(timeout=1)
                if reply["parent_header"].get("msg_id") == asked:
                    return
            await self._async_check_alive()
        raise DeadKernelError("Kernel died")

    async def _one(self, known: CodeCell, cell: Any) -> None:
        started = time.monotonic()
        self.request.events.put((known, None))
        self.nb_man.cell_start(cell, known.index)
        try:
            await self.async_execute_cell(cell, known.index)
            if self.exited is not None:
                raise DeadKernelError
        except CellExecutionError as error:
            self.nb_man.cell_exception(cell, cell_index=known.index)
            why = (
                "it called sys.exit"
                if error.ename == "SystemExit"
                else error_line(f"{error.ename}: {error.evalue}")
            )
            self._fail(known, why)
        except BaseException:
            self.nb_man.cell_exception(cell, cell_index=known.index)
            raise
        finally:
            await self._learn_secrets()
            self.nb_man.cell_complete(cell, cell_index=known.index)
            self.request.events.put((known, time.monotonic() - started))

    async def _learn_secrets(self) -> None:
        """Read the kernel's variables with secret names: a cell may have printed their values."""
        with contextlib.suppress(Exception):  # the kernel may be gone
            asked = self.kc.execute(
                "",
                silent=True,
                store_history=False,
                user_expressions={"found": output_redaction.NAMED},
            )
            reply = await asyncio.wait_for(self.async_wait_for_reply(asked), _PATIENCE)
            output_redaction.learn(reply["content"]["user_expressions"]["found"])

    def _fail(self, cell: CodeCell | None, why: str) -> None:
        self.outcome.complete = False
        self.outcome.failed_cell = cell.number if cell else None
        if self.exited is not None:
            why = "the notebook ended the kernel"
        where = f" (cell {cell.number})" if cell else " (after the last cell)"
        self.outcome.error = f"{why}{where}"

    def _executed(self, cell: Any, cell_index: int, execute_reply: Any) -> None:  # noqa: ARG002
        payloads = execute_reply["content"].get("payload") or ()
        if any(item.get("source") == "ask_exit" for item in payloads):
            self.exited = cell_index

    def _left(self, _cell: Any) -> float | None:
        return None if self.deadline is None else max(0.1, self.deadline - time.monotonic())

    def _log_tail(self) -> str:
        """Return the first line about a fatal error in the kernel's log, such as a signal's name."""
        try:
            lines = (
                (self.request.output.parent / "kernel.log").read_text(errors="replace").split("\n")
            )
        except OSError:
            return ""
        signs = ("Fatal", "Segmentation", "terminate")
        found = [line.strip() for line in lines if line.strip().startswith(signs)]
        return f": {cut(found[0], 120)}" if found else ""

    async def _watch(self, provisioner: Any) -> None:
        """Kill the kernel when the stop event is set."""
        while not self.request.stop.is_set():  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(_STOP_POLL)
        await provisioner.kill()
