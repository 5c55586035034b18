"""`%mlops auto on`: record every cell that trains a model, without `%%mlops run`."""

from __future__ import annotations

import ast
from contextlib import ExitStack
from typing import Any

from jupyter_mlops import disk_errors
from jupyter_mlops.errors import MlopsError, StorageFailed, UsageError
from jupyter_mlops.magics.cell import shown_images
from jupyter_mlops.magics.warning_filters import OwnWork
from jupyter_mlops.project import Project

#: A cell trains when it calls one of these.
_TRAINS = {"fit", "fit_predict", "partial_fit", "backward"}


class Auto:
    """Two hooks of a shell: one opens a run before a cell that trains, the other closes it afterwards."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self._stack: ExitStack | None = None
        self._recording: Any = None

    def before(self, info: Any) -> None:
        """Open a run if the cell trains and is not recorded already."""
        if self._stack is not None or not info.store_history:
            return
        cell = str(info.raw_cell)
        try:
            name = training_name(cell, self.shell.transform_cell(cell))
            if name is None or cell.lstrip().startswith("%%"):
                return
            with OwnWork(), disk_errors.in_one_line():
                self._open(cell, name)
        except SyntaxError:
            return
        except MlopsError as error:
            # The user's cell still runs; one line says why it is not recorded.
            self._stack = None
            print(f"mlops auto: not recorded: {error}")

    def after(self, result: Any) -> None:
        """Close the run with the cell's result or error."""
        stack, recording = self._stack, self._recording
        if stack is None:
            return
        self._stack = self._recording = None
        error = result.error_in_exec or result.error_before_exec
        with OwnWork():
            recording.result = result.result
            try:
                with disk_errors.in_one_line():
                    if error is not None:
                        _leave(stack, error)
                    else:
                        stack.close()
            except MlopsError as problem:
                lost = "not recorded: " if isinstance(problem, StorageFailed) else ""
                print(f"mlops auto: {lost}{problem}")
            else:
                if error is None:
                    print(recording.summary())

    def _open(self, cell: str, name: str) -> None:
        from jupyter_mlops import runs

        stack = ExitStack()
        self._recording = stack.enter_context(
            runs.record_cell(name, cell, self.shell.user_ns, plain=self.shell.transform_cell(cell))
        )
        self._recording.images = stack.enter_context(shown_images(self.shell))
        self._stack = stack


def _leave(stack: ExitStack, error: BaseException) -> None:
    """Close the run of a failed cell without raising its error, which IPython already shows."""
    try:
        stack.__exit__(type(error), error, error.__traceback__)
    except BaseException as raised:
        if raised is not error:
            raise


def auto(state: str) -> str:
    """Turn automatic recording on or off for this kernel."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        raise UsageError(
            "There is no notebook here to record", "Type it in a notebook: %mlops auto on"
        )
    present = next(iter(_hooks(shell)), None)
    if state == "on" and present is None:
        Project.find().trust_by_recording()
        hooks = Auto(shell)
        shell.events.register("pre_run_cell", hooks.before)
        shell.events.register("post_run_cell", hooks.after)
    elif state == "off" and present is not None:
        shell.events.unregister("pre_run_cell", present.before)
        shell.events.unregister("post_run_cell", present.after)
    return f"Cells that train are {'recorded as runs from now on' if state == 'on' else 'no longer recorded automatically'}"


def training_name(cell: str, transformed: str) -> str | None:
    """Return a run name for a cell that trains (may be empty), or None if it does not train.

    Raises:
        SyntaxError: the cell does not parse.
    """
    from jupyter_mlops.cells import recorded_values, source

    read = recorded_values.read(cell, transformed)
    if not _TRAINS & read.keywords.keys():
        return None
    parsed = source.read(cell)
    program = parsed.program if parsed.tree else source.read(transformed).program
    return next((name for name in read.fitted if name), "") or _model_variable(program)


def _model_variable(program: ast.Module) -> str:
    """Return `line` for `line = Model().fit(X, y)`, `net` for `net.parameters()`, or an empty string."""
    for node in ast.walk(program):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            calls = (inner.func for inner in ast.walk(node.value) if isinstance(inner, ast.Call))
            if any(isinstance(call, ast.Attribute) and call.attr in _TRAINS for call in calls):
                return node.targets[0].id
    for node in ast.walk(program):
        if (
            isinstance(node, ast.Attribute)
            and node.attr == "parameters"
            and isinstance(node.value, ast.Name)
        ):
            return node.value.id
    return ""


def _hooks(shell: Any) -> list[Auto]:
    """Return the hooks of this module that the shell has."""
    callbacks = shell.events.callbacks["pre_run_cell"]
    return [
        hook.__self__ for hook in callbacks if isinstance(getattr(hook, "__self__", None), Auto)
    ]
