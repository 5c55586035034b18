"""`%mlops` and `%%mlops` in an IPython shell."""

from __future__ import annotations

import re
import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from IPython.core.magic import no_var_expand

from jupyter_mlops.errors import MlopsError, UsageError
from jupyter_mlops.magics import await_cells, executed_cells
from jupyter_mlops.magics.completion import complete
from jupyter_mlops.magics.warning_filters import OwnWork

if TYPE_CHECKING:
    from jupyter_mlops.magics.parser import Call

_EXPRESSION = re.compile(r"\{\{(.+?)\}\}")


def register(shell: Any) -> None:
    """Add the magic and its completion to `shell`, and begin to record its executed cells."""
    executed_cells.watch(shell)

    @no_var_expand  # type: ignore[untyped-decorator]
    def mlops(line: str, cell: str | None = None) -> Any:
        if cell is None:
            return _line(shell, line)
        return _cell(shell, line, cell)

    mlops.awaited = partial(_awaited_cell, shell)
    mlops.__doc__ = "%mlops NOUN VERB [arguments]: type %mlops -h for the nouns and their verbs."
    shell.register_magic_function(mlops, magic_kind="line_cell", magic_name="mlops")
    await_cells.register(shell)
    matchers = shell.Completer.custom_matchers
    if complete not in matchers:
        matchers.append(complete)


def unregister(shell: Any) -> None:
    """Remove the magic and its completion."""
    executed_cells.unwatch(shell)
    await_cells.unregister(shell)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("mlops", None)
    if complete in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.remove(complete)


def _line(shell: Any, line: str) -> Any:
    from jupyter_mlops.magics import parser  # `%load_ext` need not wait for the table of verbs

    try:
        call = parser.parse(_words(shell, line))
    except parser.Help as asked:
        print(asked.text)
        return None
    with OwnWork():
        value = call.run()
    if call.json:
        from jupyter_mlops.records import to_json

        print(to_json(value))
        return None
    if call.verb.outcome and getattr(value, "status", "") in {"failed", "killed"}:
        from IPython.display import display

        display(value)
        raise MlopsError(f"{call.verb.words}: {value.status}", getattr(value, "error", "") or "")
    if isinstance(value, str):
        print(value)
        return None
    return value


def _cell(shell: Any, line: str, cell: str) -> None:
    from jupyter_mlops.magics.cell import record

    if call := _recording(shell, line, cell):
        record(shell, cell, call)


async def _awaited_cell(shell: Any, line: str, cell: str) -> None:
    from jupyter_mlops.magics.cell import record_awaited

    if call := _recording(shell, line, cell):
        await record_awaited(shell, cell, call)


def _recording(shell: Any, line: str, cell: str) -> Call | None:
    """Return the call that records a cell; None after a request for help."""
    from jupyter_mlops.magics import parser

    try:
        call = parser.parse(_words(shell, line) or ["run"], cell=True)
    except parser.Help as asked:
        print(asked.text)
        return None
    if not cell.strip():
        raise UsageError(
            "There is no cell below %%mlops run", "Put the code to record under that line"
        )
    return call


def _words(shell: Any, line: str) -> list[str]:
    """Split a line as a shell would, with `{{expr}}` replaced by the value in the user's namespace."""

    def value(match: re.Match[str]) -> str:
        try:
            return shlex.quote(str(eval(match[1], shell.user_global_ns, shell.user_ns)))  # noqa: S307
        except Exception as error:
            raise UsageError(
                f"{match[0]} cannot be evaluated: {type(error).__name__}: {error}"
            ) from None

    try:
        return shlex.split(_EXPRESSION.sub(value, line), posix=sys.platform != "win32")
    except ValueError as error:
        raise UsageError(f"{error} in: {line}", "Close the quote") from None
