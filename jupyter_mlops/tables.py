"""Tables as text and as HTML without scripts.

JupyterLab's sanitiser keeps `style` on table cells and drops scripts and inline SVG. So a table looks
the same in a trusted notebook, in an untrusted one, and in nbconvert's output.
"""

from __future__ import annotations

import html
import math
from datetime import UTC, datetime, timedelta
from typing import Any

from jupyter_mlops.text import cut, visible

escape = html.escape

_WIDEST, _LONGEST_UNWRAPPED = 48, 24
# Readable on white and on black. JupyterLab's sanitiser drops var(), so no theme colours.
GREEN, BLUE, RED, AMBER, GREY = "#2e9e4f", "#2a7fc9", "#d9483b", "#b87a00", "#808080"
_STATUS_COLOURS = {
    "finished": GREEN, "ready": GREEN, "no drift": GREEN, "ok": GREEN, "running": BLUE,
    "scheduled": BLUE, "failed": RED, "drift": RED, "missing": RED, "broken": RED,
    "killed": AMBER, "changed": AMBER, "not evaluated": AMBER, "not trusted": AMBER,
}  # fmt: skip


def cell(value: Any) -> str:
    """Return `value` as text for a reader: 4 significant digits, local times."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M")
    if isinstance(value, timedelta):
        return duration(value.total_seconds())
    if isinstance(value, dict):
        return ", ".join(f"{key}={cell(item)}" for key, item in value.items()) or "–"
    if isinstance(value, (list, tuple)):
        return ", ".join(cell(item) for item in value) or "–"
    return str(value)


def number(value: float) -> str:
    """Return a float with 4 significant digits, without trailing zeros."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.4g}"


def duration(seconds: float) -> str:
    """Return seconds as `0.42 s`, `12 s`, `3 min 20 s` or `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def ago(moment: datetime) -> str:
    """Return how long ago `moment` was: `12 s ago`."""
    return f"{duration(max(0.0, (datetime.now(UTC) - moment).total_seconds()))} ago"


def size(count: int) -> str:
    """Return bytes as `3.2 MB` (powers of 1,000, as DVC and disks count)."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"


def table_text(rows: list[dict[str, Any]]) -> str:
    """Return rows as aligned columns for a terminal."""
    titles = list(dict.fromkeys(title for row in rows for title in row))
    body = [[cut(_in_one_line(cell(row.get(title))), _WIDEST) for title in titles] for row in rows]
    heads = [_in_one_line(title) for title in titles]
    widths = [max(len(head), *(len(line[i]) for line in body)) for i, head in enumerate(heads)]
    right = [_numeric(rows, title) for title in titles]

    def line(values: list[str]) -> str:
        parts = (
            v.rjust(w) if r else v.ljust(w) for v, w, r in zip(values, widths, right, strict=True)
        )
        return "  ".join(parts).rstrip()

    return "\n".join([line(heads), line(["─" * width for width in widths]), *map(line, body)])


def _in_one_line(value: str) -> str:
    # A newline in a name would begin a row that is not in the list.
    return visible(value).replace("\n", "\\n")


def table_html(rows: list[dict[str, Any]]) -> str:
    """Return rows as an HTML table: numbers right-aligned, statuses coloured."""
    titles = list(dict.fromkeys(title for row in rows for title in row))
    right = {title: _numeric(rows, title) for title in titles}
    head = "".join(f"<th{_align(right[title])}>{escape(title)}</th>" for title in titles)
    body = "".join(
        "<tr>" + "".join(_td(row.get(title), right[title]) for title in titles) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def pairs_text(pairs: list[tuple[str, Any]]) -> str:
    """Return (title, value) pairs as aligned lines."""
    width = max((len(title) for title, _ in pairs), default=0)
    return "\n".join(f"{title.ljust(width)}  {cell(value)}" for title, value in pairs)


def pairs_html(pairs: list[tuple[str, Any]]) -> str:
    """Return (title, value) pairs as a two-column table."""
    rows = "".join(
        f'<tr><th style="text-align: left; vertical-align: top">{escape(title)}</th>{_td(value, False)}</tr>'
        for title, value in pairs
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _td(value: Any, right: bool) -> str:
    text = cell(value)
    colour = _STATUS_COLOURS.get(text.lower())
    if colour:
        return f'<td style="text-align: left; color: {colour}">{escape(text)}</td>'
    # A time or a name that wraps doubles the height of its row.
    unwrapped = len(text) <= _LONGEST_UNWRAPPED and any(mark in text for mark in " -")
    return f"<td{_align(right, '; white-space: nowrap' if unwrapped else '')}>{escape(text)}</td>"


def _align(right: bool, style: str = "") -> str:
    return f' style="text-align: {"right" if right else "left"}{style}"'


def _numeric(rows: list[dict[str, Any]], title: str) -> bool:
    values = [row.get(title) for row in rows]
    return any(isinstance(value, (int, float)) for value in values) and all(
        value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
        for value in values
    )
