"""What every store promises those who only look. Each test runs once per database."""

from __future__ import annotations

import pytest

from router.calls import Call
from router.errors import Fault
from router.store import EventRow, Filter, State

DATABASES = ("sqlite", "postgres", "older postgres")


@pytest.fixture
def three_events(store, desk):
    """Ids of three events, oldest first, that differ in everything a filter can ask for."""
    store.know(["crm", "slack"], {})
    return [
        desk.owe("call-1", "crm", source="wavix", event_type="ringing", received_at=100, rules=["a"]),
        desk.owe("call-1", "slack", source="wavix", event_type="answered", received_at=200, rules=["a", "b"]),
        desk.owe("call-2", "crm", source="other", event_type="ringing", received_at=300, rules=[], unmatched=True),
    ]


FILTERS = [
    (Filter(), [2, 1, 0]),
    (Filter(source="wavix"), [1, 0]),
    (Filter(call_id="call-1"), [1, 0]),
    (Filter(call_id="call-1", source="other"), []),
    (Filter(call_id="never"), []),
    (Filter(event_type="ringing"), [2, 0]),
    (Filter(since=200), [2, 1]),
    (Filter(since=301), []),
    (Filter(destination="crm"), [2, 0]),
    (Filter(destination="never"), []),
    (Filter(state=State.READY), [2, 1, 0]),
    (Filter(state=State.DEAD), []),
    (Filter(destination="slack", state=State.READY), [1]),
    (Filter(unmatched=True), [2]),
    (Filter(unmatched=False, source="wavix"), [1, 0]),
]


@pytest.mark.parametrize(("where", "expected"), FILTERS, ids=lambda value: repr(value)[:60])
def test_events_are_found_newest_first(three_events, reading, where, expected):
    assert [row.id for row in reading.events(where, 10)] == [three_events[n] for n in expected]


@pytest.mark.parametrize(("where", "expected"), FILTERS, ids=lambda value: repr(value)[:60])
def test_deliveries_are_found_by_their_events_and_destinations(three_events, reading, where, expected):
    assert [row.event_id for row in reading.deliveries(where, 10)] == [three_events[n] for n in expected]


def test_events_are_found_by_any_rule_that_matched(three_events, reading):
    assert [row.id for row in reading.events(Filter(rule="b"), 10)] == [three_events[1]]


def test_deliveries_are_found_by_the_rule_that_asked_for_them(three_events, reading):
    assert len(reading.deliveries(Filter(rule="missed"), 10)) == 3
    assert reading.deliveries(Filter(rule="b"), 10) == []


def test_one_event_and_its_deliveries_are_found_by_its_id(three_events, reading):
    where = Filter(event_id=three_events[1])

    assert [row.id for row in reading.events(where, 10)] == [three_events[1]]
    assert [row.destination for row in reading.deliveries(where, 10)] == ["slack"]


def test_rows_are_paged_by_id(three_events, reading):
    newest, *_ = reading.events(Filter(), 1)
    assert newest.id == three_events[2]
    assert [row.id for row in reading.events(Filter(before_id=newest.id), 1)] == [three_events[1]]

    newest_delivery, *_ = reading.deliveries(Filter(), 1)
    older = reading.deliveries(Filter(before_id=newest_delivery.id), 10)
    assert [row.event_id for row in older] == [three_events[1], three_events[0]]


def test_an_event_received_out_of_order_is_found_by_its_time(desk, reading):
    desk.owe(received_at=500)
    late = desk.owe(received_at=100)
    newest = desk.owe(received_at=600)

    assert [row.id for row in reading.events(Filter(since=400), 10)] == [newest, late - 1]
    assert late in [row.id for row in reading.events(Filter(since=50), 10)]


def test_an_event_comes_back_as_it_was_added(desk, reading):
    event_id = desk.owe("call-9", event_time=88.5, late=True, facts={"a": [1, None]}, rules=["x"], body=b"\xff\x00")

    assert reading.events(Filter(), 1) == [
        EventRow(
            event_id, "wavix", "call-9", "ringing", 88.5, 100.0, b"\xff\x00", {"a": [1, None]}, True, "v1", ["x"], False
        )
    ]


def test_a_delivery_shows_the_key_that_senders_are_given(desk, reading):
    desk.owe()

    assert reading.deliveries(Filter(), 1)[0].key == desk.one().key


def test_a_waiting_delivery_has_no_due_time_yet(desk, reading):
    desk.owe()
    desk.owe()

    assert [row.due_at for row in reading.deliveries(Filter(), 2)] == [None, 100]


def test_the_history_is_what_senders_sent_in_order_of_receipt(desk, reading):
    late = desk.owe(received_at=300, body=b"c")
    early = desk.owe(received_at=100, body=b"a", source="other")
    same = desk.owe(received_at=300, body=b"d")
    desk.owe(received_at=200, from_sender=False)
    middle = desk.owe(received_at=200, body=b"b")

    assert reading.history(0, 1000, None, 10) == [
        (early, "other", 100, b"a"),
        (middle, "wavix", 200, b"b"),
        (late, "wavix", 300, b"c"),
        (same, "wavix", 300, b"d"),
    ]


def test_the_history_has_a_beginning_and_an_end(desk, reading):
    for moment in (100, 200, 300):
        desk.owe(received_at=moment)

    assert [row.received_at for row in reading.history(200, 300, None, 10)] == [200]
    assert [row.received_at for row in reading.history(100, 300.5, None, 10)] == [100, 200, 300]


def test_the_history_is_paged_behind_the_last_row_of_a_page(desk, reading):
    ids = [desk.owe(received_at=moment) for moment in (100, 200, 200, 200, 300)]
    pages, page = [], reading.history(0, 1000, None, 2)
    while page:
        pages.append([row.id for row in page])
        page = reading.history(0, 1000, page[-1], 2)

    assert pages == [ids[:2], ids[2:4], ids[4:]]


def test_calls_are_listed_by_their_newest_event(store, reading):
    store.keep_call(Call("wavix", "a", last_received_at=300))
    store.keep_call(Call("wavix", "b", last_received_at=100))
    store.keep_call(Call("other", "c", last_received_at=200))

    assert [call.call_id for call in reading.calls(Filter(), 10)] == ["a", "c", "b"]
    assert [call.call_id for call in reading.calls(Filter(source="wavix"), 10)] == ["a", "b"]
    assert [call.call_id for call in reading.calls(Filter(since=200), 1)] == ["a"]
    assert [call.source for call in reading.calls(Filter(call_id="c"), 10)] == ["other"]


def test_calls_are_found_by_what_their_events_were(three_events, reading):
    assert [call.call_id for call in reading.calls(Filter(event_type="answered"), 10)] == ["call-1"]
    assert [call.call_id for call in reading.calls(Filter(unmatched=True), 10)] == ["call-2"]


def test_calls_are_found_by_how_their_ids_begin(desk, reading):
    for call in ("5dcc-1", "5dcc-2", "5dcd-1", "6"):
        desk.owe(call)

    assert reading.call_ids("5dcc", 10) == ["5dcc-1", "5dcc-2"]
    assert reading.call_ids("5dc", 2) == ["5dcc-1", "5dcc-2"]
    assert reading.call_ids("6", 10) == ["6"]
    assert reading.call_ids("7", 10) == []


def test_calls_refuse_a_filter_that_means_nothing_to_them(reading):
    with pytest.raises(ValueError, match="not by what is owed"):
        reading.calls(Filter(destination="crm"), 10)


def test_refused_bodies_are_listed_newest_first_and_paged(store, reading):
    ids = [store.quarantine("wavix", b"{", [Fault("", "is no JSON")], n, "10.0.0.1") for n in range(3)]

    assert [row.id for row in reading.quarantined(2)] == [ids[2], ids[1]]
    assert [row.id for row in reading.quarantined(2, before_id=ids[1])] == [ids[0]]
    assert reading.quarantined(1)[0].faults == [Fault("", "is no JSON")]


def test_destinations_show_what_stands_where_and_since_when(desk, reading):
    desk.owe("call-1", "crm", now=70)
    desk.owe("call-1", "crm")
    desk.owe("call-2", "crm", now=60)
    desk.owe("call-3", "slack")
    desk.kill(desk.one("slack"))

    crm, pager, slack = reading.destinations()

    assert (crm.name, crm.counts, crm.oldest_due_at) == ("crm", {State.READY: 2, State.WAITING: 1}, 60)
    assert crm.retry_reason is None
    assert (pager.name, pager.counts, pager.oldest_due_at) == ("pager", {}, None)
    assert (slack.name, slack.counts, slack.oldest_due_at) == ("slack", {State.DEAD: 1}, None)


def test_of_what_is_tried_again_the_reason_of_the_next_is_known(desk, reading):
    for call, due, reason in (("call-1", 900, "answered 500"), ("call-2", 300, "no connection")):
        desk.owe(call, "crm")
        desk.end(desk.one("crm"), State.READY, reason=reason, due_at=due)
    desk.owe("call-3", "pager")

    crm, pager, _ = reading.destinations()

    assert (crm.retry_reason, pager.retry_reason) == ("no connection", None)


def test_the_newest_event_of_each_source_is_known(store, desk, reading):
    with store.transaction():
        desk.owe(source="wavix", received_at=300)
        desk.owe(source="wavix", received_at=200)
    desk.owe(source="wavix", received_at=250)
    desk.owe(source="other", received_at=100)

    assert reading.last_events() == {"wavix": 300, "other": 100}


def test_an_event_that_was_not_kept_is_no_sign_of_life(store, desk, reading):
    def step():
        with store.transaction():
            desk.owe(source="other", received_at=900)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        step()
    desk.owe(source="wavix", received_at=100)

    assert reading.last_events() == {"wavix": 100}


def test_what_callrouter_says_itself_is_no_sign_of_life_of_a_source(desk, reading):
    desk.owe(source="wavix", received_at=100)
    desk.owe(source="wavix", received_at=900, from_sender=False)

    assert reading.last_events() == {"wavix": 100}


def test_the_position_in_the_commands_is_told(store, reading):
    assert reading.command_position() == 0

    store.move_cursor("commands", 7)
    assert reading.command_position() == 7


def test_readers_see_the_state_before_while_the_writer_is_writing(store, desk, reading):
    desk.owe()
    with store.transaction():
        desk.owe()
        assert len(reading.events(Filter(), 10)) == 1

    assert len(reading.events(Filter(), 10)) == 2


def test_readers_do_not_need_a_daemon(store, desk, open_reading):
    desk.owe()
    store.close()

    assert len(open_reading().events(Filter(), 10)) == 1
