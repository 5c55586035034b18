"""Shows a comparison of runs as static HTML with small plots, or as text.

The HTML works without a kernel, in an untrusted notebook and in nbconvert's output: no scripts, no
inline SVG.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from jupyter_mlops import tables
from jupyter_mlops.data import view
from jupyter_mlops.runs.comparison.curves import pictures, spark

if TYPE_CHECKING:
    from jupyter_mlops.runs.comparison.records import Comparison, Curve, DataChange, Difference

_PACKAGES_IN_TEXT, _PACKAGES_IN_HTML = 5, 20
_COLUMNS_IN_TEXT, _COLUMNS_IN_HTML = 4, 12
_DIFF_IN_TEXT, _DIFF_IN_HTML = 30, 400
_DIFF_COLOURS = {"+": tables.GREEN, "-": tables.RED, "@": tables.GREY}
_MOST_DIGITS = 12


def text(found: Comparison) -> str:
    """Return the comparison for a terminal."""
    rows = _rows(found, _PACKAGES_IN_TEXT)
    if not rows:
        return _no_differences(found)
    parts = [tables.table_text(rows)]
    for change in found.data:
        parts += ["", *_data_text(change, found)]
    for curve in found.curves:
        parts += ["", f"{curve.metric} by step", *_sparks(curve, found)]
    if found.code:
        lines = found.code.splitlines()
        parts += ["", *lines[:_DIFF_IN_TEXT]]
        if len(lines) > _DIFF_IN_TEXT:
            parts.append(f"… {len(lines) - _DIFF_IN_TEXT} more lines, whole in .code")
    return "\n".join(parts)


def html(found: Comparison) -> str:
    """Return the comparison as static HTML."""
    rows = _rows(found, _PACKAGES_IN_HTML)
    if not rows:
        return f"<p>{_no_differences(found)}</p>"
    return "".join(
        (
            tables.table_html(rows),
            pictures(found.curves, found.names) if found.curves else "",
            *(_data_html(change, found) for change in found.data),
            _code_html(found.code) if found.code else "",
        )
    )


def _no_differences(found: Comparison) -> str:
    return f"No differences: {found.same} metrics, parameters and other facts are the same."


def _rows(found: Comparison, most_packages: int) -> list[dict[str, Any]]:
    packages = [item for item in found.differences if item.what == "package"]
    hidden = packages[most_packages:]
    rows = []
    for item in found.differences:
        if item in hidden:
            continue
        row: dict[str, Any] = {"what": item.what, "name": item.name}
        row |= dict(zip(found.titles, _told_apart(item.values), strict=True))
        if len(found.runs) == 2 and any(other.what == "metric" for other in found.differences):
            row["change"] = _change(item)
        rows.append(row)
    if hidden:
        rows.append({"what": "package", "name": f"… and {len(hidden)} more, all in .df"})
    return rows


def _told_apart(values: list[str | float | None]) -> list[str | None]:
    """Return numbers with enough digits to show that they differ."""
    numbers = {value for value in values if isinstance(value, float)}
    digits = 4
    while digits < _MOST_DIGITS and len({f"{x:.{digits}g}" for x in numbers}) < len(numbers):
        digits += 1
    return [f"{value:.{digits}g}" if isinstance(value, float) else value for value in values]


def _change(item: Difference) -> str | None:
    """Return the change of a metric from the first run to the second: `+0.0132 (+1.4 %)`."""
    old, new = item.values
    if item.what != "metric" or not isinstance(old, float) or not isinstance(new, float):
        return None
    if not math.isfinite(new - old):
        return None
    part = f" ({(new - old) / abs(old):+.2g} ×)" if old else ""
    if old and abs(new - old) < 10 * abs(old):
        part = f" ({100 * (new - old) / abs(old):+.3g} %)"
    return f"{new - old:+.3g}{part}"


def _data_title(change: DataChange, found: Comparison) -> str:
    if len(found.runs) == 2:
        return change.path
    others = ", ".join(found.names[found.runs.index(run)] for run in change.runs)
    return f"{change.path} ({found.names[0]} → {others})"


def _data_text(change: DataChange, found: Comparison) -> list[str]:
    title = _data_title(change, found)
    full = f"  in full: {change.command}"
    diff = change.diff
    if diff is None:
        return [f"{title}: {change.note}", full]
    lines = [f"{title}: {view.headline(diff)}"]
    lines += [f"  {note}" for note in (diff.sampled, *diff.notes) if note]
    columns = view.changed(diff)
    if columns:
        rows = [
            {
                "column": item.column, "change": item.change, "before": item.before,
                "after": item.after, "distance": item.score,
            }
            for item in columns[:_COLUMNS_IN_TEXT]
        ]  # fmt: skip
        lines += [f"  {line}" for line in tables.table_text(rows).splitlines()]
    return [*lines, full]


def _data_html(change: DataChange, found: Comparison) -> str:
    title = tables.escape(_data_title(change, found))
    full = f"<p>In full: <code>%mlops {tables.escape(change.command)}</code></p>"
    if change.diff is None:
        return f"<p>data: {title}. {tables.escape(change.note)}</p>{full}"
    headline = tables.escape(view.headline(change.diff))
    return (
        f"<details><summary>data: {title}. {headline}</summary>"
        f"{view.html(change.diff, _COLUMNS_IN_HTML)}{full}</details>"
    )


def _sparks(curve: Curve, found: Comparison) -> list[str]:
    width = max(map(len, found.names))
    return [
        f"  {name.ljust(width)}  {spark(line)}"
        for name, line in zip(found.names, curve.lines, strict=True)
    ]


def _code_html(diff: str) -> str:
    lines = diff.splitlines()
    shown = []
    for line in lines[:_DIFF_IN_HTML]:
        colour = _DIFF_COLOURS.get(line[:1], "") if line[:3] not in {"+++", "---"} else tables.GREY
        escaped = tables.escape(line)
        shown.append(f'<span style="color: {colour}">{escaped}</span>' if colour else escaped)
    if len(lines) > _DIFF_IN_HTML:
        shown.append(f"… {len(lines) - _DIFF_IN_HTML} more lines, whole in .code")
    body = "\n".join(shown)
    style = "font-family: monospace"  # nbconvert's page sets none for it
    return f'<details open><summary>code</summary><pre style="{style}">{body}</pre></details>'
