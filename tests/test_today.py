"""Which calls of one day count together."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from router import clock
from router.calls import MOST_COUNTED, Call, Customers, Incoming, counted, counts_as_before, incoming
from tests.harness.calls import OURS, START, THEIRS

LONDON = ZoneInfo("Europe/London")
DATE = "2025-09-22"
ANY = Incoming("wavix", "c1", THEIRS, DATE, START)


def a_call(**changes) -> Call:
    given = {"direction": "inbound", "from_": THEIRS, "to": OURS, "started_at": START, "first_event_at": START + 1}
    return Call(**{"source": "wavix", "call_id": "c1", **given, **changes})


def of(call: Call, zone: ZoneInfo = LONDON) -> Incoming | None:
    return incoming(call, zone=zone, region="GB", own_numbers=frozenset({OURS}))


@pytest.mark.parametrize(
    ("changes", "number", "at"),
    [
        ({}, THEIRS, START),
        ({"from_": "020 7946 0001"}, THEIRS, START),
        ({"started_at": None}, THEIRS, START + 1),
    ],
)
def test_an_inbound_call_counts_by_its_number_and_when_it_started(changes, number, at):
    assert of(a_call(**changes)) == Incoming("wavix", "c1", number, DATE, at)


@pytest.mark.parametrize(
    "changes",
    [
        {"direction": "outbound"},
        {"direction": None},
        {"from_": ""},
        {"from_": "anonymous"},
        {"from_": "2001"},
        {"from_": OURS, "to": OURS},
    ],
    ids=["outbound", "nobody knows which way", "no number", "withheld", "an extension", "from one of ours"],
)
def test_no_other_call_counts(changes):
    assert of(a_call(**changes)) is None


@pytest.mark.parametrize(
    "change", [{"direction": None}, {"from_": OURS}, {"started_at": START - 1}, {"first_event_at": START}]
)
def test_a_call_whose_customer_or_start_may_have_changed_is_looked_at_again(change):
    assert counts_as_before(a_call(), a_call(missed=True, last_event_at=START + 9))
    assert not counts_as_before(a_call(), a_call(**change))
    assert not counts_as_before(None, a_call())


@pytest.mark.parametrize(("missed", "calls"), [(True, (4, 3)), (False, (4, 2))])
def test_the_call_itself_is_counted_with_those_before_it(missed, calls):
    known = a_call(missed=missed)

    call = counted(known, ANY, {ANY: (3, 2)}.__getitem__)

    assert (call.calls_today, call.missed_today) == calls
    assert known == a_call(missed=missed)


def test_a_call_that_does_not_count_has_no_number_and_nobody_is_asked():
    call = counted(a_call(calls_today=3, missed_today=3), None, {}.__getitem__)

    assert (call.calls_today, call.missed_today) == (None, None)


@pytest.mark.parametrize(
    ("zone", "date"),
    [("Europe/London", "2026-03-02"), ("Asia/Tokyo", "2026-03-03"), ("America/New_York", "2026-03-02")],
)
def test_a_day_is_one_on_the_wall_clock_of_the_zone(zone, date):
    coming = of(a_call(started_at=clock.parse("2026-03-02T23:59:59Z")), ZoneInfo(zone))

    assert coming is not None
    assert coming.date == date


def test_calls_are_remembered_by_customer_source_and_day():
    customers = Customers()
    for call_id, changes in (
        ("first", {"at": START - 9}),
        ("the same moment", {}),
        ("later", {"at": START + 0.5}),
        ("another source", {"source": "other"}),
        ("another number", {"number": OURS}),
        ("another day", {"date": "2025-09-21"}),
    ):
        customers.move(None, ANY._replace(call_id=call_id, **changes))
    customers.move(None, ANY)

    assert customers.earlier(ANY) == ["first", "the same moment"]


def test_a_call_that_is_forgotten_or_has_another_customer_counts_no_more():
    customers, other = Customers(), ANY._replace(call_id="c2")
    customers.move(None, ANY)
    customers.move(None, other)
    customers.move(other, other._replace(number=OURS))

    assert customers.earlier(ANY._replace(call_id="c3")) == ["c1"]
    customers.move(ANY, None)
    customers.move(other._replace(number=OURS), None)
    assert customers._calls == {}


def test_counting_in_memory_stops_where_that_in_the_store_does():
    customers = Customers()
    for number in range(MOST_COUNTED + 5):
        customers.move(None, ANY._replace(call_id=f"c{number}"))

    assert len(customers.earlier(ANY)) == MOST_COUNTED - 1
    assert len(customers.earlier(ANY._replace(call_id="none of them"))) == MOST_COUNTED - 1
