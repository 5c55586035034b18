"""`run reproduce`: the whole history again, in a clean kernel, on the code and data of the run."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import BackendFailed, MlopsError, UsageError
from jupyter_mlops.progress import say
from jupyter_mlops.project import Project
from jupyter_mlops.runs import query
from jupyter_mlops.runs.capsules.capsule import Capsule, CapsuleCell, body, load
from jupyter_mlops.runs.capture import environment
from jupyter_mlops.runs.redaction import HIDDEN
from jupyter_mlops.runs.replays import scratch, scratch_kernel
from jupyter_mlops.runs.replays.reproduction import Reproduction, compare
from jupyter_mlops.runs.store import open_store

if TYPE_CHECKING:
    import threading

    from jupyter_mlops.runs.records import RunDetail
    from jupyter_mlops.runs.replays.scratch_kernel import Kernel

ARTIFACT = "mlops/reproduction.json"
TAG = "mlops.reproduced"
_NAME = "replay"
_CALLBACKS = re.compile(r"\.observe\(|\.on_click\(|\binteract(?:ive|_manual)?\(")
_MOST_NAMED = 3


class _Failed(Exception):
    """The replay ended before the recorded cell; the message says where."""


def reproduce(
    run: str, *, tolerance: float = 1e-9, env: str = "current", project: Project | None = None
) -> Reproduction:
    """Do a run again in a clean kernel, and compare what comes out with what was recorded.

    The code is the run's snapshot and the data its versions, in a scratch project that is removed
    afterwards; nothing of the user's is touched, and only the verdict is kept on the run. Failed
    cells are executed again (what they did before they failed counts), interrupted ones are not.

    Args:
        run: its name, id, or the start of its id.
        tolerance: how far a metric may be off, as a part of it; 0 for bit by bit.
        env: `current`: the packages of this kernel.
        project: default: the project at or above the working folder.

    Raises:
        NotFound: there is no such run, or it has no capsule.
        UsageError: the run has not ended, or the tolerance is no tolerance.
    """
    if env != "current":
        raise UsageError(f"No environment '{env}'", "Type: --env current")
    if not tolerance >= 0:
        raise UsageError(f"A tolerance of {tolerance} makes no sense", "For example: 1e-6")
    project = project or Project.find()
    detail = query.get(run, project=project)
    if detail.status == "running":
        raise UsageError(f"Run '{detail.name}' has not ended", "Wait for it")
    capsule = load(detail.run_id, detail.name, project=project)
    started = time.monotonic()
    result = scratch_kernel.in_a_thread(
        lambda stop: _replay(project, detail, capsule, tolerance, stop)
    )
    result.seconds = round(time.monotonic() - started, 3)
    _keep(project, result)
    return result


def _replay(
    project: Project,
    detail: RunDetail,
    capsule: Capsule,
    tolerance: float,
    stop: threading.Event,
) -> Reproduction:
    result = Reproduction(
        run_id=detail.run_id, name=detail.name, verdict="failed", tolerance=tolerance
    )
    result.notes += _warnings(project, detail, capsule)
    with scratch.checkout(project, detail.run_id, capsule) as copy:
        result.notes += copy.notes
        folder = copy.project.root / capsule.folder
        if not folder.is_relative_to(copy.project.root):
            # The kernel ran outside the project; a replay must not write there.
            folder = copy.project.root
        folder.mkdir(parents=True, exist_ok=True)  # git keeps no empty folder
        variables = scratch_kernel.environment(copy.project)
        try:
            with scratch_kernel.start(folder, variables, stop) as kernel:
                now = _history(kernel, project, copy.project, capsule, result)
        except (_Failed, BackendFailed) as error:
            result.error = str(error)
            return result
    then = {
        "error": detail.error,
        "metrics": {name: _float(value) for name, value in detail.metrics.items()},
        "outputs": {use.path: use.version for use in detail.data if use.role == "output"},
    }
    result.compared, result.verdict = compare(then, now, tolerance)
    if not result.compared:
        result.notes.append("the run has no metric and no output file to compare; its cells ran")
    return result


def _history(
    kernel: Kernel, project: Project, copy: Project, capsule: Capsule, result: Reproduction
) -> dict[str, Any]:
    """Execute the history and the recorded cell; return what the cell came to."""
    _ours(kernel, "replay.prepare(get_ipython())")
    *earlier, recorded = capsule.cells
    for number, cell in enumerate(earlier, start=1):
        say(f"reproduce {result.name}: cell {number} of {len(capsule.cells)} …")
        if cell.error == "KeyboardInterrupt":
            result.notes.append(f"cell [{number}] was interrupted then: left out")
        else:
            _again(kernel, number, cell, _moved(body(cell), project.root, copy.root), result)
        _restore(
            kernel,
            {k: state for k, (after, state) in capsule.generators.items() if after == number},
        )
    say(f"reproduce {result.name}: the recorded cell …")
    _ours(kernel, "replay.before_the_recorded_cell(get_ipython())")
    _restore(kernel, capsule.before)
    source = _moved(body(recorded), project.root, copy.root)
    answer = kernel.run(f"%%mlops run {_NAME} --no-model\n{source}")
    result.cells += 1
    skipped = json.loads(_ours(kernel, "print(replay.notes())"))
    result.notes += [f"not run again: {line}" for line in skipped]
    if recorded.ok and answer.error:
        raise _Failed(_said(len(capsule.cells), recorded, answer))
    now: dict[str, Any] = json.loads(_ours(kernel, f"print(replay.outcome({_NAME!r}))"))
    now["metrics"] = {name: _float(value) for name, value in now["metrics"].items()}
    return now


def _again(
    kernel: Kernel, number: int, cell: CapsuleCell, source: str, result: Reproduction
) -> None:
    answer = kernel.run(source)
    result.cells += 1
    if cell.ok and answer.error:
        raise _Failed(_said(number, cell, answer))
    if not cell.ok and not answer.error:
        result.notes.append(f"cell [{number}] failed then ({cell.error}) and runs now")


def _said(number: int, cell: CapsuleCell, answer: scratch_kernel.Answer) -> str:
    line = f"Cell [{number}] failed: {answer.line}"
    if answer.error == "StdinNotImplementedError":
        line = f"Cell [{number}] asks for input(), and what was typed is not recorded"
    elif HIDDEN in cell.source:
        line += " (a secret was taken out of this cell before it was stored)"
    return line


def _restore(kernel: Kernel, states: dict[str, Any]) -> None:
    if states:
        _ours(kernel, f"replay.set_generators({states!r})")


def _ours(kernel: Kernel, code: str) -> str:
    """Run a line of ours, which leaves no name in the user's namespace."""
    answer = kernel.run(
        "exec(\"from jupyter_mlops.runs.replays import replay\\nget_ipython = __import__('IPython').get_ipython\\n\" + "
        f"{code!r}, {{}})",
        quiet=True,
    )
    if answer.error:
        raise _Failed(f"The replay itself failed: {answer.line}")
    return answer.output


def _moved(source: str, root: Path, to: Path) -> str:
    """Let absolute paths into the project lead to its scratch copy, or a replay would write to it."""
    forms = [str(root)]
    if root.is_relative_to(Path.home()):
        forms.append(f"~/{root.relative_to(Path.home()).as_posix()}")
    pattern = "|".join(re.escape(form) for form in forms)
    return re.sub(rf"(?:{pattern})(?![\w.-])", lambda _: str(to), source)


def _warnings(project: Project, detail: RunDetail, capsule: Capsule) -> list[str]:
    notes = [f"hidden state then: {line}" for line in capsule.hidden]
    if capsule.left_out:
        named = ", ".join(capsule.left_out[:_MOST_NAMED])
        more = len(capsule.left_out) - _MOST_NAMED
        notes.append(f"not in the snapshot: {named}" + (f" and {more} more" if more > 0 else ""))
    for number, cell in enumerate(capsule.cells, start=1):
        if _CALLBACKS.search(cell.source):
            notes.append(
                f"cell [{number}] has widget callbacks: what they did is not in the history"
            )
    try:
        manifest = json.loads(
            query.artifact(detail.run_id, "mlops/manifest.json", project=project).read_text()
        )
    except (MlopsError, OSError, ValueError):
        return notes
    then, now = manifest.get("packages", {}), environment.packages()
    changed = [
        f"{name} {then.get(name, '—')} → {now.get(name, '—')}"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]
    if changed:
        more = len(changed) - _MOST_NAMED
        notes.append(
            f"packages differ: {', '.join(changed[:_MOST_NAMED])}"
            + (f" and {more} more" if more > 0 else "")
        )
    return notes


def _float(value: Any) -> float:
    return float("nan") if value in (None, "None") else float(value)


def _keep(project: Project, result: Reproduction) -> None:
    store = open_store(project)
    store.client.log_text(result.run_id, result.to_json(), ARTIFACT)
    store.log(result.run_id, tags={TAG: result.verdict})
    project.announce("run", result.verdict, result.name)
