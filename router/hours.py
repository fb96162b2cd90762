"""When somebody is there: intervals of the wall clock, with their exceptions. Pure; moments are seconds since 1970.

A moment is inside when the clock on the wall shows a time inside. An interval that the change to summer time skips is
skipped, in whole or in part, and one that the change back repeats holds in both rounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, tzinfo

from router import clock

#: Seconds of a day on the wall: clock changes do not show there.
DAY = 86400
#: How far ahead an opening is looked for.
_HORIZON = 2 * 366 * DAY
#: Days to remember; a worker asks about today, a reading of last month about thirty.
_REMEMBERED = 64
_DAY_0 = date(1970, 1, 1).toordinal()

#: Every day of the week; Monday is 0.
EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class Dates:
    """A set of days."""

    #: First and last day of each stretch; a single day is both.
    ranges: tuple[tuple[date, date], ...] = ()
    #: Month and day of what comes every year; 29 February only in leap years.
    yearly: frozenset[tuple[int, int]] = frozenset()

    def __contains__(self, day: date) -> bool:
        return (day.month, day.day) in self.yearly or any(first <= day <= last for first, last in self.ranges)

    def __or__(self, other: Dates) -> Dates:
        return Dates(self.ranges + other.ranges, self.yearly | other.yearly)


#: No day at all.
NEVER = Dates()


@dataclass(frozen=True, slots=True)
class Interval:
    """From one time of day to another, on some days. What begins on a day belongs to it, also beyond midnight."""

    #: Seconds of the wall clock since the midnight at which the day begins; ``stop`` is no longer inside, and beyond
    #: 86400 it is on the next day. At most 24 hours apart.
    start: int
    stop: int
    weekdays: frozenset[int] = EVERY_DAY
    #: The days it is limited to; None: it comes every week.
    dates: Dates | None = None
    closed: Dates = NEVER

    def names(self, day: date) -> bool:
        """Return whether it is meant for *day*, closed or not."""
        return day.weekday() in self.weekdays and (self.dates is None or day in self.dates)


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours of one name. ``zone`` says whose wall the clock hangs on."""

    zone: tzinfo
    intervals: tuple[Interval, ...]
    _days: dict[int, tuple[tuple[int, int], ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def holds(self, moment: float) -> bool:
        """Return whether *moment* is inside, to the second: the first of an interval is, the one it ends at is not."""
        local = clock.local(math.floor(moment), self.zone)
        second = local.hour * 3600 + local.minute * 60 + local.second
        return any(start <= second < stop for start, stop in self._spans(local.toordinal() - _DAY_0))

    def next_opening(self, moment: float) -> float | None:
        """Return the first moment from *moment* on that is inside: itself if it is; None: not in two years."""
        if self.holds(moment):
            return moment
        begin = math.floor(moment)
        for start, stop, offset in _steady(begin, begin + _HORIZON, self.zone):
            wall, wall_stop = start + offset, stop + offset
            for day in range(wall // DAY, (wall_stop - 1) // DAY + 1):
                for opens, closes in self._spans(day):
                    inside = max(day * DAY + opens, wall)
                    if inside < min(day * DAY + closes, wall_stop):
                        return float(inside - offset)
        return None

    def _spans(self, day: int) -> tuple[tuple[int, int], ...]:
        """Return what is inside of a day, counted from 1970: seconds since its midnight, earliest first."""
        found = self._days.get(day)
        if found is None:
            if len(self._days) >= _REMEMBERED:
                self._days.clear()
            found = self._days[day] = self._worked_out(date.fromordinal(day + _DAY_0))
        return found

    def _worked_out(self, day: date) -> tuple[tuple[int, int], ...]:
        before = date.fromordinal(day.toordinal() - 1)
        spans = [(each.start, min(each.stop, DAY)) for each in beginning(self.intervals, day)]
        spans += [(0, each.stop - DAY) for each in beginning(self.intervals, before) if each.stop > DAY]
        return tuple(sorted(spans))


def beginning(intervals: tuple[Interval, ...], day: date) -> list[Interval]:
    """Return those of *intervals* that begin on *day*.

    Where one with dates names the day, it takes the place of all that come every week. What is closed does not begin.
    """
    named = [each for each in intervals if each.names(day)]
    special = [each for each in named if each.dates is not None]
    return [each for each in special or named if day not in each.closed]


def names_that_hold(hours: Mapping[str, Hours], moment: float) -> list[str]:
    """Return the sorted names of all *hours* that *moment* is inside of."""
    return sorted(name for name, each in hours.items() if each.holds(moment))


def _steady(begin: int, end: int, zone: tzinfo) -> Iterator[tuple[int, int, int]]:
    """Yield stretches of time, each with its start, its end and the seconds by which the wall clock is ahead of UTC."""
    start, offset = begin, _offset(begin, zone)
    while start < end:
        stop = start + DAY
        if _offset(stop, zone) != offset:
            stop = _changed(start, stop, zone)
        yield start, stop, offset
        start, offset = stop, _offset(stop, zone)


def _changed(low: int, high: int, zone: tzinfo) -> int:
    """Return the first second of the new time, where the clock is changed between *low* and *high*."""
    before = _offset(low, zone)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(middle, zone) == before else (low, middle)
    return high


def _offset(moment: int, zone: tzinfo) -> int:
    offset = clock.local(moment, zone).utcoffset()
    return round(offset.total_seconds()) if offset is not None else 0
