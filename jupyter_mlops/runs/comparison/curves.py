"""Metrics over their steps, as small static pictures and as one line of text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jupyter_mlops import tables
from jupyter_mlops.pictures import SERIES, bars, image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyter_mlops.runs.comparison.records import Curve

# The smallest and the largest value are printed to the right of the lines.
_WIDTH, _HEIGHT, _MARGIN, _LABELS = 290, 110, 8, 44
#: A picture shows no more points than it has pixels.
MOST_POINTS = 240
_SPARK, _IN_A_ROW = 24, 3


def pictures(curves: Sequence[Curve], names: Sequence[str]) -> str:
    """Return all curves as static HTML, with a legend of the runs' names."""
    legend = " · ".join(
        f'<span style="color: {_colour(i)}">━ {tables.escape(name)}</span>'
        for i, name in enumerate(names)
    )
    cells = [
        f'<td style="text-align: left">{tables.escape(curve.metric)}<br>{picture(curve)}</td>'
        for curve in curves
    ]
    rows = "".join(
        f"<tr>{''.join(cells[start : start + _IN_A_ROW])}</tr>"
        for start in range(0, len(cells), _IN_A_ROW)
    )
    return f"<p>By step: {legend}</p><table><tbody>{rows}</tbody></table>"


def picture(curve: Curve) -> str:
    """Return the curve as an HTML image; JupyterLab's sanitiser removes inline SVG."""
    points = [point for line in curve.lines for point in line if _finite(point[1])]
    if not points:
        return ""
    steps, values = [step for step, _ in points], [float(value or 0) for _, value in points]
    first, last, low, high = min(steps), max(steps), min(values), max(values)

    def place(step: int, value: float) -> str:
        across = _WIDTH - 2 * _MARGIN - _LABELS
        x = _MARGIN + across * (step - first) / ((last - first) or 1)
        share = (value - low) / (high - low) if high > low else 0.5
        return f"{x:.1f},{_HEIGHT - _MARGIN - (_HEIGHT - 2 * _MARGIN) * share:.1f}"

    drawn = "".join(
        f'<polyline fill="none" stroke="{_colour(index)}" stroke-width="1.6" '
        f'points="{" ".join(place(step, float(value or 0)) for step, value in line if _finite(value))}"/>'
        for index, line in enumerate(curve.lines)
    )
    labels = "".join(
        f'<text x="{_WIDTH - 4}" y="{y}" text-anchor="end" font-family="sans-serif" font-size="9" '
        f'fill="{tables.GREY}">{tables.number(value)}</text>'
        for y, value in ((12, high), (_HEIGHT - 5, low))
    )
    frame = (
        f'<rect x="0.5" y="0.5" width="{_WIDTH - 1}" height="{_HEIGHT - 1}" fill="none" '
        f'stroke="{tables.GREY}" stroke-opacity="0.4"/>'
    )
    says = f"{curve.metric}, steps {first} to {last}, {tables.number(low)} to {tables.number(high)}"
    return image(f"{frame}{labels}{drawn}", _WIDTH, _HEIGHT, says=says, hover=True)


def spark(line: Sequence[tuple[int, float | None]]) -> str:
    """Return one run's values as at most 24 bars of text, with the first and the last value."""
    values = [float(value) for _, value in line if value is not None and math.isfinite(value)]
    if not values:
        return "–"
    low, high = min(values), max(values)
    count = min(_SPARK, len(values))
    taken = [values[round(i * (len(values) - 1) / max(count - 1, 1))] for i in range(count)]
    return f"{tables.number(values[0])} {bars(taken, low, high)} {tables.number(values[-1])}"


def _colour(index: int) -> str:
    return SERIES[index % len(SERIES)]


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
