"""Executes a capsule in a clean kernel, and returns the outcome of its recorded cell; compares nothing."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import BackendFailed
from jupyter_mlops.paths import below
from jupyter_mlops.progress import say
from jupyter_mlops.replays import scratch_kernel, scratch_project
from jupyter_mlops.runs.capsules.capsule import Capsule, CapsuleCell, body, is_elsewhere
from jupyter_mlops.secrets.redaction import HIDDEN

if TYPE_CHECKING:
    import threading

    from jupyter_mlops.project import Project
    from jupyter_mlops.replays.scratch_kernel import Kernel
    from jupyter_mlops.runs.records import RunDetail

_NAME = "replay"


@dataclass(slots=True)
class ReplayOutcome:
    """The outcome of a recorded cell.

    `error` is the error of the cell itself, as in its run. `failed` says why the replay did not reach
    the cell, or why a cell that succeeded in the run fails now. `notes` lists what the replay did
    differently. `drew` names the random generators that the cells used.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    error: str = ""
    failed: str = ""
    notes: list[str] = field(default_factory=list)
    drew: list[str] = field(default_factory=list)
    cells: int = 0
    seconds: float = 0.0


class _Failed(Exception):
    """The replay ended before the recorded cell; the message says where."""


def outcome(
    project: Project,
    detail: RunDetail,
    capsule: Capsule,
    *,
    interpreter: Path | None = None,
    title: str = "",
    fresh: bool = False,
) -> ReplayOutcome:
    """Execute a capsule in a scratch project and a clean kernel; the user's files do not change.

    The capsule may differ from the run's own in cells, data or commit.

    Args:
        project: the user's project.
        detail: the run of the capsule.
        capsule: what to execute, the recorded cell last.
        interpreter: the Python to execute it with; default: this one.
        title: the start of the progress lines.
        fresh: start without the data files that the session created.

    Raises:
        NotFound: the snapshot is no longer in git.
    """
    return scratch_kernel.in_a_thread(
        lambda stop: _outcome(
            project, detail, capsule, interpreter, title or f"replay {detail.name}", fresh, stop
        )
    )


def recorded(detail: RunDetail) -> ReplayOutcome:
    """Return the outcome of the run itself."""
    return ReplayOutcome(
        metrics={name: number_of(value) for name, value in detail.metrics.items()},
        outputs={use.path: use.version for use in detail.data if use.role == "output"},
        error=detail.error,
    )


def number_of(value: Any) -> float:
    """Return a metric as a float; a missing value is NaN."""
    return float("nan") if value in (None, "None") else float(value)


def _outcome(
    project: Project,
    detail: RunDetail,
    capsule: Capsule,
    interpreter: Path | None,
    title: str,
    fresh: bool,
    stop: threading.Event,
) -> ReplayOutcome:
    started = time.monotonic()
    result = ReplayOutcome()
    with scratch_project.checkout(project, detail.run_id, capsule, fresh=fresh) as copy:
        if interpreter is None:  # another Python may have another MLflow
            scratch_project.give_store(project, copy.project)
        result.notes += copy.notes
        folder = _folder(copy.project, capsule)
        folder.mkdir(parents=True, exist_ok=True)  # git keeps no empty folder
        variables = scratch_kernel.environment(copy.project, project, interpreter)
        try:
            with scratch_kernel.start(folder, variables, stop, interpreter) as kernel:
                _history(kernel, project, copy.project, capsule, result, title)
        except (_Failed, BackendFailed) as error:
            result.failed = str(error)
    result.seconds = round(time.monotonic() - started, 3)
    return result


def _folder(copy: Project, capsule: Capsule) -> Path:
    """Return the working folder of a replay."""
    if capsule.folder in ("", ".") or is_elsewhere(capsule.folder):
        # The kernel may have run outside the project; a replay must not write there.
        return copy.root
    return below(copy.root, capsule.folder, source="The run's capsule")


def _history(
    kernel: Kernel,
    project: Project,
    copy: Project,
    capsule: Capsule,
    result: ReplayOutcome,
    title: str,
) -> None:
    """Execute the history and the recorded cell, and write the cell's outcome into `result`."""
    _ours(kernel, "kernel_setup.prepare(get_ipython())")
    *earlier, recorded = capsule.cells
    _restore(kernel, _seen_after(0, capsule))
    for number, cell in enumerate(earlier, start=1):
        say(f"{title}: cell {number} of {len(capsule.cells)} …")
        if cell.error == "KeyboardInterrupt":
            result.notes.append(
                f"cell [{number}] was interrupted in the original session, so it is not replayed"
            )
        else:
            _again(kernel, number, cell, _moved(body(cell), project.root, copy.root), result)
        _restore(
            kernel,
            {k: state for k, (after, state) in capsule.generators.items() if after == number},
        )
    say(f"{title}: the recorded cell …")
    _ours(kernel, "kernel_setup.before_the_recorded_cell(get_ipython())")
    _restore(kernel, capsule.before)
    source = _moved(body(recorded), project.root, copy.root)
    answer = kernel.run(f"%%mlops run {_NAME} --no-model\n{source}")
    result.cells += 1
    skipped = json.loads(_ours(kernel, "print(kernel_setup.notes())"))
    result.notes += [f"not run again: {line}" for line in skipped]
    if recorded.ok and answer.error:
        raise _Failed(_said(len(capsule.cells), recorded, answer))
    now: dict[str, Any] = json.loads(_ours(kernel, f"print(kernel_setup.outcome({_NAME!r}))"))
    result.metrics = {name: number_of(value) for name, value in now["metrics"].items()}
    result.outputs, result.error, result.drew = now["outputs"], now["error"], now["drew"]


def _again(
    kernel: Kernel, number: int, cell: CapsuleCell, source: str, result: ReplayOutcome
) -> None:
    answer = kernel.run(source)
    result.cells += 1
    if cell.ok and answer.error:
        raise _Failed(_said(number, cell, answer))
    if not cell.ok and not answer.error:
        result.notes.append(
            f"cell [{number}] failed in the original session ({cell.error}) but succeeds in the replay"
        )


def _said(number: int, cell: CapsuleCell, answer: scratch_kernel.CodeResult) -> str:
    line = f"Cell [{number}] failed: {answer.line}"
    if answer.error == "StdinNotImplementedError":
        line = f"Cell [{number}] asks for input(), and what was typed is not recorded"
    elif HIDDEN in cell.source:
        line += f" (a secret in this cell was replaced by {HIDDEN} when it was stored)"
    return line


def _seen_after(number: int, capsule: Capsule) -> dict[str, Any]:
    """Return the states of the generators that were first seen after `number` cells."""
    return {name: state for name, (after, state) in capsule.generators.items() if after == number}


def _restore(kernel: Kernel, states: dict[str, Any]) -> None:
    if states:
        _ours(kernel, f"kernel_setup.set_generators({states!r})")


def _ours(kernel: Kernel, code: str) -> str:
    """Return the output of our own code; it leaves no name in the user's namespace."""
    answer = kernel.run(
        "exec(\"from jupyter_mlops.replays import kernel_setup\\nget_ipython = __import__('IPython').get_ipython\\n\" + "
        f"{code!r}, {{}})",
        quiet=True,
    )
    if answer.error:
        raise _Failed(f"The replay itself failed: {answer.line}")
    return answer.output


def _moved(source: str, root: Path, to: Path) -> str:
    """Replace absolute paths into the project by paths into its scratch copy."""
    forms = [str(root)]
    if root.is_relative_to(Path.home()):
        forms.append(f"~/{root.relative_to(Path.home()).as_posix()}")
    pattern = "|".join(re.escape(form) for form in forms)
    return re.sub(rf"(?:{pattern})(?![\w.-])", lambda _: str(to), source)
