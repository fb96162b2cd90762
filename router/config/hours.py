"""The ``hours:`` block: when somebody is there."""

from __future__ import annotations

import re
from datetime import date, timedelta, tzinfo
from itertools import combinations, islice
from pathlib import Path

from router.config import scalars
from router.config.dates import DateReader
from router.config.fields import Fields, check_name
from router.config.files import Files
from router.config.located import Block, Items, Text, Value
from router.config.problems import Problems, nearest
from router.hours import DAY, EVERY_DAY, NEVER, Dates, Hours, Interval

_KEYS = ("intervals", "except", "timezone")
_INTERVAL_KEYS = ("days", "dates", "from", "to", "except")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: Words people write for several days.
_SEVERAL = {"daily": "mon-sun", "always": "mon-sun", "weekdays": "mon-fri", "weekday": "mon-fri", "weekend": "sat-sun"}
_EXAMPLE = '{days: mon-fri, from: "09:00", to: "17:00"}'
_LIST_HINT = f"write a list, for example [{_EXAMPLE}]"
#: Days looked at for overlaps, of each interval with dates.
_LOOKED_AT = 400
#: Any week will do where there are no dates; this year has a 29 February.
_WEEK = [date(2028, 1, 3) + timedelta(days=n) for n in range(7)]


class HoursReader:
    """Reads hours by their names. *zone* is theirs where they name none; calendar files are looked for in *folder*."""

    def __init__(self, zone: tzinfo, folder: Path, files: Files, problems: Problems) -> None:
        self._zone = zone
        self._dates = DateReader(folder, files, problems)
        self._problems = problems

    def read(self, root: Fields) -> dict[str, Hours]:
        """Return all hours under the key ``hours``, as far as they could be read."""
        block = root.block("hours")
        if block is None:
            return {}
        if not block:
            self._problems.error(root.key("hours"), '"hours" is empty', "name some, or remove the key")
        found = {}
        for name, value in block.items():
            key = block.key(name)
            check_name("set of hours", key, self._problems)
            hours = self._hours(f'hours "{name}"', key, value)
            if hours is not None:
                found[str(name)] = hours
        return found

    def _hours(self, where: str, key: Text, value: Value) -> Hours | None:
        zone, closed, entries = self._zone, NEVER, value
        if isinstance(value, Block) and not set(value) & {"days", "dates", "from", "to"}:
            fields = Fields(value, self._problems, where=where, known=_KEYS)
            zone = fields.read("timezone", scalars.timezone, self._zone)
            closed = self._dates.read(fields, "except", where)
            if not fields.require("intervals", key, _LIST_HINT):
                return None
            key, entries = fields.key("intervals"), value["intervals"]
        if not isinstance(entries, Items):
            if not getattr(entries, "unset", None):
                at = key if getattr(entries, "null", False) else entries
                self._problems.error(at, f"{where} needs a list of intervals", _LIST_HINT)
            return None
        if not entries:
            self._problems.error(key, f"{where} has no interval, so it would never hold", _LIST_HINT)
        read = [(entry, self._interval(where, entry, closed)) for entry in entries]
        intervals = [(entry, interval) for entry, interval in read if interval is not None]
        self._warn_of_overlaps(where, intervals)
        return Hours(zone, tuple(interval for _, interval in intervals))

    def _interval(self, where: str, entry: Value, closed: Dates) -> Interval | None:
        if not isinstance(entry, Block):
            self._problems.error(entry, f"an interval of {where} is a block of keys", f"write {_EXAMPLE}")
            return None
        where = f"an interval of {where}"
        errors = self._problems.errors
        fields = Fields(entry, self._problems, where=where, known=_INTERVAL_KEYS)
        days = fields.each("days", weekdays)
        dates = self._dates.read(fields, "dates", where) if "dates" in entry else None
        if "days" not in entry and "dates" not in entry and self._problems.errors == errors:
            text = f"{where} says neither days nor dates"
            self._problems.error(entry, text, "write days: mon-fri, or days: mon-sun for every day")
        fields.require("from", entry, 'write for example from: "09:00"')
        fields.require("to", entry, 'write for example to: "17:00"')
        start, stop = fields.read("from", beginning), fields.read("to", time_of_day)
        closed |= self._dates.read(fields, "except", where)
        if start is None or stop is None or self._problems.errors > errors:
            return None
        if start == stop:
            text = f'{where} begins and ends at "{entry["from"]}"'
            self._problems.error(entry["to"], text, 'a whole day is from: "00:00", to: "24:00"')
            return None
        if dates is not None:
            self._warn_of_the_closed(dates, closed, entry)
        named = frozenset().union(*days) if "days" in entry else EVERY_DAY
        return Interval(start, stop if stop > start else stop + DAY, named, dates, closed)

    def _warn_of_the_closed(self, dates: Dates, closed: Dates, entry: Block) -> None:
        both = [first for first, last in dates.ranges if first == last and first in closed]
        if both:
            others = f", as are {len(both) - 1} more" if len(both) > 1 else ""
            text = f"{both[0]} has hours of its own here and is closed all the same{others}: except stands above dates"
            self._problems.warning(entry.key("dates"), text, "take the day out of one of the two")

    def _warn_of_overlaps(self, where: str, intervals: list[tuple[Block, Interval]]) -> None:
        weekly = [each for each in intervals if each[1].dates is None]
        dated = [each for each in intervals if each[1].dates is not None]
        self._warn_on(_WEEK, where, weekly)
        self._warn_on(sorted({day for _, each in dated for day in _days_of(each)}), where, dated)

    def _warn_on(self, days: list[date], where: str, intervals: list[tuple[Block, Interval]]) -> None:
        told: set[tuple[int, int]] = set()
        for day in days:
            spans = sorted(
                (each.start - back * DAY, each.stop - back * DAY, n)
                for n, (_, each) in enumerate(intervals)
                for back in (0, 1)
                if each.names(day - timedelta(days=back))
            )
            for (_, stop, one), (start, _, other) in combinations(spans, 2):
                earlier, later = sorted((one, other))
                # Two lines are told of once, on however many days they overlap.
                if start < stop and (earlier, later) not in told:
                    told.add((earlier, later))
                    self._warn_of_two(where, intervals[earlier][0], intervals[later][0], day)

    def _warn_of_two(self, where: str, first: Block, second: Block, day: date) -> None:
        on = day.isoformat() if "dates" in second else _DAYS[day.weekday()]
        line = first.place.line
        other = f"the one at line {line}" if line != second.place.line else "another in this line"
        text = f"this interval of {where} overlaps {other} ({on})"
        self._problems.warning(second, text, "both hold as one; correct a time, or join them")


def _days_of(interval: Interval) -> set[date]:
    dates = interval.dates or NEVER
    listed = (
        first + timedelta(days=n)
        for first, last in dates.ranges
        for n in range(min((last - first).days + 1, _LOOKED_AT))
    )
    return {*islice(listed, _LOOKED_AT), *(date(2028, month, day) for month, day in dates.yearly)}


def weekdays(value: str) -> frozenset[int]:
    """Return the days of the week (Monday is 0) of ``mon`` or ``mon-fri``; ``fri-mon`` goes over the weekend."""
    if value in _DAYS:
        return frozenset({_DAYS.index(value)})
    first, _, last = value.partition("-")
    if first in _DAYS and last in _DAYS and first != last:
        begin, end = _DAYS.index(first), _DAYS.index(last)
        return frozenset((begin + n) % 7 for n in range((end - begin) % 7 + 1))
    raise ValueError(f'"{value}" is no day of the week; {_days_meant(value)}')


def _days_meant(value: str) -> str:
    if re.search(r"[\w][,; ]+[\w]", value) and "-" not in value:
        return f"write a list: [{', '.join(re.split(r'[,; ]+', value))}]"
    parts = [part.strip().lower() for part in re.split(r"-|–|\.\.| to ", value)]  # people write it so
    meant = [part[:3] if part[:3] in _DAYS else nearest(part, _DAYS) for part in parts]
    if value.lower() in _SEVERAL:
        return f'did you mean "{_SEVERAL[value.lower()]}"?'
    if len(meant) in (1, 2) and all(meant):
        return f'did you mean "{"-".join(dict.fromkeys(filter(None, meant)))}"?'
    return f"allowed are {', '.join(_DAYS)}, and ranges such as mon-fri"


def time_of_day(value: str) -> int:
    """Return seconds since midnight: ``09:30``, up to ``24:00``."""
    parts = re.fullmatch(r"([0-9]{1,2})[:.h]([0-9]{2})", value)
    seconds = int(parts[1]) * 3600 + int(parts[2]) * 60 if parts and int(parts[2]) < 60 else DAY + 1
    if parts is None or seconds > DAY:
        raise ValueError(f'"{value}" is no time of day; write hours and minutes, from "00:00" to "24:00"')
    written = f"{int(parts[1]):02}:{parts[2]}"
    if value != written:
        raise ValueError(f'"{value}" is no time of day; did you mean "{written}"?')
    return seconds


def beginning(value: str) -> int:
    """Return the same of a time at which something can begin."""
    seconds = time_of_day(value)
    if seconds == DAY:
        raise ValueError('nothing begins at "24:00", the end of a day; write "00:00" and the day after')
    return seconds
