"""Ticks of a cron expression in a time zone with daylight saving time.

An expression that names hours ("30 2 * * *") means times of day: each fires once a day. When the clocks go back, it
fires in the first of the two equal hours. When they go forward, a skipped time fires later by the size of the change.
An expression for every hour ("30 * * * *", "*/10 * * * *") means an interval: it fires in both equal hours and not in
the skipped hour. cron itself does this (Vixie cron, Debian); croniter does not.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jupyter_mlops.text import cut, error_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

#: In characters. croniter's running time grows with the length.
LONGEST = 200
# croniter's H and R mean a random time, which differs in each process.
_RANDOM = re.compile(r"(?:^|[\s,])[hr](?:[\s,(/]|$)", re.IGNORECASE)
#: Range of effect of a clock change: of a change by hours, and of a change by a day (Samoa).
_NEAR, _FAR = timedelta(hours=3), timedelta(hours=26)
_INSTANT = timedelta(microseconds=1)
_MOST_STEPS = 100_000


def parse(text: str) -> str:
    """Return a cron expression of 5 fields (or 6, the last one seconds), or an alias such as `@daily`.

    Raises:
        ValueError: the text is not a cron expression, or never fires.
    """
    if len(text) > LONGEST:
        raise ValueError(f"'{cut(text, 30)}' is longer than {LONGEST} characters")
    text = " ".join(text.split())
    if not text.isascii() or not text.isprintable():
        raise ValueError(f"{text!a} has characters that no cron expression has")
    if not text.startswith("@") and len(text.split(" ")) not in {5, 6}:
        raise ValueError(
            f"'{text}' has {len(text.split(' '))} fields, not 5 (minute hour day month weekday)"
        )
    if _RANDOM.search(text):
        raise ValueError(f"'{text}' contains a random time (H or R); write a fixed one")
    try:
        _iterator(text, datetime.now()).get_next(datetime)  # noqa: DTZ005 - only checks that a tick exists
    except Exception as error:  # croniter raises many exception types, some by mistake
        raise ValueError(f"'{text}' is not a cron expression{_reason(error, text)}") from None
    return text


def _reason(error: Exception, text: str) -> str:
    """Return croniter's reason for the end of a line; empty if it only repeats the expression."""
    line = error_line(error).replace(f"[{text}] is not acceptable", "").strip(" ,.:")
    return f": {line}" if line else ""


def zone(name: str) -> tzinfo:
    """Return the time zone with that name; an empty name means this machine's.

    Raises:
        ValueError: there is no such zone.
    """
    from zoneinfo import ZoneInfo

    from dateutil import tz  # comes with pandas

    if not name:
        local: tzinfo = tz.tzlocal()
        return local
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(
            f"unknown time zone {printable(name)} (an example: Europe/Prague)"
        ) from None


def between(cron: str, where: tzinfo, after: datetime, until: datetime) -> list[datetime]:
    """Return the ticks in (after, until], sorted, in UTC; the span is a few hours at most."""
    found: set[datetime] = set()
    for offset in _offsets(where, after, until):
        start = _wall(after, offset)
        ticks = _iterator(cron, start)
        while (wall := ticks.get_next(datetime)) <= _wall(until, offset):
            found.update(_instants(cron, where, wall))
    return sorted(tick for tick in found if after < tick <= until)


def previous(cron: str, where: tzinfo, before: datetime) -> datetime | None:
    """Return the last tick before a moment, in UTC, or None if there was none in 50 years."""
    start = _wall(before, max(_offsets(where, before, before)))
    searched = before  # no result at or after this time
    for wall in _walk(cron, start, forward=False):
        moments = _instants(cron, where, wall)
        if moments and min(moments) >= searched:
            continue  # else each second of that hour would search the same range again
        reach = _reach(where, wall)
        for moment in sorted(moments, reverse=True):
            if not reach and moment < before:
                return moment
        if reach:
            middle = _as_utc(where, wall, 0)
            latest = min(before - _INSTANT, middle + reach)
            if found := between(cron, where, middle - reach, latest):
                return found[-1]
            searched = min(searched, middle - reach)
    return None


def following(cron: str, where: tzinfo, after: datetime) -> datetime | None:
    """Return the first tick after a moment, in UTC, or None if there is none in 50 years."""
    start = _wall(after, min(_offsets(where, after, after)))
    searched = after  # no result at or before this time
    for wall in _walk(cron, start, forward=True):
        moments = _instants(cron, where, wall)
        if moments and max(moments) <= searched:
            continue
        reach = _reach(where, wall)
        for moment in sorted(moments):
            if not reach and moment > after:
                return moment
        if reach:
            middle = _as_utc(where, wall, 0)
            if found := between(cron, where, max(after, middle - reach), middle + reach):
                return found[0]
            searched = max(searched, middle + reach)
    return None


def _walk(cron: str, start: datetime, *, forward: bool) -> Iterator[datetime]:
    from croniter import CroniterBadDateError

    ticks = _iterator(cron, start)
    try:
        for _ in range(_MOST_STEPS):
            yield ticks.get_next(datetime) if forward else ticks.get_prev(datetime)
    except (CroniterBadDateError, OverflowError, ValueError):
        return


def _instants(cron: str, where: tzinfo, wall: datetime) -> set[datetime]:
    """Return the UTC instants of a local (wall clock) time."""
    if not _every_hour(cron):
        return {_as_utc(where, wall, 0)}
    moments = {_as_utc(where, wall, fold) for fold in (0, 1)}
    return {item for item in moments if item.astimezone(where).replace(tzinfo=None) == wall}


def _offsets(where: tzinfo, after: datetime, until: datetime) -> set[timedelta]:
    """Return the zone's UTC offsets in a span, and shortly before and after it."""
    moments = (after - _FAR, after - _NEAR, after, until, until + _NEAR)
    return {moment.astimezone(where).utcoffset() or timedelta() for moment in moments}


def _reach(where: tzinfo, wall: datetime) -> timedelta:
    """Return the range of effect of a clock change near a time; zero if there is none."""
    middle = _as_utc(where, wall, 0)
    for reach in (_NEAR, _FAR):
        moments = (middle - reach, middle, middle + reach)
        offsets = [moment.astimezone(where).utcoffset() or timedelta() for moment in moments]
        change = max(offsets) - min(offsets)
        if change and (reach == _NEAR or change > _NEAR):
            return reach
    return timedelta()


def _as_utc(where: tzinfo, wall: datetime, fold: int) -> datetime:
    return wall.replace(tzinfo=where, fold=fold).astimezone(UTC)


def _wall(moment: datetime, offset: timedelta) -> datetime:
    return (moment.astimezone(UTC) + offset).replace(tzinfo=None)


@lru_cache(256)
def _every_hour(cron: str) -> bool:
    from croniter import croniter

    hours = croniter.expand(cron)[0][1]
    return "*" in hours or len(set(hours)) == 24


def _iterator(cron: str, start: datetime) -> Any:
    from croniter import croniter

    return croniter(cron, start)
