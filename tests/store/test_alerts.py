"""What every store remembers for alerts."""

from __future__ import annotations

from router.store import Concern, Filter, State, Waiting


def test_what_goes_on_is_kept_replaced_and_forgotten(store, open_store):
    one = Concern("dead_letter", "crm", since=10.0, last_at=20.0, told_at=None, untold=3, reason="no", over=False)
    other = Concern("paused", "", since=1.0, last_at=1.0, told_at=1.0, untold=0, reason="", over=True)
    for concern in (one, other):
        store.keep_concern(concern)
    assert store.concerns() == [one, other]

    one.told_at, one.untold = 30.0, 0
    store.keep_concern(one)
    store.forget_concern(other)
    store.close()

    assert open_store().concerns() == [one]


def test_what_is_forgotten_twice_is_no_error(store):
    store.forget_concern(Concern("disk", "", since=1.0, last_at=1.0))

    assert store.concerns() == []


def test_the_longest_waiting_delivery_of_each_destination_is_told_with_its_last_failure(store, desk):
    desk.owe("call-1", "crm", received_at=100.0)
    desk.owe("call-2", "crm", received_at=200.0, now=200.0)
    desk.owe("call-2", "slack", received_at=300.0, now=300.0)
    desk.end(desk.one(now=100.0), State.READY, now=110.0, due_at=900.0)

    assert store.waiting() == {"crm": Waiting(100.0, 1, 900.0, "said no"), "slack": Waiting(300.0, 0, 300.0, None)}


def test_what_is_paused_delivered_or_behind_a_dead_letter_does_not_wait(store, desk):
    desk.owe("call-1", "crm", "slack", "pager", held=True)
    desk.owe("call-1", "pager", held=True)
    desk.end(desk.one("crm"))
    desk.kill(desk.one("pager"))
    store.pause("slack", "it answered 401", "f", 100.0)

    assert store.waiting() == {}
    assert store.paused() == {"slack": "it answered 401"}


def test_waiting_counts_from_the_end_of_a_pause_and_from_a_replay(store, desk):
    desk.owe("call-1", "crm", "slack", received_at=100.0)
    store.pause("crm", "no", "f", 150.0)
    store.resume("crm", 400.0)
    claim = desk.one("slack")
    desk.kill(claim)
    store.replay([claim.delivery_id], 500.0)

    assert {name: one.since for name, one in store.waiting().items()} == {"crm": 400.0, "slack": 500.0}


def test_an_alert_that_waits_does_not_count(store, desk):
    desk.owe("thing", "crm", source="callrouter", event_type="alert", from_sender=False, received_at=100.0)
    assert store.waiting() == {}

    desk.owe("call-1", "crm", received_at=200.0)
    assert store.waiting()["crm"].since == 200.0


def test_alerts_are_found_as_events_and_not_as_calls(desk, reading):
    alert = desk.owe("thing", "crm", source="callrouter", event_type="alert", from_sender=False)
    desk.owe("call-1", "crm")

    assert [row.id for row in reading.events(Filter(event_type="alert"), 10)] == [alert]
    assert [call.call_id for call in reading.calls(Filter(), 10)] == ["call-1"]
