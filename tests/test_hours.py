"""When somebody is there, against a reading of the wall clock minute by minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.hours import DAY, EVERY_DAY, Dates, Hours, Interval, names_that_hold

LONDON = ZoneInfo("Europe/London")
#: Half an hour of summer time, and odd distances from UTC.
ZONES = [LONDON, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Kathmandu"), UTC]
MON_FRI = frozenset(range(5))
#: The first moment of 2026, and the number of its minutes.
YEAR = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
MINUTES = 365 * 1440


def at(text: str, zone: ZoneInfo = LONDON, *, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


def clock(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60


def interval(start: str, stop: str, weekdays: frozenset[int] = EVERY_DAY, **rest) -> Interval:
    begin, end = clock(start), clock(stop)
    return Interval(begin, end if end > begin else end + DAY, weekdays, **rest)


def one_day(text: str) -> Dates:
    return Dates(((date.fromisoformat(text), date.fromisoformat(text)),))


def hours(*intervals: Interval, zone=LONDON) -> Hours:
    return Hours(zone, intervals)


BUSINESS = hours(interval("09:00", "12:30", MON_FRI), interval("13:30", "17:30", MON_FRI))
NIGHT = hours(interval("22:00", "06:00", frozenset({4})))


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("2026-03-02T08:59:59.999999", False),
        ("2026-03-02T09:00:00", True),
        ("2026-03-02T12:29:59.999999", True),
        ("2026-03-02T12:30:00", False),
        ("2026-03-02T13:30:00", True),
        ("2026-03-01T10:00:00", False),
    ],
)
def test_the_first_second_of_an_interval_is_inside_and_the_one_it_ends_at_is_not(text, inside):
    assert BUSINESS.holds(at(text)) is inside


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("2026-03-06T21:59:59", False),
        ("2026-03-06T22:00:00", True),
        ("2026-03-07T05:59:59", True),
        ("2026-03-07T06:00:00", False),
        ("2026-03-06T03:00:00", False),
        ("2026-03-07T22:00:00", False),
    ],
)
def test_what_goes_over_midnight_belongs_to_the_day_it_begins(text, inside):
    assert NIGHT.holds(at(text)) is inside


def test_an_exception_closes_what_begins_on_its_day_also_beyond_midnight_and_nothing_else():
    night = hours(interval("22:00", "06:00", closed=one_day("2026-12-24")))

    assert night.holds(at("2026-12-24T05:00"))
    assert not night.holds(at("2026-12-24T23:00"))
    assert not night.holds(at("2026-12-25T05:00"))
    assert night.holds(at("2026-12-25T22:00"))


def test_a_whole_day_is_from_0_to_24_o_clock():
    saturday = hours(interval("00:00", "24:00", frozenset({5})))

    found = [saturday.holds(at(text)) for text in ("2026-03-06T23:59:59", "2026-03-07T00:00", "2026-03-07T23:59:59")]

    assert (found, saturday.holds(at("2026-03-08T00:00"))) == ([False, True, True], False)


def test_dates_are_ranges_with_both_ends_and_days_of_every_year():
    dates = Dates(((date(2026, 12, 28), date(2027, 1, 1)),), frozenset({(12, 26), (2, 29)}))
    days = [date(2026, 12, 27) + timedelta(days=n) for n in range(7)]

    assert [day in dates for day in days] == [False, True, True, True, True, True, False]
    assert [date(year, 12, 26) in dates for year in (1999, 2026)] == [True, True]
    assert [date(2028, 2, 29) in dates, date(2027, 3, 1) in dates] == [True, False]


def test_an_interval_with_dates_takes_the_place_of_the_weekly_ones_on_its_days():
    found = hours(
        interval("09:00", "17:00", MON_FRI), interval("10:00", "12:00", dates=one_day("2026-12-24"))
    )  # fmt: skip

    assert [found.holds(at(f"2026-12-24T{hour}:00")) for hour in ("09", "10", "12", "14")] == [
        False,
        True,
        False,
        False,
    ]
    assert found.holds(at("2026-12-23T14:00"))


def test_a_day_with_hours_of_its_own_that_is_closed_has_none_at_all():
    dated = interval("10:00", "12:00", dates=one_day("2026-12-24"), closed=one_day("2026-12-24"))

    assert not hours(interval("09:00", "17:00"), dated).holds(at("2026-12-24T11:00"))


def test_where_an_interval_has_days_and_dates_both_must_hold():
    july = Dates(((date(2026, 7, 1), date(2026, 7, 31)),))
    found = hours(interval("10:00", "14:00", MON_FRI, dates=july), interval("08:00", "09:00"))

    assert [found.holds(at("2026-07-03T11:00")), found.holds(at("2026-07-04T11:00"))] == [True, False]
    assert [found.holds(at("2026-07-03T08:30")), found.holds(at("2026-07-04T08:30"))] == [False, True]


def test_in_the_hour_that_summer_time_skips_nothing_holds_and_the_rest_of_the_interval_does():
    found = hours(interval("01:30", "02:30"))

    assert not found.holds(at("2026-03-29T00:59:59"))
    assert [found.holds(at("2026-03-29T02:00")), found.holds(at("2026-03-29T02:30"))] == [True, False]
    assert not hours(interval("01:00", "02:00")).holds(at("2026-03-29T02:00"))
    assert found.next_opening(at("2026-03-29T00:10")) == at("2026-03-29T02:00")


def test_in_the_hour_that_comes_twice_an_interval_holds_both_times():
    found = hours(interval("01:30", "02:30"))
    rounds = [at("2026-10-25T01:40"), at("2026-10-25T01:10", fold=1), at("2026-10-25T01:40", fold=1)]

    assert [found.holds(moment) for moment in rounds] == [True, False, True]
    assert found.next_opening(rounds[1]) == at("2026-10-25T01:30", fold=1)


def test_an_interval_that_the_change_back_puts_us_into_again_opens_at_the_change():
    found = hours(interval("00:30", "01:15"))

    assert found.next_opening(at("2026-10-25T01:20")) == at("2026-10-25T01:00", fold=1)


def test_the_next_opening_is_the_moment_itself_while_inside():
    moment = at("2026-03-02T10:00") + 0.25

    assert BUSINESS.next_opening(moment) == moment


def test_the_next_opening_looks_over_nights_weekends_and_exceptions():
    christmas = Dates(((date(2026, 12, 25), date(2027, 1, 3)),))
    found = hours(interval("09:00", "17:00", MON_FRI, closed=christmas))

    assert found.next_opening(at("2026-12-24T17:00")) == at("2027-01-04T09:00")


def test_there_is_no_next_opening_where_the_last_day_is_over():
    found = hours(interval("09:00", "12:00", dates=one_day("2026-12-24")))

    assert found.next_opening(at("2026-12-24T12:00")) is None
    assert found.next_opening(at("2025-01-01T00:00")) == at("2026-12-24T09:00")


def test_the_hours_are_those_of_their_own_time_zone():
    found = hours(interval("09:00", "17:00"), zone=ZoneInfo("America/New_York"))

    assert [found.holds(at("2026-07-01T13:59")), found.holds(at("2026-07-01T14:00"))] == [False, True]


def test_the_names_of_hours_that_hold_are_sorted():
    every = {"late": hours(interval("12:00", "20:00")), "early": hours(interval("06:00", "14:00")), "night": NIGHT}

    assert names_that_hold(every, at("2026-03-02T13:00")) == ["early", "late"]


def test_many_days_asked_about_give_the_answers_of_the_first_time():
    moments = [at("2026-01-01T10:00") + n * DAY for n in range(300)]
    first = [BUSINESS.holds(moment) for moment in moments]

    assert [BUSINESS.holds(moment) for moment in reversed(moments)] == first[::-1]
    assert len(BUSINESS._days) <= 64


# Against a reading by hand -----------------------------------------------------------------------------------------

days = st.dates(date(2025, 12, 30), date(2027, 1, 2))
some_dates = st.builds(
    lambda spans, yearly: Dates(
        tuple((first, first + timedelta(days=length)) for first, length in spans),
        frozenset((day.month, day.day) for day in yearly),
    ),
    st.lists(st.tuples(days, st.integers(0, 90)), max_size=3),
    st.lists(days, max_size=2),
)
#: Often near the hours in which clocks are changed.
times = st.one_of(st.integers(0, 1439), st.integers(0, 240)).map(lambda minute: minute * 60)
some_intervals = st.builds(
    lambda start, length, weekdays, dates, closed: Interval(start, start + length, weekdays, dates, closed),
    times,
    st.integers(1, 1440).map(lambda minutes: minutes * 60),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.one_of(st.none(), some_dates),
    some_dates,
)
#: zone → the wall clock at each minute of the year: the day, and seconds since its midnight.
_walls: dict[str, list[tuple[date, int]]] = {}


def wall(zone) -> list[tuple[date, int]]:
    if str(zone) not in _walls:
        read = (datetime.fromtimestamp(YEAR + n * 60, zone) for n in range(MINUTES))
        _walls[str(zone)] = [(local.date(), local.hour * 3600 + local.minute * 60) for local in read]
    return _walls[str(zone)]


def read_by_hand(found: Hours) -> list[bool]:
    """Whether each minute of the year is inside, from the words of the manual alone."""
    table: dict[date, list[bool]] = {}

    def begins(one: Interval, day: date) -> bool:
        if day in one.closed or day.weekday() not in one.weekdays or (one.dates is not None and day not in one.dates):
            return False
        special = any(
            each.dates is not None and day in each.dates and day.weekday() in each.weekdays for each in found.intervals
        )
        return not special or one.dates is not None

    def minutes(day: date) -> list[bool]:
        inside = [False] * 1440
        for one in found.intervals:
            for back in (0, 1):
                if begins(one, day - timedelta(days=back)):
                    for minute in range(one.start // 60 - back * 1440, one.stop // 60 - back * 1440):
                        if 0 <= minute < 1440:
                            inside[minute] = True
        return inside

    answers = []
    for day, second in wall(found.zone):
        if day not in table:
            table[day] = minutes(day)
        answers.append(table[day][second // 60])
    return answers


@pytest.mark.parametrize("zone", ZONES, ids=str)
@settings(max_examples=8, deadline=None)
@given(intervals=st.lists(some_intervals, min_size=1, max_size=4), data=st.data())
def test_every_minute_of_a_year_is_as_read_from_the_wall_by_hand(zone, intervals, data):
    found = Hours(zone, tuple(intervals))
    expected = read_by_hand(found)
    # Where the answer changes, and a few others, to the second; everything is asked in another test.
    edges = [n for n, (one, other) in enumerate(pairwise(expected), 1) if one != other]
    asked = {*edges, *(n - 1 for n in edges), *data.draw(st.lists(st.integers(0, MINUTES - 1), max_size=50))}

    assert [n for n in sorted(asked) if found.holds(YEAR + n * 60) != expected[n]] == []
    assert [n for n in sorted(asked) if found.holds(YEAR + n * 60 + 59.999) != expected[n]] == []
    openings = [n for n in edges if expected[n]]
    for n in sorted(asked)[:200]:
        following = n if expected[n] else next((opening for opening in openings if opening > n), None)
        if following is not None:
            assert found.next_opening(YEAR + n * 60) == YEAR + following * 60


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_all_minutes_of_a_year_with_everything_in_one_are_as_read_by_hand(zone):
    holidays = Dates(((date(2026, 12, 24), date(2027, 1, 1)),), frozenset({(3, 29), (5, 1)}))
    found = Hours(
        zone,
        (
            interval("01:30", "02:30"),
            interval("09:00", "12:30", MON_FRI, closed=holidays),
            interval("22:00", "06:00", frozenset({4, 5}), closed=holidays),
            interval("10:00", "10:30", dates=Dates(yearly=frozenset({(12, 24), (10, 25)}))),
        ),
    )
    expected = read_by_hand(found)

    assert [n for n in range(MINUTES) if found.holds(YEAR + n * 60) != expected[n]] == []
