"""`run reproduce`: executes a run's history again in a clean kernel, with its code and data."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from jupyter_mlops.environment import packages, rebuild
from jupyter_mlops.errors import UsageError
from jupyter_mlops.progress import say
from jupyter_mlops.project import Project
from jupyter_mlops.replays import arguments, scratch_project
from jupyter_mlops.replays.execution import ReplayOutcome, outcome, recorded
from jupyter_mlops.replays.verdict import Reproduction, compare
from jupyter_mlops.runs import query
from jupyter_mlops.runs.capsules import authorship, manifest
from jupyter_mlops.runs.capsules import capsule as capsules
from jupyter_mlops.secrets.redaction import redact
from jupyter_mlops.text import listed
from jupyter_mlops.tracking.store import open_store

if TYPE_CHECKING:
    from jupyter_mlops.environment.rebuild import Environment
    from jupyter_mlops.runs.capsules.capsule import Capsule
    from jupyter_mlops.runs.records import RunDetail

ARTIFACT = "mlops/reproduction.json"
TAG = "mlops.reproduced"
_CALLBACKS = re.compile(r"\.observe\(|\.on_click\(|\binteract(?:ive|_manual)?\(")
_MOST_NAMED = 3


def reproduce(
    run: str, *, tolerance: float = 1e-9, env: str = "current", project: Project | None = None
) -> Reproduction:
    """Execute a run again in a clean kernel, and compare the outcome with the recorded one.

    A temporary scratch project has the run's snapshot and data versions. The user's files do not
    change; only the verdict is written to the run. Failed cells are executed again, because their
    effects before the failure count; interrupted cells are not.

    Args:
        run: its name, id, or the start of its id.
        tolerance: relative tolerance of a metric; 0 for bit by bit.
        env: `current`: the packages of this kernel; `recorded`: the packages of the run, in an
            environment that is built if they differ.
        project: default: the project at or above the working folder.

    Raises:
        NotFound: there is no such run, it has no capsule, or there is no such Python.
        UsageError: the run has not ended, or the tolerance is invalid.
    """
    arguments.check_environment(env)
    arguments.check_tolerance(tolerance)
    project = project or Project.find()
    detail = query.get(run, project=project)
    arguments.check_ended(detail)
    stored = capsules.content(detail.run_id, detail.name, project=project)
    stored_manifest = manifest.content(detail.run_id, project=project)
    capsule = capsules.parsed(stored, detail.name)
    started = time.monotonic()
    warned = _warnings(capsule)
    installs = stored_manifest if env == "recorded" else None
    if foreign := authorship.warning(detail, stored, installs, project=project):
        say(foreign)
        warned.insert(0, foreign)
    known = manifest.parsed(stored_manifest)
    interpreter, used = None, "current"
    if env == "recorded":
        place = recorded_environment(detail, known, project=project)
        warned += place.notes
        if place.name:
            interpreter, used = place.python, f"recorded, {place.name}"
    else:
        warned += _packages_that_differ(known)
    now = outcome(
        project, detail, capsule, interpreter=interpreter, title=f"reproduce {detail.name}"
    )
    result = _compared(detail, now, tolerance)
    anew = [*capsule.made, *scratch_project.committed(project, capsule)]
    if result.verdict != "reproduced" and anew:
        # A file that a cell appends to already had the session's content.
        say(
            f"reproduce {detail.name}: second replay, with these files as they were before the session: "
            f"{listed(anew, _MOST_NAMED)} …"
        )
        second = _compared(
            detail,
            outcome(project, detail, capsule, interpreter=interpreter,
                    title=f"reproduce {detail.name}", fresh=True),
            tolerance,
        )  # fmt: skip
        if second.verdict == "reproduced":
            result = second
            result.notes.append(f"as they were before the session: {listed(anew, _MOST_NAMED)}")
    unknown = [path for path in capsule.changed if path not in anew]
    if result.verdict != "reproduced" and unknown:
        result.notes.append(
            f"changed by the session, earlier content unknown: {listed(unknown, _MOST_NAMED)}"
        )
    result.notes = warned + result.notes
    result.environment = used
    result.seconds = round(time.monotonic() - started, 3)
    _keep(project, result)
    return result


def recorded_environment(
    detail: RunDetail, manifest: dict[str, Any], *, project: Project
) -> Environment:
    """Return the environment of a run; build it if needed.

    Raises:
        UsageError: the packages of the run are not recorded.
    """
    python = manifest.get("hardware", {}).get("python", "")
    if not python or not manifest.get("packages"):
        raise UsageError(f"Run '{detail.name}' has no list of its packages", "Type: --env current")
    return rebuild.interpreter(
        manifest["packages"],
        python=python,
        project=project,
        sources=manifest.get("sources"),
        indexes=manifest.get("indexes"),
    )


def _compared(detail: RunDetail, now: ReplayOutcome, tolerance: float) -> Reproduction:
    result = Reproduction(
        run_id=detail.run_id,
        name=detail.name,
        verdict="failed",
        tolerance=tolerance,
        cells=now.cells,
        error=now.failed,
        notes=now.notes,
    )
    if now.failed:
        return result
    result.compared, result.verdict = compare(recorded(detail), now, tolerance)
    if not result.compared:
        result.notes.append("the run has no metric and no output file to compare; its cells ran")
    return result


def _warnings(capsule: Capsule) -> list[str]:
    notes = [f"hidden state when the run was recorded: {line}" for line in capsule.hidden]
    if capsule.left_out:
        notes.append(f"not in the snapshot: {listed(capsule.left_out, _MOST_NAMED)}")
    notes += [f"secrets were taken out of {path}" for path in capsule.redacted[:_MOST_NAMED]]
    for number, cell in enumerate(capsule.cells, start=1):
        if _CALLBACKS.search(cell.source):
            notes.append(
                f"cell [{number}] has widget callbacks: what they did is not in the history"
            )
    return notes


def _packages_that_differ(manifest: dict[str, Any]) -> list[str]:
    then, now = manifest.get("packages", {}), packages.packages()
    changed = [
        f"{name} {then.get(name, '—')} → {now.get(name, '—')}"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]
    if not then or not changed:
        return []
    return [
        f"packages differ: {listed(changed, _MOST_NAMED)}. To use the run's packages: --env recorded"
    ]


def _keep(project: Project, result: Reproduction) -> None:
    store = open_store(project)
    store.client.log_text(result.run_id, redact(result.to_json()), ARTIFACT)
    store.log(result.run_id, tags={TAG: result.verdict})
    project.announce("run", result.verdict, result.name)
