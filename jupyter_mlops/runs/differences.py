"""`run compare`: only what differs between runs, metrics first."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import NotFound, UsageError
from jupyter_mlops.project import Project
from jupyter_mlops.runs import query
from jupyter_mlops.runs.curves import Curve
from jupyter_mlops.runs.records import Comparison, Difference, RunDetail
from jupyter_mlops.runs.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

_MANIFEST = "mlops/manifest.json"
# Each history is a request of its own, and a picture shows no more points than it has pixels.
_MOST_CURVES, _MOST_POINTS = 16, 240


def compare(runs: Sequence[str], *, project: Project | None = None) -> Comparison:
    """Compare two or more runs: metrics, parameters, data, code, packages, commit.

    Code is a unified diff of each run's cell against the first run's; a metric that was logged at
    several steps is also a curve.

    Raises:
        UsageError: fewer than two different runs were named.
    """
    project = project or Project.find()
    example = "For example: run compare baseline forest"
    if len(runs) < 2:
        raise UsageError("Two runs are needed to compare", example)
    details = [query.get(run, project=project) for run in runs]
    if len({detail.run_id for detail in details}) < 2:
        raise UsageError(f"That is one run, {details[0].name} ({details[0].run_id[:8]})", example)
    differences: list[Difference] = []
    same = 0
    columns: list[tuple[Any, list[dict[str, Any]]]] = [
        ("metric", [dict(detail.metrics) for detail in details]),
        ("param", [dict(detail.params) for detail in details]),
        ("data", [_inputs(detail) for detail in details]),
        ("code", [{"cell": _code_note(detail, details[0])} for detail in details]),
        ("package", _packages(details, project)),
        ("commit", [{"git": detail.commit[:12]} for detail in details]),
    ]
    for what, values in columns:
        for name in dict.fromkeys(key for value in values for key in value):
            row = [value.get(name) for value in values]
            if all(_equal(item, row[0]) for item in row):
                same += what != "package"  # hundreds of equal packages would drown the count
            else:
                differences.append(Difference(what=what, name=name, values=row))
    return Comparison(
        runs=[detail.run_id for detail in details],
        names=[detail.name for detail in details],
        differences=differences,
        same=same,
        code=_diff(details),
        curves=_curves(open_store(project), details),
    )


def _inputs(detail: RunDetail) -> dict[str, str]:
    return {use.path: use.version[:12] for use in detail.data if use.role == "input"}


def _packages(details: list[RunDetail], project: Project) -> list[dict[str, str]]:
    """Return each run's packages; none at all unless every run has them, to compare like with like."""
    found: list[dict[str, str]] = []
    for detail in details:
        try:
            file = query.artifact(detail.run_id, _MANIFEST, project=project)
            found.append(json.loads(file.read_text()).get("packages", {}))
        except (NotFound, ValueError, AttributeError):
            return [{} for _ in details]
    return found if all(found) else [{} for _ in details]


def _equal(a: Any, b: Any) -> bool:
    return bool(a == b or (a != a and b != b))  # two NaN are no difference


def _code_note(detail: RunDetail, first: RunDetail) -> str:
    if not detail.source:
        return ""
    lines = detail.source.splitlines()
    if detail.source == first.source:
        return f"{len(lines)} lines"
    changed = sum(
        1
        for line in difflib.unified_diff(first.source.splitlines(), lines, n=0, lineterm="")
        if line[:1] in "+-" and line[:3] not in {"+++", "---"}
    )
    return f"{changed} lines differ"


def _diff(details: list[RunDetail]) -> str:
    first, *others = details
    parts = [
        "\n".join(
            difflib.unified_diff(
                first.source.splitlines(),
                other.source.splitlines(),
                f"{first.name} ({first.run_id[:8]})",
                f"{other.name} ({other.run_id[:8]})",
                lineterm="",
            )
        )
        for other in others
    ]
    return "\n".join(part for part in parts if part)


def _curves(store: Store, details: list[RunDetail]) -> list[Curve]:
    names = dict.fromkeys(name for detail in details for name in detail.metrics)
    curves = []
    for name in [*names][:_MOST_CURVES]:
        lines = [
            _history(store, detail.run_id, name) if name in detail.metrics else []
            for detail in details
        ]
        if any(len(line) > 1 for line in lines):
            curves.append(Curve(metric=name, lines=lines))
    return curves


def _history(store: Store, run_id: str, name: str) -> list[tuple[int, float | None]]:
    # A step that was logged twice has its last value.
    steps = {
        item.step: float(item.value)
        for item in sorted(
            store.client.get_metric_history(run_id, name), key=lambda item: item.timestamp
        )
    }
    points = sorted(steps.items())
    every = -(-len(points) // _MOST_POINTS)
    kept = points[::every] if every > 1 else points
    if kept and kept[-1] != points[-1]:
        kept.append(points[-1])
    return [*kept]
