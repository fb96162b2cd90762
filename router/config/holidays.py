"""Days out of a calendar file (.ics): its whole-day events, those that come again included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice, takewhile
from typing import Any

from router.hours import Dates

#: An event as icalendar gives it: a mapping of whatever the file says, which no type can narrow.
Event = Any

#: No call is older.
_FIRST = date(1970, 1, 1)
#: What comes again for ever is worked out until here.
_LAST = date(2099, 12, 31)
#: What comes again more often is no holiday.
_MOST_TIMES = 5000
_ONE_DAY = timedelta(days=1)
_BEGIN, _END = (re.compile(rf"^{word}:", re.IGNORECASE | re.MULTILINE) for word in ("BEGIN", "END"))
#: Where these are not understood, an event's days are not known.
_NEEDED = frozenset({"DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID"})


@dataclass(frozen=True, slots=True)
class Holidays:
    """What a calendar file says: its days, and which of its events are not about whole days."""

    dates: Dates
    #: How people call the events with a time of day, in the order of the file.
    with_a_time: tuple[str, ...]


def read_holidays(content: bytes) -> Holidays:
    """Return the whole-day events of the calendar that *content* is; cancelled ones are left out.

    Raises ValueError with a sentence when it is no calendar, or one of its events cannot be understood.
    """
    events = _events(content)
    # One day of a repeated event that was moved or changed has an event of its own.
    moved = {
        (str(event.get("UID")), _day(_first(event, "RECURRENCE-ID"))) for event in events if "RECURRENCE-ID" in event
    }
    ranges: dict[tuple[date, date], None] = {}
    with_a_time = []
    for event in events:
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        if "DTSTART" not in event:
            raise ValueError(f"{_called(event)} does not say when it is")
        begin = _first(event, "DTSTART")
        if not isinstance(begin, date) or isinstance(begin, datetime):
            with_a_time.append(_called(event))
            continue
        length = _length(event, begin)
        for day in _beginnings(event, begin):
            last = day + (length - _ONE_DAY)
            if last >= _FIRST and ("RECURRENCE-ID" in event or (str(event.get("UID")), day) not in moved):
                ranges[max(day, _FIRST), last] = None
    return Holidays(Dates(tuple(ranges)), tuple(with_a_time))


def _events(content: bytes) -> list[Event]:
    from icalendar import Calendar  # noqa: PLC0415  # most configurations name no calendar and need not wait for it

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    if "BEGIN:VCALENDAR" not in text.upper():
        raise ValueError("it is no calendar: there is no BEGIN:VCALENDAR in it")
    if len(_BEGIN.findall(text)) != len(_END.findall(text)):
        # The library would leave out what is not finished, and with it a holiday.
        raise ValueError("it is not whole: a BEGIN in it has no END, or an END no BEGIN")
    try:
        calendars = Calendar.from_ical(text, multiple=True)
    except (ValueError, IndexError, KeyError) as ex:
        raise ValueError(f"it is no calendar ({_plain(ex)})") from None
    events = [event for calendar in calendars for event in calendar.walk("VEVENT")]
    for event in events:
        for name, reason in event.errors:
            if name is None or str(name).upper() in _NEEDED:
                raise ValueError(f"{name or 'a line'} of {_called(event)} is not understood ({_plain(reason)})")
    return events


def _called(event: Event) -> str:
    name = _plain(event.get("SUMMARY") or event.get("UID") or "")
    return f'"{name}"' if name else "an event without a name"


def _plain(text: object) -> str:
    """Return *text* for a message: on one line, not endless, and without what moves a terminal's cursor."""
    return "".join(char if char.isprintable() else "\ufffd" for char in str(text))[:80]


def _length(event: Event, begin: date) -> timedelta:
    """Return for how many whole days an event lasts; where it does not say, or says none, it is one."""
    if "DTEND" in event:
        length = _day(_first(event, "DTEND")) - begin
    elif isinstance(duration := _first(event, "DURATION"), timedelta):
        length = timedelta(days=duration.days)
    else:
        length = _ONE_DAY
    return max(min(length, _LAST - begin), _ONE_DAY)


def _beginnings(event: Event, begin: date) -> Iterator[date]:
    """Yield every day on which the event begins, without those it excepts."""
    excepted = set(_listed(event, "EXDATE"))
    days = {begin, *_listed(event, "RDATE")}
    for rule in _all(event, "RRULE"):
        days.update(_repeated(rule, begin, _called(event)))
    yield from sorted(days - excepted)


def _repeated(rule: Any, begin: date, called: str) -> list[date]:
    from dateutil.rrule import rrulestr  # noqa: PLC0415  # needed for repeated events alone
    from icalendar import vRecur  # noqa: PLC0415  # loaded already, where there is an event

    if rule.get("FREQ") not in (["YEARLY"], ["MONTHLY"], ["WEEKLY"], ["DAILY"]):
        raise ValueError(f"{called} comes again within a day, which whole days cannot")
    # dateutil refuses an end with a time zone where the beginning has none, and many calendars write it so.
    until = min([_LAST, *map(_day, rule.get("UNTIL", ()))])
    rest: Any = vRecur({key: value for key, value in rule.items() if key != "UNTIL"})
    try:
        moments = rrulestr(rest.to_ical().decode(), dtstart=datetime(begin.year, begin.month, begin.day))  # noqa: DTZ001  # a day has no zone
        days = (moment.date() for moment in moments)
        found = list(islice(takewhile(lambda day: day <= until, days), _MOST_TIMES + 1))
    except (ValueError, OverflowError) as ex:
        raise ValueError(f"RRULE of {called} is not understood ({_plain(ex)})") from None
    if len(found) > _MOST_TIMES:
        raise ValueError(f"{called} comes again more than {_MOST_TIMES} times until {until}, which no holiday does")
    return found


def _listed(event: Event, name: str) -> Iterator[date]:
    for several in _all(event, name):
        yield from (_day(each.dt) for each in several.dts)


def _first(event: Event, name: str) -> Any:
    """Return the date, moment or duration under *name*, None where there is none."""
    found = _all(event, name)
    return found[0].dt if found else None


def _all(event: Event, name: str) -> list[Any]:
    value = event.get(name, [])
    return value if isinstance(value, list) else [value]


def _day(moment: Any) -> date:
    if isinstance(moment, tuple):
        moment = moment[0]
    if isinstance(moment, datetime):
        return moment.date()
    if isinstance(moment, date):
        return moment
    raise ValueError(f'"{moment}" stands where a date belongs')
