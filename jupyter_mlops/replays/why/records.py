"""What `run why` says: how much of a metric's change each factor explains, as text, bars and a frame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from jupyter_mlops import tables
from jupyter_mlops.records import Record

if TYPE_CHECKING:
    import pandas as pd

_BLUE, _ORANGE, _GREY = "#2a7fc9", "#d9733b", "#9aa0a6"
_WIDTH = 180  # pixels of the longest bars of both directions together
_TEXT_BAR = 12
_MOST_TOLD, _LONGEST = 3, 60
_MOST_DIGITS = 8


class Effect(Record):
    """One factor's part of a metric's change.

    `kind` is `swapped` (measured by replays), `together` (factors that only run together), `same`,
    `not swapped` (what replays could not put in place), `left over` (interaction, and what replays
    did not bring back). `share` is the part of the change, None where the metric did not change.
    """

    factor: str
    value: float
    share: float | None = None
    kind: Literal["swapped", "together", "same", "not swapped", "left over"] = "swapped"
    what: list[str] = []
    within_noise: bool = False


class MetricChange(Record):
    """One metric of both runs, and its change in parts, which add up to it.

    `noise` is how far the replays of the two runs themselves were off.
    """

    metric: str
    before: float
    after: float
    effects: list[Effect]
    noise: float = 0.0

    @property
    def change(self) -> float:
        """The second run's value minus the first's."""
        return self.after - self.before


class Explanation(Record):
    """The difference between two runs, factor by factor, for every metric that changed.

    `metric` is the one that is shown. `replays` were executed now, `known` were known from before.
    """

    runs: list[str]
    names: list[str]
    metric: str
    metrics: list[MetricChange]
    exact: bool = False
    replays: int = 0
    known: int = 0
    seconds: float = 0.0
    notes: list[str] = []

    @property
    def shown_change(self) -> MetricChange:
        """The change of the metric that is shown."""
        return next(item for item in self.metrics if item.metric == self.metric)

    @property
    def df(self) -> pd.DataFrame:
        """One row for each metric and factor."""
        import pandas as pd

        return pd.DataFrame(
            {"metric": item.metric, **effect.model_dump()}
            for item in self.metrics
            for effect in item.effects
        )

    def __str__(self) -> str:
        lines = [self._heading()]
        change = self.shown_change
        digits = _digits(change)
        most = max((abs(effect.value) for effect in change.effects), default=0.0)
        rows = [
            (
                effect.factor,
                _signed(effect.value, digits),
                _percent(effect.share),
                _bar(effect.value * math.copysign(1.0, change.change), most),
                _told(effect),
            )
            for effect in change.effects
        ]
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(4)]
        for name, value, share, bar, told in rows:
            line = f"{name.ljust(widths[0])}  {value.rjust(widths[1])}  {share.rjust(widths[2])}  "
            lines.append(f"{line}{bar.ljust(widths[3])}  {told}".rstrip())
        return "\n".join([*lines, *(f"note: {note}" for note in self._notes())])

    def _repr_html_(self) -> str:
        change = self.shown_change
        digits = _digits(change)
        rows = "".join(
            f'<tr><th style="text-align: left">{tables.escape(effect.factor)}</th>'
            f'<td style="text-align: right">{_signed(effect.value, digits)}</td>'
            f'<td style="text-align: right; white-space: nowrap">{_percent(effect.share)}</td>'
            f'<td style="text-align: left; white-space: nowrap; min-width: {_WIDTH}px">{_bar_html(effect, change)}</td>'
            f'<td style="text-align: left">{tables.escape(_told(effect))}</td></tr>'
            for effect in change.effects
        )
        notes = "".join(f"<p>note: {tables.escape(note)}</p>" for note in self._notes())
        return (
            f"<p><b>{tables.escape(self._heading())}</b></p>"
            f"<table><tbody>{rows}</tbody></table>{notes}"
        )

    def _heading(self) -> str:
        change = self.shown_change
        digits = _digits(change)
        done = f"{self.replays} replay{'' if self.replays == 1 else 's'}"
        if self.known:
            done += f", {self.known} known already"
        return (
            f"{change.metric} {_plain(change.before, digits)} → {_plain(change.after, digits)} "
            f"({_signed(change.change, digits)}) · {self.names[0]} → {self.names[1]} · {done} · "
            f"{tables.duration(self.seconds)}"
        )

    def _notes(self) -> list[str]:
        others = [item.metric for item in self.metrics if item.metric != self.metric]
        if not others:
            return self.notes
        more = "" if len(others) <= _MOST_TOLD else f" and {len(others) - _MOST_TOLD} more"
        line = (
            f"also changed: {', '.join(others[:_MOST_TOLD])}{more} (--metric NAME, or all in .df)"
        )
        return [*self.notes, line]


def _digits(change: MetricChange) -> int:
    """Return the decimals with which the largest part has three digits."""
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
    more = len(effect.what) - _MOST_TOLD
    parts = [_short(item) for item in effect.what[:_MOST_TOLD]]
    line = ", ".join(parts) + (f" and {more} more" if more > 0 else "")
    return f"{line} (within the noise)".strip() if effect.within_noise else line


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _bar(value: float, most: float) -> str:
    """Return a bar of text; of small squares for what goes against the change."""
    return ("▪" if value < 0 else "█") * round(_TEXT_BAR * abs(value) / most) if most else ""


def _bar_html(effect: Effect, change: MetricChange) -> str:
    """Return a bar to the right for what goes with the change, to the left for what goes against."""
    sign = math.copysign(1.0, change.change)
    lengths = [sign * item.value for item in change.effects]
    room = max(0.0, *lengths) - min(0.0, *lengths)
    scale = _WIDTH / room if room else 0.0
    zero = round(scale * -min(0.0, *lengths))
    length = round(scale * abs(effect.value))
    against = sign * effect.value < 0
    before = zero - length if against else zero
    colour = _GREY if effect.kind in {"left over", "not swapped"} else _ORANGE if against else _BLUE
    return (
        f'<span style="display: inline-block; width: {before}px"></span>'
        f'<span style="display: inline-block; height: 10px; width: {length}px; '
        f'background: {colour}"></span>'
    )
