"""How a data diff shows itself: static HTML with small pictures, and text with Unicode bars.

The HTML has neither scripts nor inline SVG, which JupyterLab's sanitiser drops; pictures are
`<img>` with a data address, and colours are plain ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_mlops import pictures, tables
from jupyter_mlops.text import counted

if TYPE_CHECKING:
    from jupyter_mlops.data.records import ColumnDiff, DataDiff, DistributionPair

_MOST = 60
_ORDER = {"added": 0, "removed": 1, "type": 2, "moved": 3, "missing": 4, "same": 5}
_COLOURS = {
    "added": tables.GREEN, "removed": tables.RED, "type": tables.AMBER, "moved": tables.RED,
    "missing": tables.AMBER, "changed": tables.AMBER,
}  # fmt: skip


def headline(diff: DataDiff) -> str:
    """Return what changed in one line."""
    if diff.same:
        return "The same content"
    if diff.kind == "folder":
        counts = [
            f"{sum(1 for item in diff.files if item.change == change):,} {change}"
            for change in ("added", "removed", "changed")
        ]
        return f"Files: {', '.join(counts)}"
    if diff.kind == "file":
        return f"{tables.size(diff.size_before)} → {tables.size(diff.size_after)}"
    about = "about " if diff.sampled else ""
    parts = [f"{about}{diff.rows_added:,} added", f"{about}{diff.rows_removed:,} removed"]
    if diff.rows_changed is not None:
        parts.append(f"{about}{diff.rows_changed:,} changed")
    line = f"Rows: {', '.join(parts)} ({diff.rows_before:,} → {diff.rows_after:,})"
    changes = [
        f"{count} {word}"
        for word, count in (
            ("added", _count(diff, "added")),
            ("removed", _count(diff, "removed")),
            ("with another type", _count(diff, "type")),
            ("moved", sum(1 for item in diff.columns if item.moved)),
            ("with more or fewer missing", sum(1 for item in diff.columns if _missing(item))),
        )
        if count
    ]
    return f"{line} · Columns: {', '.join(changes) or 'no change'}"


def text(diff: DataDiff) -> str:
    """Return the diff for a terminal."""
    lines = [
        headline(diff),
        f"before  {diff.before} ({tables.size(diff.size_before)})",
        f"after   {diff.after} ({tables.size(diff.size_after)})",
        *(f"note    {note}" for note in _notes(diff)),
    ]
    if diff.files:
        rows = [_file_row(item) for item in diff.files[:_MOST]]
        lines += ["", tables.table_text(rows), *_rest(len(diff.files), "files")]
    shown, hidden = _shown(diff)
    if shown:
        rows = [{**_row(item), **_sparks(item.histogram)} for item in shown]
        lines += ["", tables.table_text(rows)]
    if hidden:
        lines.append(hidden)
    return "\n".join(lines)


def html(diff: DataDiff, most: int = _MOST) -> str:
    """Return the diff as static HTML, with at most so many columns and files."""
    escape = tables.escape
    head = (
        f'<div style="font-size:110%"><b>{escape(headline(diff))}</b></div>'
        f'<div style="margin:4px 0">{pictures.key(pictures.OLD)} <b>before</b> {escape(diff.before)} '
        f"({tables.size(diff.size_before)})<br>{pictures.key(pictures.NEW)} <b>after</b> {escape(diff.after)} "
        f"({tables.size(diff.size_after)})</div>"
    )
    notes = "".join(
        f'<div style="padding-left:8px;border-left:3px solid #b7791f">{escape(note)}</div>'
        for note in _notes(diff)
    )
    body = ""
    if diff.files:
        body += tables.table_html([_file_row(item) for item in diff.files[:most]])
        body += "".join(f"<p>{line}</p>" for line in _rest(len(diff.files), "files", most))
    shown, hidden = _shown(diff, most)
    if shown:
        body += _columns_html(shown)
    if hidden:
        body += f"<p>{escape(hidden)}</p>"
    return f'<div style="overflow-x:auto">{head}{notes}{body}</div>'


def _columns_html(shown: list[ColumnDiff]) -> str:
    rows = [_row(item) for item in shown]
    titles = [*dict.fromkeys(title for row in rows for title in row), "distribution"]
    head = "".join(f'<th style="text-align:left">{title}</th>' for title in titles)
    body = ""
    for item, row in zip(shown, rows, strict=True):
        cells = ""
        for title in titles[:-1]:
            value = tables.escape(tables.cell(row.get(title)))
            colour = _COLOURS.get(item.change) if title == "change" else None
            style = f";color:{colour};font-weight:bold" if colour else ""
            cells += f'<td style="text-align:left{style}">{value}</td>'
        picture = _picture(item.histogram) if item.histogram else ""
        body += f'<tr>{cells}<td style="text-align:left">{picture}</td></tr>'
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(item: ColumnDiff) -> dict[str, Any]:
    types = [kind for kind in (item.type_before, item.type_after) if kind]
    row: dict[str, Any] = {
        "column": item.column,
        "change": item.change,
        "type": " → ".join(dict.fromkeys(types)),
        "missing": (
            f"{item.missing_before:,} → {item.missing_after:,}"
            if item.missing_before != item.missing_after and item.change not in ("added", "removed")
            else item.missing_before or item.missing_after or None
        ),
        "before": item.before or None,
        "after": item.after or None,
        "distance": round(item.score, 3) if item.score is not None else None,
    }
    if item.changed_rows is not None:
        row["rows changed"] = item.changed_rows
    return row


def _file_row(item: Any) -> dict[str, Any]:
    return {
        "file": item.path,
        "change": item.change,
        "before": tables.size(item.size_before) if item.change != "added" else None,
        "after": tables.size(item.size_after) if item.change != "removed" else None,
    }


def changed(diff: DataDiff) -> list[ColumnDiff]:
    """Return the columns that are not quite as before, the most changed first."""
    return [
        item
        for item in sorted(
            diff.columns, key=lambda item: (_ORDER[item.change], -(item.score or 0.0))
        )
        if item.change != "same" or item.score or _missing(item) or item.changed_rows
    ]


def _shown(diff: DataDiff, most: int = _MOST) -> tuple[list[ColumnDiff], str]:
    """Return the columns worth a line, the changed ones first, and the number of the others as text."""
    differ = changed(diff)
    shown = differ[:most]
    hidden = len(diff.columns) - len(shown)
    if not hidden:
        return shown, ""
    more = len(differ) - len(shown)
    changed_too = f"{more} more differ; " if more else ""
    same = hidden - more
    return shown, f"{changed_too}{counted(same, 'column')} unchanged"


def _notes(diff: DataDiff) -> list[str]:
    return [*([diff.sampled] if diff.sampled else []), *diff.notes]


def _rest(count: int, what: str, most: int = _MOST) -> list[str]:
    return [f"and {count - most:,} more {what}"] if count > most else []


def _count(diff: DataDiff, change: str) -> int:
    return sum(1 for item in diff.columns if item.change == change)


def _missing(item: ColumnDiff) -> bool:
    return item.change not in ("added", "removed") and item.missing_before != item.missing_after


def _sparks(pair: DistributionPair | None) -> dict[str, str]:
    old, new = pictures.pair_of_bars(pair.before, pair.after) if pair else ("", "")
    return {"old values": old, "new values": new}


def _picture(pair: DistributionPair) -> str:
    return pictures.pair(pair.before, pair.after, numeric=pair.numeric, says="before and after")
