"""Small static charts without scripts: bars of text, and SVG in an `<img>`.

JupyterLab's sanitiser removes scripts and inline SVG, but not an `<img>` with a data URL.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from jupyter_mlops import tables

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The colours of two compared items, visible on white and on black.
OLD, NEW = "#8c96a3", "#2f80ed"
#: One colour for each of several runs.
SERIES = (tables.BLUE, "#d9733b", tables.GREEN, "#9b59b6", tables.AMBER, tables.GREY)

_RAMP = "▁▂▃▄▅▆▇█"
# Whole pixels for each of 18 bins make the SVG short.
_WIDTH, _HEIGHT = 144, 30
_WIDEST_BAR = 24


def bars(values: Sequence[float], low: float, high: float) -> str:
    """Return values as bars of text, one character each; `low` has the lowest bar."""
    span = (high - low) or 1.0
    return "".join(_RAMP[min(7, int((value - low) / span * 7.999))] for value in values)


def pair_of_bars(
    old: Sequence[float], new: Sequence[float], most: int | None = None
) -> tuple[str, str]:
    """Return two distributions as bars of text on one scale; neighbouring bins are summed to at most `most` bars."""
    every = -(-max(len(old), 1) // most) if most else 1
    both = [[sum(side[i : i + every]) for i in range(0, len(side), every)] for side in (old, new)]
    highest = _highest(*both)
    first, second = ("".join(bars([x], 0, highest) if x else " " for x in side) for side in both)
    return first, second


def pair(old: Sequence[float], new: Sequence[float], *, numeric: bool, says: str) -> str:
    """Return two distributions in one image: areas for bins of numbers, pairs of bars for categories.

    Args:
        old: the share of each bin or category in the first distribution.
        new: the same for the second distribution.
        numeric: whether the bins are of numbers.
        says: alternative text of the image.
    """
    highest, step = _highest(old, new), _WIDTH / max(len(old), 1)
    if numeric and len(old) > 1:
        shapes = (
            f'<path fill="{OLD}" fill-opacity=".55" d="{_steps(old, highest, step)}z"/>'
            f'<path fill="{NEW}" fill-opacity=".12" stroke="{NEW}" d="{_steps(new, highest, step)}"/>'
        )
    else:
        width = min(step * 0.4, _WIDEST_BAR)
        middles = [(i + 0.5) * step for i in range(len(old))]
        shapes = (
            f'<path fill="{OLD}" d="{_columns(old, [at - width for at in middles], width, highest)}"/>'
            f'<path fill="{NEW}" d="{_columns(new, middles, width, highest)}"/>'
        )
    return image(shapes, _WIDTH, _HEIGHT, says=says)


def image(shapes: str, width: int, height: int, *, says: str, hover: bool = False) -> str:
    """Return SVG shapes as an HTML image; `says` is its alternative text, with `hover` also its title."""
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">{shapes}</svg>'
    data = base64.b64encode(svg.encode()).decode()
    words = tables.escape(says)
    title = f' title="{words}"' if hover else ""
    return (
        f'<img width="{width}" height="{height}" alt="{words}"{title} '
        f'src="data:image/svg+xml;base64,{data}">'
    )


def key(colour: str) -> str:
    """Return a small square of a colour, for a legend."""
    style = f"display:inline-block;width:10px;height:10px;border-radius:2px;background:{colour}"
    return f'<span style="{style}"></span>'


def part(value: float, most: float, longest: int) -> str:
    """Return a bar of text with a length proportional to `value`; small squares if negative."""
    return ("▪" if value < 0 else "█") * round(longest * abs(value) / most) if most else ""


def part_html(value: float, values: Sequence[float], colour: str, width: int) -> str:
    """Return a bar to the right for a positive value, to the left for a negative one.

    Args:
        value: the bar's value.
        values: the values of all bars, which share one scale and one zero.
        colour: the bar's colour.
        width: total pixels of the longest bars of both directions.
    """
    left = -min(0.0, *values)
    room = max(0.0, *values) + left
    scale = width / room if room else 0.0
    zero, length = round(scale * left), round(scale * abs(value))
    before = zero - length if value < 0 else zero
    return (
        f'<span style="display: inline-block; width: {before}px"></span>'
        f'<span style="display: inline-block; height: 10px; width: {length}px; '
        f'background: {colour}"></span>'
    )


def _highest(old: Sequence[float], new: Sequence[float]) -> float:
    return max([*old, *new, 1e-9])


def _steps(shares: Sequence[float], highest: float, step: float) -> str:
    path = [f"M0 {_HEIGHT}"]
    path += [f"V{_top(share / highest)}h{step:.4g}" for share in shares]
    return "".join([*path, f"V{_HEIGHT}"])


def _columns(shares: Sequence[float], lefts: list[float], width: float, highest: float) -> str:
    return "".join(
        f"M{left:.4g} {_HEIGHT}V{_top(share / highest)}h{width:.3g}V{_HEIGHT}z"
        for share, left in zip(shares, lefts, strict=True)
        if share
    )


def _top(share: float) -> int:
    return _HEIGHT - round(share * (_HEIGHT - 2))
