"""`run why`: explains the difference between two runs by replays with one factor swapped at a time."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from jupyter_mlops.environment.git import GitFailed
from jupyter_mlops.errors import BackendFailed, UsageError, nearest
from jupyter_mlops.progress import say
from jupyter_mlops.project import Project
from jupyter_mlops.replays import arguments
from jupyter_mlops.replays.why import effects
from jupyter_mlops.replays.why.baselines import ReplayedRuns
from jupyter_mlops.replays.why.factors import ComparedRun
from jupyter_mlops.replays.why.outcomes import ReplayCache
from jupyter_mlops.runs import query
from jupyter_mlops.runs.capsules import authorship, manifest
from jupyter_mlops.runs.capsules import capsule as capsules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyter_mlops.replays.why.records import Explanation
    from jupyter_mlops.runs.records import RunDetail

_EXAMPLE = "For example: %mlops run why baseline forest"


def why(
    a: str,
    b: str,
    *,
    metric: str = "",
    tolerance: float = 1e-9,
    exact: bool = False,
    fresh: bool = False,
    env: str = "",
    project: Project | None = None,
) -> Explanation:
    """Explain the difference between two runs: how much of it each factor causes.

    It first replays both runs, then A with one factor of B at a time, in temporary scratch projects.
    Outcomes are cached, so no combination is executed twice.

    Args:
        a: the first run: its name, id, or the start of its id.
        b: the second run.
        metric: the one to show; default: the project's (`[gate]`), else the one that changed most.
        tolerance: relative tolerance for the replays of A and B themselves.
        exact: replay every combination, and distribute the interactions (Shapley values).
        fresh: ignore outcomes that earlier calls cached.
        env: `recorded` swaps the packages too, in environments that are built; `current` replays
            with the current packages. Default: `recorded` if the two runs' packages differ.
        project: default: the project at or above the working folder.

    Raises:
        NotFound: there is no such run, or it has no capsule.
        UsageError: both are one run, one has not finished, or they have no metric that changed.
        BackendFailed: one of them cannot be replayed.
    """
    arguments.check_tolerance(tolerance)
    if env:
        arguments.check_environment(env)
    project = project or Project.find()
    started = time.monotonic()
    details = [query.get(run, project=project) for run in (a, b)]
    changed = _changed_metrics(details, metric)
    sides, stored = zip(*(_side(project, detail) for detail in details), strict=True)
    installs = env == "recorded" or (not env and sides[0].packages != sides[1].packages)
    for detail, (capsule, packages) in zip(details, stored, strict=True):
        if foreign := authorship.warning(
            detail, capsule, packages if installs else None, project=project
        ):
            say(foreign)
    pair = ReplayedRuns(
        project, sides[0], sides[1], changed, tolerance, ReplayCache(project, fresh)
    )
    try:
        pair.find_environments(env)
        pair.replay_unchanged()
        answer = effects.explain(pair, metric or pair.most_changed(), exact=exact)
    except GitFailed as error:
        raise BackendFailed(f"The runs' snapshots cannot be compared: git says {error}") from None
    answer.seconds = round(time.monotonic() - started, 3)
    return answer


def _changed_metrics(details: Sequence[RunDetail], metric: str) -> list[str]:
    """Return the metrics that both runs have and that differ, and `metric`.

    Raises:
        UsageError: there are none, or the runs are not two finished runs.
    """
    a, b = details
    if a.run_id == b.run_id:
        raise UsageError(f"That is one run, {a.name} ({a.run_id[:8]})", _EXAMPLE)
    for detail in details:
        arguments.check_ended(detail)
        if detail.status != "finished":
            raise UsageError(
                f"Run '{detail.name}' {_became(detail)}: there is no result to explain",
                f"Type: %mlops run show {detail.run_id[:8]}",
            )
    both = [
        name
        for name in a.metrics
        if _is_number(a.metrics[name]) and _is_number(b.metrics.get(name))
    ]
    if metric and metric not in both:
        known = f"Both have: {', '.join(both)}" if both else "They have no metric in common"
        raise UsageError(
            f"The metric '{metric}' is not in both runs", nearest(metric, both) or known
        )
    if not both:
        raise UsageError(f"Runs '{a.name}' and '{b.name}' have no metric in common", _EXAMPLE)
    changed = [name for name in both if a.metrics[name] != b.metrics[name]]
    if not changed and not metric:
        raise UsageError(
            f"There is nothing to explain: {' and '.join(both[:3])} did not change",
            f"Effects may cancel out; to see them: %mlops run why {a.name} {b.name} --metric {both[0]}",
        )
    return [*dict.fromkeys([*([metric] if metric else []), *changed])]


def _became(detail: RunDetail) -> str:
    return "was killed" if detail.status == "killed" else detail.status


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _side(project: Project, detail: RunDetail) -> tuple[ComparedRun, tuple[bytes, bytes]]:
    """Return a run with its capsule and manifest, and both as they are stored."""
    stored = capsules.content(detail.run_id, detail.name, project=project)
    packages = manifest.content(detail.run_id, project=project)
    # Without a manifest the packages are unknown, and the environment is no factor.
    side = ComparedRun(detail, capsules.parsed(stored, detail.name), manifest.parsed(packages))
    return side, (stored, packages)
