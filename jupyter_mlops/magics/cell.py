"""Execute the body of `%%mlops run` once, as IPython does, while `runs` records it."""

from __future__ import annotations

import ast
import asyncio
import base64
import sys
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from jupyter_mlops import disk_errors
from jupyter_mlops.errors import MlopsError, StorageFailed, UsageError
from jupyter_mlops.magics.warning_filters import OwnWork
from jupyter_mlops.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_mlops.magics.parser import Call
    from jupyter_mlops.runs.cell import Recording

_AWAITS = 0x80  # CO_COROUTINE
_TICK = 0.5


def record(shell: Any, cell: str, call: Call) -> None:
    """Execute `cell` in `shell` and record it as a run, with the arguments of `call`.

    An exception of the cell is raised again unchanged; its traceback shows only the user's frames.
    """
    plain = shell.transform_cell(cell)
    blocks = _compiled(shell, cell, plain)
    if any(code is not None and code.co_flags & _AWAITS for code in blocks):
        raise UsageError(
            "A cell that awaits cannot be recorded inside another cell",
            "Put it into a cell of its own, with %%mlops run on top",
        )
    with _recorded(shell, cell, plain, call) as recording:
        recording.result = _execute(shell, blocks, quiet=_silenced(cell))


async def record_awaited(shell: Any, cell: str, call: Call) -> None:
    """Execute and record a cell with a top-level await."""
    plain = shell.transform_cell(cell)
    start, ending = _compiled(shell, cell, plain)
    with _recorded(shell, cell, plain, call) as recording:
        ticking = asyncio.ensure_future(_tick())
        try:
            await _run(shell, start)
            if ending is not None:
                recording.result = await _run(shell, ending)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                raise  # a task that the cell awaited was cancelled, not the cell
            # An interrupt cancels the task of a cell that awaits.
            raise KeyboardInterrupt from None
        finally:
            ticking.cancel()
        if ending is not None and not _silenced(cell):
            sys.displayhook(recording.result)


@contextmanager
def _recorded(shell: Any, cell: str, plain: str, call: Call) -> Iterator[Recording]:
    """Record the block's execution as a run, and print a summary line."""
    from jupyter_mlops import runs
    from jupyter_mlops.records import to_json

    project = Project.find()
    ran = False
    own: BaseException | None = None
    failure: StorageFailed | None = None
    try:
        with (
            OwnWork() as ours,
            call.verb.load()(
                source=cell, namespace=shell.user_ns, plain=plain, project=project, **call.arguments
            ) as recording,
            shown_images(shell) as recording.images,
            ours.users(),
        ):
            ran = True
            try:
                yield recording
            except BaseException as error:
                own = error
                raise
    except BaseException as error:
        # An error of the cell itself is the user's error, even for a full disk.
        failure = None if error is own else disk_errors.refusal(error, project.state)
        if failure is None:
            if not isinstance(error, MlopsError):
                _show_only_the_users_frames(shell, error)
            raise
    if failure is not None:
        yield from _unrecorded(shell, failure, own, ran=ran)
    print(
        to_json(runs.show(recording.run_id, project=project)) if call.json else recording.summary()
    )


def _unrecorded(
    shell: Any, failure: StorageFailed, own: BaseException | None, *, ran: bool
) -> Iterator[Any]:
    """Execute the cell if its recording did not begin, then report that it is not recorded."""
    if not ran:
        try:
            yield SimpleNamespace()
        except BaseException as error:
            own = error
    if own is not None:
        print(f"mlops: not recorded: {failure}")
        _show_only_the_users_frames(shell, own)
        raise own
    raise StorageFailed(f"The cell ran, but it is not recorded. {failure.what}", failure.do)


def _compiled(shell: Any, cell: str, plain: str) -> tuple[Any, Any]:
    """Return two code objects: the statements, and the last one if it is an expression (else None)."""
    file = shell.compile.cache(plain, shell.execution_count, raw_code=cell)
    try:
        tree = shell.compile.ast_parse(plain, file)
    except SyntaxError as error:
        line = (error.text or "").strip()
        raise UsageError(
            f"Line {error.lineno} of the cell is not Python: {error.msg}"
            + (f" in `{line}`" if line else ""),
            "Nothing ran and nothing was recorded; correct the line",
        ) from None
    tree = shell.transform_ast(tree)
    *body, last = tree.body or [ast.Pass(lineno=1, col_offset=0, end_lineno=1, end_col_offset=4)]
    ending = None
    if not isinstance(last, ast.Expr):
        body.append(last)
    # IPython's own compiler applies the `from __future__ import` of earlier cells.
    with shell.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
        if isinstance(last, ast.Expr):
            ending = shell.compile(ast.Expression(last.value), file, "eval")
        start = shell.compile(ast.Module(body, []), file, "exec")
    return start, ending


def _execute(shell: Any, blocks: tuple[Any, Any], *, quiet: bool) -> Any:
    start, ending = blocks
    exec(start, shell.user_global_ns, shell.user_ns)  # noqa: S102 - the user's own cell
    if ending is None:
        return None
    value = eval(ending, shell.user_global_ns, shell.user_ns)  # noqa: S307
    if not quiet:
        sys.displayhook(value)
    return value


async def _run(shell: Any, code: Any) -> Any:
    """Run a code object that may await, and return its value."""
    value = eval(code, shell.user_global_ns, shell.user_ns)  # noqa: S307
    return await value if code.co_flags & _AWAITS else value


async def _tick() -> None:
    """Wake the event loop regularly: ipykernel handles an interrupt at the loop's next event."""
    while True:  # noqa: ASYNC110 - no event to wait for
        await asyncio.sleep(_TICK)


def _silenced(cell: str) -> bool:
    return cell.rstrip().endswith(";")


def _show_only_the_users_frames(shell: Any, error: BaseException) -> None:
    """Make IPython print the traceback from the cell's frame on; the traceback itself is unchanged."""
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_globals is not shell.user_global_ns:
        frame = frame.tb_next
    if frame is None:
        return
    start = frame

    def draw() -> list[str]:
        lines: list[str] = shell.InteractiveTB.structured_traceback(
            type(error), error, start, tb_offset=0
        )
        return lines

    try:
        error._render_traceback_ = draw  # type: ignore[attr-defined]
    except AttributeError:
        return  # an exception with slots shows our frames too


@contextmanager
def shown_images(shell: Any) -> Iterator[list[bytes]]:
    """Collect the PNG images that the cell displays; the inline backend closes shown figures."""
    images: list[bytes] = []

    def look(message: dict[str, Any]) -> dict[str, Any]:
        if message.get("msg_type") == "display_data":
            png = message["content"]["data"].get("image/png")
            if png:
                images.append(base64.b64decode(png) if isinstance(png, str) else png)
        return message

    publisher = shell.display_pub
    if not hasattr(publisher, "register_hook"):
        yield images
        return
    publisher.register_hook(look)
    try:
        yield images
    finally:
        publisher.unregister_hook(look)
