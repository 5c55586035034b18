"""A job that is declared once a day fires once a day, also when the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

import pytest

from jupyter_mlops.jobs import cron

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.trials import Trials

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def changes(where: ZoneInfo, first: int, last: int) -> Iterator[datetime]:
    """Yield the moments at which a zone's clocks change, to the minute."""
    moment, end = datetime(first, 1, 1, tzinfo=UTC), datetime(last + 1, 1, 1, tzinfo=UTC)
    while moment < end:
        after = moment + 12 * HOUR
        if offset(where, moment) != offset(where, after):
            low, high = moment, after
            while high - low > timedelta(minutes=1):
                middle = low + (high - low) / 2
                low, high = (
                    (low, middle) if offset(where, middle) != offset(where, low) else (middle, high)
                )
            yield high.replace(second=0, microsecond=0)
        moment = after


def offset(where: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(where).utcoffset() or timedelta()


def walked(expression: str, where: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """Return the ticks in (start, end), each asked for by the one before it."""
    found = []
    moment = start
    while (tick := cron.following(expression, where, moment)) and tick < end:
        found.append(moment := tick)
    back = []
    moment = end
    while (tick := cron.previous(expression, where, moment)) and tick > start:
        back.append(moment := tick)
    assert found == back[::-1], "forward and backward are the same"
    return found


def once_a_day(
    where: ZoneInfo, hour: int, minute: int, start: datetime, end: datetime
) -> list[datetime]:
    """Return one moment for each date, the first of two, computed without cron."""
    first, last = start.date() - 3 * DAY, end.date() + 3 * DAY
    days = [first + n * DAY for n in range((last - first).days)]
    moments = {
        datetime(day.year, day.month, day.day, hour, minute, tzinfo=where).astimezone(UTC)
        for day in days
    }
    return sorted(item for item in moments if start < item < end)


def each_minute(
    where: ZoneInfo, minutes: set[int], start: datetime, end: datetime
) -> list[datetime]:
    """Return the moments at which the clock on the wall shows one of the minutes, computed without cron."""
    moment = start.replace(second=0, microsecond=0) + timedelta(minutes=1)
    found = []
    while moment < end:
        local = moment.astimezone(where)
        if local.minute in minutes and local.second == 0:
            found.append(moment)
        moment += timedelta(minutes=1)
    return found


def compared(names: list[str], first: int, last: int) -> int:
    tried = 0
    for name in names:
        where = ZoneInfo(name)
        for change in changes(where, first, last):
            start, end = change - 2 * DAY - timedelta(seconds=1), change + 2 * DAY
            before = (change - timedelta(minutes=1)).astimezone(where)
            for hour, minute in {(2, 30), (0, 0), ((before.hour + 1) % 24, 30), (before.hour, 30)}:
                expected = once_a_day(where, hour, minute, start, end)
                assert walked(f"{minute} {hour} * * *", where, start, end) == expected, (
                    name,
                    change,
                )
                tried += 1
            near, until = change - 3 * HOUR, change + 3 * HOUR
            for expression, minutes in (("30 * * * *", {30}), ("*/20 * * * *", {0, 20, 40})):
                expected = each_minute(where, minutes, near, until)
                assert walked(expression, where, near, until) == expected, (name, change)
                tried += 1
    return tried


def test_a_daily_job_fires_once_a_day_when_the_clocks_change(trials: Trials) -> None:
    names = [
        "Europe/Prague",
        "America/New_York",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Pacific/Apia",
    ]
    trials("schedules around changes of the clocks", compared(names, 2010, 2012), "each tick once")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_daily_job_fires_once_a_day_in_every_zone(trials: Trials) -> None:
    number = compared(sorted(available_timezones()), 2024, 2027)
    trials(
        "schedules around changes of the clocks, all zones, 2024 to 2027", number, "each tick once"
    )


def test_the_night_with_two_hours_and_the_one_with_none() -> None:
    where = ZoneInfo("Europe/Prague")
    october = walked(
        "30 2 * * *",
        where,
        datetime(2026, 10, 24, 12, tzinfo=UTC),
        datetime(2026, 10, 25, 12, tzinfo=UTC),
    )
    assert [str(item.astimezone(where)) for item in october] == ["2026-10-25 02:30:00+02:00"]
    march = walked(
        "30 2 * * *",
        where,
        datetime(2026, 3, 28, 12, tzinfo=UTC),
        datetime(2026, 3, 29, 12, tzinfo=UTC),
    )
    assert [str(item.astimezone(where)) for item in march] == ["2026-03-29 03:30:00+02:00"]
    both = walked(
        "0 2,3 * * *",
        where,
        datetime(2026, 3, 28, 12, tzinfo=UTC),
        datetime(2026, 3, 29, 12, tzinfo=UTC),
    )
    assert len(both) == 1, "the skipped 2:00 is 3:00, which fires once"


def test_a_job_of_every_second_is_not_slow_in_that_night() -> None:
    where = ZoneInfo("Europe/Prague")
    change = datetime(2026, 10, 25, 1, tzinfo=UTC)
    ticks = cron.between(
        "* * * * * *", where, change - timedelta(seconds=5), change + timedelta(seconds=5)
    )
    assert [tick - change for tick in ticks] == [timedelta(seconds=n) for n in range(-4, 6)]


def test_a_date_of_leap_years_and_one_that_never_comes() -> None:
    after = datetime(2026, 3, 1, tzinfo=UTC)
    assert cron.following("0 0 29 2 *", ZoneInfo("UTC"), after) == datetime(2028, 2, 29, tzinfo=UTC)
    assert cron.previous("0 0 29 2 *", ZoneInfo("UTC"), after) == datetime(2024, 2, 29, tzinfo=UTC)
    for never in ("0 0 30 2 *", "0 0 31 4,6,9,11 *"):
        with pytest.raises(ValueError, match="not a cron expression"):
            cron.parse(never)


@pytest.mark.parametrize(
    "text", ["R R R R R", "r(0-30) * * * *", "0 H * * *", "H/10 * * * *", "0 0,h * * *"]
)
def test_a_random_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="random time"):
        cron.parse(text)


@pytest.mark.parametrize(
    "text", ["0 6 * mar fri", "0 6 * MAR,APR thu", "@hourly", "0 0 L * *", "0 0 * * 5#2"]
)
def test_what_looks_random_and_is_not_is_taken(text: str) -> None:
    assert cron.parse(text) == text
