"""Durations, rates and moments: what operators may write, and how seconds are told to a person."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from router.units import Rate, duration, moment, moment_or_time, rate, spell


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("200ms", 0.2), ("5s", 5), ("2m", 120), ("3h", 10800), ("4d", 345600), ("1.5h", 5400), ("2h30m", 9000)],
)
def test_a_duration_is_a_number_with_its_unit(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("60", '"60" has no unit; did you mean "60s"?'),
        ("30sec", '"30sec" is no duration; write for example 200ms, 5s, 2m, 3h or 4d'),
        ("", "is no duration"),
        ("-5s", "is no duration"),
        ("5 s", "is no duration"),
        ("1e9s", "is no duration"),
    ],
)
def test_what_is_no_duration_is_told_what_to_write(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        duration(text)

    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10/s", Rate(10, 1)), ("60/m", Rate(60, 60)), ("5/h", Rate(5, 3600)), ("1/d", Rate(1, 86400))],
)
def test_a_rate_is_a_count_in_a_unit_of_time(text: str, expected: Rate) -> None:
    assert rate(text) == expected


@pytest.mark.parametrize("text", ["10", "0/s", "10/5s", "ten/s", "-1/s", "1.5/s", ""])
def test_what_is_no_rate_is_told_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no rate; write for example 10/s or 60/m"):
        rate(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.2, "200ms"),
        (0.0002, "1ms"),
        (0.9996, "1s"),
        (5, "5s"),
        (9.96, "10s"),
        (59.7, "1m"),
        (161, "2m 41s"),
        (3600, "1h"),
        (90061, "1d 1h"),
    ],
)
def test_seconds_are_told_in_their_two_largest_units(seconds: float, text: str) -> None:
    assert spell(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-07-04T10:00", 1783155600.0),
        ("2026-07-04 10:00:00.5", 1783155600.5),
        ("2026-07-04T10:00:00Z", 1783159200.0),
        ("2026-07-04T10:00+02:00", 1783152000.0),
        ("2026-01-04T10:00", 1767520800.0),
    ],
)
def test_a_moment_is_on_the_given_clock_unless_it_names_a_zone(text: str, seconds: float) -> None:
    assert moment(text, ZoneInfo("Europe/London")) == seconds


@pytest.mark.parametrize(
    "text", ["", "2026-07-04", "10:00", "sunday", "1970-01-01T00:00", "2200-01-01T00:00", "2026-13-04T10:00"]
)
def test_what_is_no_moment_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no date and time; write for example|is not between the years"):
        moment(text, UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18:00", "2026-07-04T18:00+01:00"),
        ("09:30", "2026-07-05T09:30+01:00"),
        ("2026-07-06T10:00", "2026-07-06T10:00+01:00"),
    ],
)
def test_a_time_of_day_is_the_next_one(text: str, expected: str) -> None:
    london, now = ZoneInfo("Europe/London"), datetime.fromisoformat("2026-07-04T12:00+01:00").timestamp()

    assert moment_or_time(text, london, now) == datetime.fromisoformat(expected).timestamp()


def test_a_time_of_day_that_is_none_says_what_may_be_written() -> None:
    with pytest.raises(ValueError, match=r"2026-01-04T10:00Z?.*or 18:00"):
        moment_or_time("25:00", ZoneInfo("Europe/London"), 0.0)
