"""`model gate`: check a model against the bounds in `[gate]` of mlops.toml."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_mlops import tables
from jupyter_mlops.errors import MlopsError, NotFound, UsageError, nearest
from jupyter_mlops.models.evaluation import intervals
from jupyter_mlops.models.evaluation.records import Gate, Rule
from jupyter_mlops.models.evaluation.scores import LOSSES, METRICS, Answers, score
from jupyter_mlops.models.evaluation.subject import ScoredTable, Subject, read_rows, subject
from jupyter_mlops.models.model import Model
from jupyter_mlops.models.registry import version_of
from jupyter_mlops.project import Project
from jupyter_mlops.runs.run_list import list as list_runs
from jupyter_mlops.settings import BOUND
from jupyter_mlops.text import cut
from jupyter_mlops.tracking import search
from jupyter_mlops.tracking.store import open_store

if TYPE_CHECKING:
    from jupyter_mlops.runs.records import ModelVersion, RunDetail

_RESAMPLES, _CONFIDENCE, _SEED = 1000, 0.95, 0
_HOLDS: dict[str, Any] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class _Measured:
    """A metric's value, its interval if rows were scored, and a note on its source."""

    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""


def gate(
    name: str, *, version: int = 0, allow_pickle: bool = False, project: Project | None = None
) -> Gate:
    """Check a registered model's version, or a run's model, against the declared gate.

    A bound applies to the metric's value on the gate's `data`; without data, to the value of the
    latest evaluation, else to the value that the run recorded. With `against`, the model must
    also be non-inferior to that alias's model in one metric. The difference, with the sign set so
    that larger is better, is bootstrapped on the same rows (paired percentile interval, 95 %).
    Its lower bound must be above -margin; with a margin of 0 the model must be better.

    Args:
        name: a registered model (its latest version), or a run's name or id.
        version: the version of the registered model.
        allow_pickle: load models that are stored as pickles.
        project: default: the project at or above the working folder.

    Raises:
        UsageError: no gate is declared, or it is incomplete.
        NotFound: there is no such model, version or run.
    """
    project = project or Project.find()
    settings = project.settings.gate
    if not _declared(project):
        raise UsageError(
            "mlops.toml declares no gate",
            'Write into mlops.toml, under [gate], for example: accuracy = ">= 0.9"',
        )
    if settings.against and not settings.data:
        raise UsageError(
            "The gate compares with a model, but has no rows to compare on",
            'Add under [gate] in mlops.toml: data = "FILE"',
        )
    candidate = version_of(open_store(project), name, version)
    if candidate is None and version:
        raise NotFound(f"No registered model '{cut(name, 60)}'", "Type: %mlops model list")
    try:
        model = Model.find(candidate.run_id if candidate else name, project=project)
    except NotFound as error:
        if candidate is not None:
            raise
        raise NotFound(f"No registered model and no run '{cut(name, 60)}'", error.do) from None
    detail = model.run
    rows, scored, measured = None, None, {}
    if settings.data:
        rows = read_rows(project.root / settings.data, project)
        scored = subject(model, rows, settings.target, allow_pickle=allow_pickle)
        answers = scored.answers()
        measured = _measure(answers)
    recorded = _recorded(detail, project)
    rules = [
        _bounded(metric, bound, measured.get(metric) or recorded.get(metric), measured | recorded)
        for metric, bound in settings.bounds
    ]
    if settings.against and rows and scored:
        rules.append(_not_inferior(candidate, scored, answers, rows, allow_pickle, project))
    failed = [rule for rule in rules if rule.status == "failed"]
    return Gate(
        name=candidate.name if candidate else detail.name,
        version=candidate.version if candidate else None,
        run_id=detail.run_id,
        status="failed" if failed else "passed",
        error="; ".join(f"{rule.rule} ({_found(rule)})" for rule in failed),
        rules=rules,
    )


def guards(alias: str, project: Project) -> bool:
    """Whether a gate is declared and guards this alias."""
    return _declared(project) and alias == (project.settings.gate.against or "champion")


def _declared(project: Project) -> bool:
    return bool(project.settings.gate.bounds or project.settings.gate.against)


def _measure(answers: Answers) -> dict[str, _Measured]:
    names = answers.metrics()
    (drawn,) = intervals.replicates([answers], names, _RESAMPLES, _SEED)
    return {
        name: _Measured(score(answers, name), *intervals.percentile(drawn[name], _CONFIDENCE))
        for name in names
    }


def _recorded(detail: RunDetail, project: Project) -> dict[str, _Measured]:
    """Return the run's metrics, overridden by those of its latest finished evaluation."""
    kept = {
        name: _Measured(value, note="recorded with the run")
        for name, value in detail.metrics.items()
        if value is not None
    }
    evaluations = list_runs(
        filter=f"{search.clause('tags.mlops.evaluates', detail.run_id)}"
        " and attributes.status = 'FINISHED'",
        limit=1,
        project=project,
    )
    for item in evaluations:
        if item.tags.get("mlops.evaluates") != detail.run_id:
            continue
        found = item.metrics
        for name, value in found.items():
            if value is not None and not name.endswith(("_low", "_high")):
                low, high = found.get(f"{name}_low"), found.get(f"{name}_high")
                kept[name] = _Measured(value, low, high, f"evaluated as {item.run_id[:8]}")
    return kept


def _bounded(
    metric: str, bound: str, measured: _Measured | None, known: dict[str, _Measured]
) -> Rule:
    match = BOUND.fullmatch(bound)
    if match is None:  # settings created in code, not read from mlops.toml
        raise UsageError(f"'{bound}' is not a bound", 'For example: ">= 0.9"')
    rule = f"{metric} {match[1]} {match[2]}"
    if measured is None:
        note = f"no metric '{metric}'. {nearest(metric, known)}".rstrip(" .")
        return Rule(rule=rule, metric=metric, found=None, status="failed", note=note)
    holds = math.isfinite(measured.value) and _HOLDS[match[1]](measured.value, float(match[2]))
    return _rule(rule, metric, measured, bool(holds))


def _not_inferior(
    candidate: ModelVersion | None,
    scored: Subject,
    answers: Answers,
    rows: ScoredTable,
    allow_pickle: bool,
    project: Project,
) -> Rule:
    settings = project.settings.gate
    metric = settings.metric or METRICS[answers.task][0]
    answers.metrics([metric])
    rule = f"{metric} not worse than {settings.against} by {settings.margin:g}"
    if candidate is None:
        raise UsageError(
            f"Only a registered model can be compared with '{settings.against}'",
            f"Type: %mlops model register {scored.detail.name}",
        )
    holder = version_of(open_store(project), candidate.name, alias=settings.against)
    if holder is None or holder.version == candidate.version:
        note = (
            f"there is no {settings.against} yet"
            if holder is None
            else "this version already has the alias"
        )
        return Rule(rule=rule, metric=metric, found=None, status="ok", note=note)
    champion = Model.find(holder.run_id, project=project)
    other = subject(champion, rows, scored.target, allow_pickle=allow_pickle).answers()
    if other.task != answers.task:
        raise MlopsError(
            f"{candidate.name} version {holder.version} is a {other.task}, this one a {answers.task}",
            "Register it under another name",
        )
    ours, theirs = intervals.replicates([answers, other], [metric], _RESAMPLES, _SEED)
    sign = -1 if metric in LOSSES else 1
    difference = sign * (score(answers, metric) - score(other, metric))
    low, high = intervals.percentile(sign * (ours[metric] - theirs[metric]), _CONFIDENCE)
    measured = _Measured(difference, low, high, f"difference to version {holder.version}")
    return _rule(rule, metric, measured, math.isfinite(low) and low > -settings.margin)


def _found(rule: Rule) -> str:
    if rule.found is None:
        return rule.note or "not defined"
    interval = ""
    if rule.low is not None and rule.high is not None:
        interval = f", {tables.number(rule.low)} to {tables.number(rule.high)}"
    return f"found {tables.number(rule.found)}{interval}"


def _rule(rule: str, metric: str, measured: _Measured, holds: bool) -> Rule:
    def shown(value: float | None) -> float | None:
        return value if value is not None and math.isfinite(value) else None

    return Rule(
        rule=rule,
        metric=metric,
        found=shown(measured.value),
        low=shown(measured.low),
        high=shown(measured.high),
        status="ok" if holds else "failed",
        note=measured.note,
    )
