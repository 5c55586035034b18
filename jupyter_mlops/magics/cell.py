"""Run the body of `%%mlops run` once, as IPython would, while runs/ records it."""

from __future__ import annotations

import ast
import base64
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import MlopsError, UsageError
from jupyter_mlops.magics.own import OwnWork
from jupyter_mlops.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

_AWAITS = 0x80 | 0x200  # CO_COROUTINE, CO_ASYNC_GENERATOR


def record(
    shell: Any,
    cell: str,
    *,
    name: str,
    experiment: str,
    model: str,
    keep_model: bool,
    format: str = "auto",
    json: bool = False,
) -> None:
    """Execute `cell` in `shell` and record it as a run.

    The cell's own exception is raised again as it was and shows only the user's frames.
    """
    from jupyter_mlops import runs
    from jupyter_mlops.records import to_json

    project = Project.find()
    notebook = notebook_path(shell)
    plain = shell.transform_cell(cell)
    blocks = _compiled(shell, cell, plain)
    try:
        with (
            OwnWork() as ours,
            runs.record_cell(
                name or Path(notebook).stem or "cell",
                cell,
                shell.user_ns,
                plain=plain,
                experiment=experiment,
                notebook=project.relative(notebook) if notebook else "",
                model=model,
                keep_model=keep_model,
                format=format,
                project=project,
            ) as recording,
            shown_images(shell) as recording.images,
            ours.users(),
        ):
            recording.result = _execute(shell, blocks, quiet=cell.rstrip().endswith(";"))
    except MlopsError:
        raise
    except BaseException as error:
        _show_only_the_users_frames(shell, error)
        raise
    print(to_json(runs.get(recording.run_id, project=project)) if json else recording.summary())


def notebook_path(shell: Any) -> str:
    """Return the path of the shell's notebook, or an empty string."""
    from jupyter_mlops.runs.capture import notebook

    return notebook.path(shell.user_ns)


def _compiled(shell: Any, cell: str, plain: str) -> tuple[Any, Any]:
    """Return the code of all statements but the last, and of the last if it is an expression."""
    try:
        tree = ast.parse(plain)
    except SyntaxError as error:
        line = (error.text or "").strip()
        raise UsageError(
            f"Line {error.lineno} of the cell is not Python: {error.msg}"
            + (f" in `{line}`" if line else ""),
            "Nothing ran and nothing was recorded; correct the line",
        ) from None
    file = shell.compile.cache(plain, shell.execution_count, raw_code=cell)
    tree = shell.transform_ast(tree)
    *body, last = tree.body or [ast.Pass(lineno=1, col_offset=0, end_lineno=1, end_col_offset=4)]
    ending = None
    if isinstance(last, ast.Expr):
        ending = compile(ast.Expression(last.value), file, "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    else:
        body.append(last)
    start = compile(ast.Module(body, []), file, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if any(code is not None and code.co_flags & _AWAITS for code in (start, ending)):
        raise UsageError(
            "A recorded cell cannot await at its top level",
            "Await in the cell above, and use the result here",
        )
    return start, ending


def _execute(shell: Any, blocks: tuple[Any, Any], *, quiet: bool) -> Any:
    start, ending = blocks
    exec(start, shell.user_global_ns, shell.user_ns)  # noqa: S102 - running the user's cell is the point
    if ending is None:
        return None
    value = eval(ending, shell.user_global_ns, shell.user_ns)  # noqa: S307
    if not quiet:
        sys.displayhook(value)
    return value


def _show_only_the_users_frames(shell: Any, error: BaseException) -> None:
    """Let IPython draw the traceback from the cell's own frame on; the exception stays what it is."""
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
