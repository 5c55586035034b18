"""Shows an explanation as text or static HTML, with a bar for each factor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jupyter_mlops import pictures, tables
from jupyter_mlops.text import counted, listed, one_line

if TYPE_CHECKING:
    from jupyter_mlops.replays.why.records import Effect, Explanation, MetricChange

_ORANGE = pictures.SERIES[1]
_WIDTH = 180  # pixels of the longest bars of both directions together
_TEXT_BAR = 12
_MOST_TOLD, _LONGEST = 3, 60
_MOST_DIGITS = 8


def text(found: Explanation) -> str:
    """Return the explanation for a terminal."""
    lines = [_heading(found)]
    change = found.shown_change
    digits = _digits(change)
    most = max((abs(effect.value) for effect in change.effects), default=0.0)
    rows = [
        (
            effect.factor,
            _signed(effect.value, digits),
            _percent(effect.share),
            pictures.part(effect.value * math.copysign(1.0, change.change), most, _TEXT_BAR),
            _told(effect),
        )
        for effect in change.effects
    ]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(4)]
    for name, value, share, bar, what in rows:
        line = f"{name.ljust(widths[0])}  {value.rjust(widths[1])}  {share.rjust(widths[2])}  "
        lines.append(f"{line}{bar.ljust(widths[3])}  {what}".rstrip())
    return "\n".join([*lines, *(f"note: {note}" for note in _notes(found))])


def html(found: Explanation) -> str:
    """Return the explanation as static HTML."""
    change = found.shown_change
    digits = _digits(change)
    rows = "".join(
        f'<tr><th style="text-align: left">{tables.escape(effect.factor)}</th>'
        f'<td style="text-align: right">{_signed(effect.value, digits)}</td>'
        f'<td style="text-align: right; white-space: nowrap">{_percent(effect.share)}</td>'
        f'<td style="text-align: left; white-space: nowrap; min-width: {_WIDTH}px">{_bar_html(effect, change)}</td>'
        f'<td style="text-align: left">{tables.escape(_told(effect))}</td></tr>'
        for effect in change.effects
    )
    notes = "".join(f"<p>note: {tables.escape(note)}</p>" for note in _notes(found))
    return (
        f"<p><b>{tables.escape(_heading(found))}</b></p><table><tbody>{rows}</tbody></table>{notes}"
    )


def _heading(found: Explanation) -> str:
    change = found.shown_change
    digits = _digits(change)
    done = counted(found.replays, "replay")
    if found.known:
        done += f", {found.known} from the cache"
    return (
        f"{change.metric} {_plain(change.before, digits)} → {_plain(change.after, digits)} "
        f"({_signed(change.change, digits)}) · {found.names[0]} → {found.names[1]} · {done} · "
        f"{tables.duration(found.seconds)}"
    )


def _notes(found: Explanation) -> list[str]:
    others = [item.metric for item in found.metrics if item.metric != found.metric]
    if not others:
        return found.notes
    line = f"also changed: {listed(others, _MOST_TOLD)} (--metric NAME, or all in .df)"
    return [*found.notes, line]


def _digits(change: MetricChange) -> int:
    """Return the number of decimals that gives the largest part three digits."""
    parts = [abs(change.change), *(abs(effect.value) for effect in change.effects)]
    largest = max((part for part in parts if part > 0), default=1.0)
    return min(_MOST_DIGITS, max(0, 2 - math.floor(math.log10(largest))))


def _plain(value: float, digits: int) -> str:
    return tables.number(value) if _is_extreme(value) else f"{value:.{digits}f}"


def _signed(value: float, digits: int) -> str:
    if _is_extreme(value):
        return f"{value:+.3g}"
    text = f"{value:+.{digits}f}"
    return text if float(text) else f"{0:.{digits}f}"


def _is_extreme(value: float) -> bool:
    return value != 0 and not 10.0**-_MOST_DIGITS < abs(value) < 1e9


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}".replace("%", " %").replace("-0 ", "0 ")


def _told(effect: Effect) -> str:
    if effect.kind == "same":
        return "(same)"
    line = listed([one_line(item, _LONGEST) for item in effect.what], _MOST_TOLD)
    return f"{line} (within the noise)".strip() if effect.within_noise else line


def _bar_html(effect: Effect, change: MetricChange) -> str:
    """Return a bar: to the right for an effect in the direction of the change, else to the left."""
    sign = math.copysign(1.0, change.change)
    value = sign * effect.value
    colour = _ORANGE if value < 0 else tables.BLUE
    if effect.kind in {"left over", "not swapped"}:
        colour = tables.GREY
    return pictures.part_html(value, [sign * item.value for item in change.effects], colour, _WIDTH)
