"""`drift check`, `history` and `show`: each check is a run of kind `drift`."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops import files, temporary
from jupyter_mlops.drift.records import DriftCheck, DriftReport
from jupyter_mlops.errors import BackendFailed, MlopsError, NotAProject, NotFound, UsageError
from jupyter_mlops.progress import say
from jupyter_mlops.project import Project
from jupyter_mlops.records import Records
from jupyter_mlops.settings import SETTINGS_FILE, DriftSettings
from jupyter_mlops.text import cut, error_line

if TYPE_CHECKING:
    import pandas as pd

    from jupyter_mlops.drift.sources import Sides

_ARTIFACT = "drift.json"
#: Number of the newest checks of the embedded store that `history` filters.
_MOST_READ = 10_000
_LARGEST_REPORT = 64_000_000
_VERDICTS = ("drift", "no drift", "not evaluated")
_EMPTY = "No checks yet. Type: %mlops drift check SERVICE, or: %mlops drift check --reference FILE --current FILE"


def check(
    service: str = "",
    *,
    reference: str | Path | pd.DataFrame = "",
    current: str | Path | pd.DataFrame = "",
    run: str = "",
    last: int = 0,
    html: str = "",
    record: bool = True,
    project: Project | None = None,
) -> DriftReport:
    """Compare current data with the training data of a model, column by column.

    Args:
        service: its prediction log is the current side, its run's training data the reference.
        reference: a file or DataFrame, in place of a run's training data.
        current: a file or DataFrame, in place of a service's log.
        run: the run whose training data is the reference.
        last: number of the newest rows of the current side to use; 0 for all.
        html: a file for Evidently's own report.
        record: record the check as a run of kind `drift`, so that `drift history` lists it.
        project: default: the project at or above the working folder; two files need none.

    Raises:
        MlopsError: a side cannot be read; the message says which, and what to type.
    """
    from jupyter_mlops.drift.comparison import compare
    from jupyter_mlops.drift.sources import gather, refuse_unclear

    refuse_unclear(service, reference, current, run, last)
    project = project or _project(needed=bool(service or run))
    page = _writable(html) if html else None
    sides = gather(service, reference, current, run, last, project)

    def compared() -> DriftReport:
        return compare(
            sides.reference,
            sides.current,
            columns=sides.columns,
            share=(project.settings.drift if project else DriftSettings()).share,
            labels=sides.labels,
            service=service,
            warnings=sides.warnings,
        )

    report = _recorded(compared, service, sides, project) if project and record else compared()
    if page:
        _write_html(page, sides, report)
    return report


def history(
    service: str = "", *, limit: int = 50, project: Project | None = None
) -> Records[DriftCheck]:
    """List earlier checks, the newest first; with `service`, only those of that service."""
    from jupyter_mlops import runs

    project = project or Project.find()
    if limit < 1:
        raise UsageError(f"--limit must be at least 1, not {limit}", "For example: --limit 20")
    if re.search(r"['\"`\\]", service):
        raise NotFound(f"No service {service}", "Type: %mlops service list")
    query = ""
    if project.settings.tracking.uri:
        query = "tags.mlops.verdict != ''"
        query += f" and tags.mlops.service = '{service}'" if service else ""
    # The embedded store is read by our own SQL, which has no filter.
    found = [
        run
        for run in runs.list(
            kind="drift", filter=query, limit=limit if query else _MOST_READ, project=project
        )
        if run.tags.get("mlops.verdict") and service in {"", run.tags.get("mlops.service")}
    ][:limit]
    empty = (
        f"No checks of '{service}' yet. Type: %mlops drift check {service}" if service else _EMPTY
    )
    return Records([_as_check(item) for item in found], empty=empty)


def show(run: str, *, project: Project | None = None) -> DriftReport:
    """Show the report of an earlier check, by the id or the name of its run.

    Raises:
        NotFound: there is no such run, or it is not a drift check.
    """
    from jupyter_mlops import runs

    project = project or Project.find()
    try:
        detail = runs.get(run, project=project)
    except NotFound:
        what = f"No drift check '{cut(run, 60)}'"
        raise NotFound(what, "Type: %mlops drift history") from None
    if detail.kind != "drift" or _ARTIFACT not in detail.artifacts:
        raise NotFound(
            f"Run '{detail.name}' ({detail.run_id[:8]}) is not a drift check",
            "Type: %mlops drift history",
        )
    path = runs.artifact(detail.run_id, _ARTIFACT, project=project)
    try:
        return DriftReport.model_validate_json(files.content(path, most=_LARGEST_REPORT))
    except (OSError, ValueError) as error:  # pydantic's too
        raise BackendFailed(
            f"The report of '{detail.name}' ({detail.run_id[:8]}) cannot be read: {error_line(error)}",
            "Check again: %mlops drift check",
        ) from None


def _project(*, needed: bool) -> Project | None:
    """Return the project of the working folder, or None if there is none and none is needed."""
    try:
        return Project.find()
    except NotAProject:
        start = Path(os.environ.get("MLOPS_ROOT") or Path.cwd()).absolute()
        unreadable = any((folder / SETTINGS_FILE).is_file() for folder in (start, *start.parents))
        if needed or unreadable:
            raise
        return None


def _recorded(compared: Any, service: str, sides: Sides, project: Project) -> DriftReport:
    """Compare within a run of kind `drift`, and record the report in it."""
    from jupyter_mlops import runs

    name = f"drift {service or Path(sides.labels[1]).name}"
    with runs.start(name, kind="drift", project=project) as active:
        report: DriftReport = compared().model_copy(update={"run_id": active.run_id})
        active.log_metrics(_metrics(report))
        with temporary.folder() as folder:
            path = folder / _ARTIFACT
            path.write_text(report.to_json(), encoding="utf-8")
            active.log_artifact(path)
        # Written last: a check without a verdict is unfinished, and `history` leaves it out.
        active.set_tags(
            {
                "mlops.service": service,
                "mlops.reference": report.reference,
                "mlops.current": report.current,
                "mlops.rows": report.current_rows,
                "mlops.verdict": report.verdict,
            }
        )
    project.announce("drift", "checked", service or report.current)
    return report


def _metrics(report: DriftReport) -> dict[str, float]:
    """Return the check's metrics; MLflow refuses most special characters in their names."""
    metrics = {"drifted": float(report.drifted), "evaluated": float(report.evaluated)}
    if report.share is not None:
        metrics["share"] = report.share
    for column in report.columns:
        if column.score is not None:
            name = re.sub(r"[^\w\-. ]", "_", column.column, flags=re.ASCII).strip("_. ") or "column"
            metrics[f"score/{name[:200]}"] = column.score
    return metrics


def _whole(value: float | None) -> int:
    return int(value) if value is not None and math.isfinite(value) else 0


def _as_check(run: Any) -> DriftCheck:
    from jupyter_mlops.runs.query import whole

    tags, metrics = run.tags, run.metrics
    verdict = tags.get("mlops.verdict", "")
    return DriftCheck(
        run_id=run.run_id,
        service=tags.get("mlops.service", ""),
        reference=tags.get("mlops.reference", ""),
        current=tags.get("mlops.current", ""),
        verdict=verdict if verdict in _VERDICTS else "not evaluated",
        drifted=_whole(metrics.get("drifted")),
        evaluated=_whole(metrics.get("evaluated")),
        current_rows=whole(tags.get("mlops.rows", "")),
        time=run.start_time,
    )


def _writable(html: str) -> Path:
    path = Path(html).expanduser()
    if path.is_dir():
        raise MlopsError(
            f"{path} is a folder", f"Name a file, for example: --html {path}/drift.html"
        )
    if not path.absolute().parent.is_dir():
        raise NotFound(f"No folder {path.parent}", "Create it first, or use another path")
    return path


def _write_html(path: Path, sides: Sides, report: DriftReport) -> None:
    import pandas as pd

    from jupyter_mlops.drift import evidently_engine

    columns = [column.column for column in report.columns if column.drift is not None]
    if not columns:
        raise MlopsError("No column could be evaluated, so Evidently has nothing to report")
    tables = [
        pd.DataFrame({str(name): frame[name] for name in frame.columns if str(name) in columns})
        for frame in (sides.reference, sides.current)
    ]
    files.replace(path, evidently_engine.html_report(tables[0], tables[1], columns))
    say(f"Evidently's report is in {path}")
