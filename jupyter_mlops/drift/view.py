"""The three forms of a drift report, all in one output: our MIME type, static HTML and text.

The HTML has neither scripts nor inline SVG, which JupyterLab's sanitiser drops; pictures are
`<img>` with a data address, and if it drops a `var(…)` colour, the plain colour before it is used.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jupyter_mlops import pictures, tables
from jupyter_mlops.drift import statistics
from jupyter_mlops.text import one_line

if TYPE_CHECKING:
    from jupyter_mlops.drift.records import ColumnDrift, DriftReport, Histogram

MIME = "application/vnd.jupyter-mlops.drift+json"
#: The largest payload in bytes; above it, the columns that drifted least have no histogram.
LARGEST_PAYLOAD = 100_000

_SPARK = 12
_LONGEST_NAME = 80
_LONGEST_TEXT_NAME = 32
_ORDER = {"drift": 0, "not evaluated": 1, "no drift": 2}
_LINE = "border-bottom:1px solid #8886;border-bottom:1px solid var(--jp-border-color2,#8886)"
_NOTE = "margin:2px 0;padding-left:8px;border-left:3px solid #b7791f"
_TABLE = "border-collapse:collapse;margin:8px 0;color:inherit;font-size:inherit"
_PILL = "display:inline-block;padding:1px 8px;border-radius:9px;white-space:nowrap"
_STATUS_STYLE = {
    "drift": "font-weight:bold;color:#d9483b",
    "not evaluated": f"{_PILL};border:1px dashed #b7791f",
    "no drift": "white-space:nowrap;opacity:.75",
}
_VERDICT_STYLE = {
    **_STATUS_STYLE,
    "drift": f"{_PILL};background:#c62828;color:#fff",
    "no drift": f"{_PILL};background:#2e7d32;color:#fff",
}


def mimebundle(report: DriftReport) -> dict[str, Any]:
    """Return the report in every form a front end may choose from."""
    return {MIME: payload(report), "text/html": html(report), "text/plain": text(report)}


def payload(report: DriftReport) -> dict[str, Any]:
    """Return what our extension draws: the report as JSON, at most `LARGEST_PAYLOAD` bytes of it.

    If it is too large, histograms are left out and then columns, those that drifted least first.
    """
    kept = by_severity(report)
    columns = {column.column: json.loads(column.to_json()) for column in kept}
    body: dict[str, Any] = json.loads(report.model_copy(update={"columns": []}).to_json())
    excess = _bytes(body) + sum(_bytes(column) + 1 for column in columns.values()) - LARGEST_PAYLOAD
    for column in reversed(kept):
        if excess <= 0:
            break
        drawn = columns[column.column]
        excess -= _bytes(drawn) - _bytes({**drawn, "histogram": None})
        drawn["histogram"] = None
    dropped = 0
    for column in reversed(kept):
        if excess <= 0:
            break
        excess -= _bytes(columns.pop(column.column)) + 1
        dropped += 1
    if dropped:
        body["warnings"].append(f"{dropped:,} more columns are in the report's drift.json")
    body["columns"] = [columns[item.column] for item in report.columns if item.column in columns]
    return body


def by_severity(report: DriftReport) -> list[ColumnDrift]:
    """Return the columns ordered by status, drifted first, and by how far they drifted."""
    return sorted(report.columns, key=lambda column: (_ORDER[column.status], -_severity(column)))


def headline(report: DriftReport) -> str:
    """Return the verdict in one sentence."""
    if report.share is None:
        return "None of the columns could be evaluated"
    return (
        f"{report.drifted} of {report.evaluated} columns drifted · "
        f"alarm at {report.threshold * 100:.0f} % of columns"
    )


def text(report: DriftReport) -> str:
    """Return the report for a terminal, distributions as Unicode bars."""
    lines = [
        f"{report.verdict.upper()}: {headline(report)}",
        f"reference  {report.reference} ({report.reference_rows:,} rows)",
        f"current    {report.current} ({report.current_rows:,} rows)",
        *(f"warning    {warning}" for warning in report.warnings),
    ]
    rows = [
        {
            "status": column.status,
            "column": one_line(column.column, _LONGEST_TEXT_NAME),
            "score": column.score,
            "drift if": _rule(column),
            "method": column.method or column.reason,
            **_sparks(column.histogram),
        }
        for column in by_severity(report)
    ]
    return "\n".join([*lines, "", tables.table_text(rows)] if rows else lines)


def html(report: DriftReport) -> str:
    """Return the report as static HTML, in the colours of the page it is put into."""
    escape = tables.escape
    notes = "".join(f'<div style="{_NOTE}">{escape(note)}</div>' for note in report.warnings)
    rows = "".join(_row(column) for column in by_severity(report))
    head = "".join(
        f'<th style="text-align:{side};{_LINE}">{title}</th>'
        for title, side in (
            ("Column", "left"),
            ("Verdict", "left"),
            ("Distribution", "left"),
            ("Score", "right"),
            ("Drift if", "left"),
            ("Method", "left"),
        )
    )
    return (
        '<div style="max-width:960px;overflow-x:auto">'
        f'<div style="margin:4px 0;font-size:115%"><span style="{_VERDICT_STYLE[report.verdict]}">'
        f"<b>{report.verdict}</b></span> {escape(headline(report))}</div>"
        f'<div style="margin:6px 0">{pictures.key(pictures.OLD)} <b>reference</b> {escape(report.reference)}'
        f" ({report.reference_rows:,} rows)<br>{pictures.key(pictures.NEW)} <b>current</b> {escape(report.current)}"
        f" ({report.current_rows:,} rows)</div>{notes}"
        f'<table style="{_TABLE}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(column: ColumnDrift) -> str:
    name = tables.escape(one_line(column.column, _LONGEST_NAME))
    status = f'<span style="{_STATUS_STYLE[column.status]}">{column.status}</span>'
    picture = _picture(column.histogram) if column.histogram else ""
    left = '<td style="text-align:left">'
    if column.drift is None:
        reason = f'<td colspan="3" style="text-align:left">{tables.escape(column.reason)}</td>'
        return f"<tr>{left}{name}</td>{left}{status}</td>{left}{picture}</td>{reason}</tr>"
    score = tables.cell(column.score)
    if column.drift:
        name = f"<b>{name}</b>"
    return (
        f"<tr>{left}{name}</td>{left}{status}</td>{left}{picture}</td>"
        f'<td style="text-align:right">{score}</td>{left}{tables.escape(_rule(column))}</td>'
        f"{left}{tables.escape(column.method)}</td></tr>"
    )


def _rule(column: ColumnDrift) -> str:
    """Return when Evidently calls this score drift."""
    if column.threshold is None:
        return ""
    threshold = tables.number(column.threshold)
    if column.method.startswith("Percentile"):
        return f"> random, at {threshold}"
    return f"{statistics.drift_if(column.method)} {threshold}"


def _severity(column: ColumnDrift) -> float:
    """Return how far past its threshold a column is, on one scale for p-values and distances."""
    if column.score is None or not column.threshold:
        return 0.0
    if statistics.drift_if(column.method) in {"<", "≤"}:
        return column.threshold / max(column.score, 1e-12)
    return column.score / column.threshold


def _picture(histogram: Histogram) -> str:
    old, new = histogram.reference, histogram.current
    return pictures.pair(old, new, numeric=histogram.numeric, says="both")


def _sparks(histogram: Histogram | None) -> dict[str, str]:
    if histogram is None:
        return {"reference": "", "current": ""}
    old, new = pictures.pair_of_bars(histogram.reference, histogram.current, _SPARK)
    return {"reference": old, "current": new}


def _bytes(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
