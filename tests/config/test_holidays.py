"""Calendar files (.ics) as calendars export them, and the days they name."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pytest

from router.config.holidays import read_holidays


def calendar(*events: str) -> bytes:
    inside = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{inside}END:VCALENDAR\n".encode()


def ranges(*events: str) -> list[tuple[str, str]]:
    found = read_holidays(calendar(*events)).dates.ranges
    return [(first.isoformat(), last.isoformat()) for first, last in found]


def firsts(*events: str) -> list[str]:
    return [first for first, _ in ranges(*events)]


@pytest.mark.parametrize(
    ("event", "last"),
    [
        ("DTSTART;VALUE=DATE:20261225", "2026-12-25"),
        ("DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261227", "2026-12-26"),
        ("DTSTART;VALUE=DATE:20261225\nDURATION:P3D", "2026-12-27"),
        ("DTSTART;VALUE=DATE:20261225\nDURATION:P1W", "2026-12-31"),
        # Some programs say that a day ends when it begins.
        ("DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261225", "2026-12-25"),
        ("DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261201", "2026-12-25"),
        ("DTSTART:20261225", "2026-12-25"),
    ],
)
def test_an_event_of_whole_days_ends_before_its_end(event: str, last: str) -> None:
    assert ranges(event) == [("2026-12-25", last)]


def test_an_event_of_every_year_is_worked_out_until_2099() -> None:
    found = ranges("DTSTART;VALUE=DATE:20201225\nDTEND;VALUE=DATE:20201227\nRRULE:FREQ=YEARLY")

    assert (found[0], found[-1]) == (("2020-12-25", "2020-12-26"), ("2099-12-25", "2099-12-26"))
    assert len(found) == 80


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("FREQ=YEARLY;COUNT=2", ["2026-05-04", "2027-05-04"]),
        ("FREQ=YEARLY;UNTIL=20270504", ["2026-05-04", "2027-05-04"]),
        # The end of a whole-day event with a time and a zone: against the rules, and everywhere.
        ("FREQ=YEARLY;UNTIL=20270504T000000Z", ["2026-05-04", "2027-05-04"]),
        ("FREQ=YEARLY;UNTIL=20280503T235959", ["2026-05-04", "2027-05-04"]),
        ("FREQ=YEARLY;BYMONTH=5;BYDAY=1MO;UNTIL=20281231", ["2026-05-04", "2027-05-03", "2028-05-01"]),
    ],
)
def test_an_event_comes_again_as_its_rule_says(rule: str, days: list[str]) -> None:
    assert firsts(f"DTSTART;VALUE=DATE:20260504\nRRULE:{rule}") == days


def test_days_that_a_repeated_event_excepts_or_adds_are_left_out_or_in() -> None:
    event = "\n".join([
        "DTSTART;VALUE=DATE:20250101", "RRULE:FREQ=YEARLY;COUNT=4", "RDATE;VALUE=DATE:20250704",
        "EXDATE;VALUE=DATE:20260101,20270101", "EXDATE;VALUE=DATE:20280101",
    ])  # fmt: skip

    assert firsts(event) == ["2025-01-01", "2025-07-04"]


def test_a_day_of_a_repeated_event_that_was_moved_is_where_it_was_moved_to() -> None:
    yearly = "UID:a\nDTSTART;VALUE=DATE:20260101\nRRULE:FREQ=YEARLY;COUNT=3"
    moved = "UID:a\nRECURRENCE-ID;VALUE=DATE:20270101\nDTSTART;VALUE=DATE:20270104"
    cancelled = "UID:a\nRECURRENCE-ID;VALUE=DATE:20280101\nDTSTART;VALUE=DATE:20280101\nSTATUS:CANCELLED"

    assert firsts(yearly, moved, cancelled) == ["2026-01-01", "2027-01-04"]


def test_days_before_any_call_are_left_out() -> None:
    assert ranges("DTSTART:00010101", "DTSTART:19691230\nDTEND:19700103") == [("1970-01-01", "1970-01-02")]


def test_a_cancelled_event_is_no_holiday() -> None:
    assert firsts("DTSTART;VALUE=DATE:20260101", "DTSTART;VALUE=DATE:20260102\nSTATUS:CANCELLED") == ["2026-01-01"]


def test_an_event_with_a_time_is_named_and_left_out() -> None:
    timed = "SUMMARY:Stand-up\nDTSTART;TZID=Europe/London:20260102T090000"

    found = read_holidays(calendar("DTSTART;VALUE=DATE:20260101", timed))

    assert (len(found.dates.ranges), found.with_a_time) == (1, ('"Stand-up"',))


def test_the_name_of_an_event_can_do_nothing_to_a_terminal() -> None:
    found = read_holidays(calendar("SUMMARY:a\x1b[2Jb\\nc\nDTSTART:20260102T090000Z"))

    assert found.with_a_time == ('"a\ufffd[2Jb\ufffdc"',)


def test_the_calendars_of_one_file_count_all() -> None:
    both = calendar("DTSTART;VALUE=DATE:20260101") + calendar("DTSTART;VALUE=DATE:20260102")

    assert date(2026, 1, 2) in read_holidays(both).dates


def test_line_ends_and_byte_order_marks_of_windows_do_not_matter() -> None:
    windows = "\ufeff".encode() + calendar("DTSTART;VALUE=DATE:20260101").replace(b"\n", b"\r\n")

    assert date(2026, 1, 1) in read_holidays(windows).dates


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is no calendar: there is no BEGIN:VCALENDAR in it"),
        (b"\xff\xfe", "it is not UTF-8 text"),
        (b"BEGIN:VCALENDAR\nnonsense\nEND:VCALENDAR", "it is no calendar (Content line could not be parsed"),
        (b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR", "it is not whole"),
        (calendar("DTSTART;VALUE=DATE:20260101")[:-20], "it is not whole"),
        (b"END:VEVENT\nBEGIN:VCALENDAR\nEND:VCALENDAR", "it is not whole"),
        (calendar("SUMMARY:X\nDTSTART;VALUE=DATE:20260101\nRRULE FREQ=YEARLY"), 'a line of "X" is not understood'),
        (calendar("SUMMARY:Empty"), '"Empty" does not say when it is'),
        (calendar("UID:7\nDTSTART;VALUE=DATE:20261325"), 'DTSTART of "7" is not understood'),
        (calendar("DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=SOMETIMES"), "RRULE of an event without a name is not"),
        (
            calendar("DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=YEARLY;BYDAY=XX"),
            "RRULE of an event without a name is not",
        ),
        (calendar("DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=HOURLY"), "comes again within a day"),
        (calendar("DTSTART;VALUE=DATE:20260101\nRRULE:COUNT=4"), "comes again within a day"),
        (calendar("DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=DAILY"), "comes again more than 5000 times"),
        (calendar("DTSTART;VALUE=DATE:20260101\nDTEND:PT4H"), '"4:00:00" stands where a date belongs'),
    ],
)
def test_what_is_no_calendar_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        print(read_holidays(content))

    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "event",
    [
        "DTSTART;VALUE=DATE:99991231\nDURATION:P9D",
        "DTSTART;VALUE=DATE:20260101\nDURATION:P999999999D",
        "DTSTART;VALUE=DATE:20260101\nDTSTART;VALUE=DATE:20260102",
        "DTSTART;VALUE=DATE:20260101\nDTEND:20260101T090000",
    ],
)
def test_days_at_the_end_of_all_calendars_and_events_said_twice_are_taken_as_they_can_be(event: str) -> None:
    assert read_holidays(calendar(event)).dates.ranges


def test_the_library_is_loaded_only_for_a_calendar_file() -> None:
    code = "import sys, router.config; print({'icalendar', 'dateutil'} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
