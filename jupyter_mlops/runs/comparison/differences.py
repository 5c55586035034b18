"""`run compare`: only what differs between runs, metrics first."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import UsageError
from jupyter_mlops.project import Project
from jupyter_mlops.runs import query
from jupyter_mlops.runs.capsules import manifest
from jupyter_mlops.runs.comparison import file_changes, metric_history
from jupyter_mlops.runs.comparison.records import Comparison, Difference
from jupyter_mlops.runs.records import RunDetail
from jupyter_mlops.tracking.store import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

# Hardware facts that can change a result; memory differs on every machine.
_MACHINE = ("python", "system", "machine", "cores", "gpu")


def compare(runs: Sequence[str], *, project: Project | None = None) -> Comparison:
    """Compare two or more runs: metrics, parameters, data, code, packages, machine, commit.

    Code is a unified diff of each run's cell, and of the project's files, against the first run's.
    Data is the `data diff` of each file that the runs read in different versions; larger tables are
    sampled or left out, with a note. A metric that was logged at several steps is also a curve:
    `%mlops run curves A B` shows it as an interactive plot.

    Raises:
        UsageError: fewer than two different runs were named.
    """
    project = project or Project.find()
    example = "For example: %mlops run compare baseline forest"
    if len(runs) < 2:
        raise UsageError("Two runs are needed to compare", example)
    details = [query.get(run, project=project) for run in runs]
    if len({detail.run_id for detail in details}) < 2:
        raise UsageError(f"That is one run, {details[0].name} ({details[0].run_id[:8]})", example)
    first, *others = details
    manifests = _manifests(details, project)
    files = [{}, *(file_changes.code(first, other, project) for other in others)]
    differences: list[Difference] = []
    same = 0
    columns: list[tuple[Any, list[dict[str, Any]]]] = [
        ("metric", [dict(detail.metrics) for detail in details]),
        ("param", [dict(detail.params) for detail in details]),
        ("data", [_inputs(detail) for detail in details]),
        ("code", [{"cell": _code_note(detail, first)} for detail in details]),
        ("code", [_file_notes(diffs) for diffs in files]),
        ("package", [manifest.get("packages", {}) for manifest in manifests]),
        ("machine", [_machine(manifest) for manifest in manifests]),
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
        data=file_changes.data(details, project),
        code="\n".join(
            part
            for other, diffs in zip(others, files[1:], strict=True)
            for part in (_cell_diff(first, other), *diffs.values())
            if part
        ),
        curves=metric_history.read(open_store(project), details),
    )


def _inputs(detail: RunDetail) -> dict[str, str]:
    return {use.path: use.version[:12] for use in detail.data if use.role == "input"}


def _manifests(details: list[RunDetail], project: Project) -> list[dict[str, Any]]:
    """Return each run's manifest; all are empty if one run has no manifest with packages."""
    found: list[dict[str, Any]] = []
    for detail in details:
        kept = manifest.read(detail.run_id, project=project)
        if not kept.get("packages"):
            return [{} for _ in details]
        found.append(kept)
    return found


def _machine(manifest: dict[str, Any]) -> dict[str, str]:
    hardware = manifest.get("hardware", {})
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name in _MACHINE
        if (value := hardware.get(name)) is not None
    }


def _equal(a: Any, b: Any) -> bool:
    return bool(a == b or (a != a and b != b))  # two NaN are equal


def _code_note(detail: RunDetail, first: RunDetail) -> str:
    if not detail.source:
        return ""
    if detail.source == first.source:
        return f"{len(detail.source.splitlines())} lines"
    return _lines_note(_cell_diff(first, detail))


def _file_notes(diffs: dict[str, str]) -> dict[str, str]:
    return {path: _lines_note(diff) for path, diff in diffs.items()}


def _lines_note(diff: str) -> str:
    added, removed = file_changes.changed_lines(diff)
    return f"+{added} −{removed} lines"


def _cell_diff(first: RunDetail, other: RunDetail) -> str:
    return "\n".join(
        difflib.unified_diff(
            first.source.splitlines(),
            other.source.splitlines(),
            f"cell, {first.name} ({first.run_id[:8]})",
            f"cell, {other.name} ({other.run_id[:8]})",
            n=2,
            lineterm="",
        )
    )
