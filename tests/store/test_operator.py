"""What every store promises operators: replay, pause, resume, give up, rename. Each test runs once per database."""

from __future__ import annotations

import pytest

from router.store import Filter, State


def _finished(desk, state=State.DEAD):
    desk.owe()
    claim = desk.one()
    desk.end(claim, state)
    return claim


@pytest.mark.parametrize("state", [State.DEAD, State.EXPIRED, State.CANCELLED, State.SILENCED])
def test_replaying_what_was_never_delivered_keeps_its_key_and_counts_on(store, desk, state):
    claim = _finished(desk, state)

    assert store.replay([claim.delivery_id], 200) == 1

    assert desk.take(now=199) == []
    again = desk.one(now=200)
    assert (again.delivery_id, again.key, again.attempt) == (claim.delivery_id, claim.key, 2)


def test_replaying_what_was_delivered_is_a_new_delivery_with_a_new_key(store, desk, reading):
    claim = _finished(desk, State.DELIVERED)

    assert store.replay([claim.delivery_id], 200) == 1
    assert store.replay([claim.delivery_id], 200) == 1

    keys = {row.key for row in reading.deliveries(Filter(), 10)}
    assert len(keys) == 3
    again = desk.one(now=200)
    assert (again.event_id, again.attempt, again.rule) == (claim.event_id, 1, "missed")
    assert again.key == f"{claim.key}-1"


def test_delivered_ones_are_replayed_in_the_order_they_had(store, desk):
    first, second = _finished(desk, State.DELIVERED), _finished(desk, State.DELIVERED)

    store.replay([second.delivery_id, first.delivery_id], 200)

    assert desk.one(now=200).event_id == first.event_id


def test_the_same_delivery_asked_for_twice_at_once_is_replayed_once(store, desk):
    claim = _finished(desk, State.DELIVERED)

    assert store.replay([claim.delivery_id, claim.delivery_id], 200) == 1


def test_unfinished_and_unheard_of_deliveries_are_not_replayed(store, desk):
    desk.owe()
    leased = desk.one()
    desk.owe()

    assert store.replay([leased.delivery_id, leased.delivery_id + 1, 999], 200) == 0
    assert desk.end(leased)


def test_a_paused_destination_yields_nothing_until_it_is_resumed(store, desk):
    desk.owe("call-1", "crm", "slack")
    store.pause("crm", "HTTP 401", "abc", 50)

    assert desk.take("crm") == []
    assert len(desk.take("slack")) == 1

    store.resume("crm", 150)
    assert len(desk.take("crm")) == 1


def test_a_pause_says_why_and_since_when(store, reading):
    store.pause("crm", "HTTP 401", "abc", 50)
    store.pause("crm", "HTTP 403", "def", 60)

    row = reading.destinations()[0]
    assert (row.paused_reason, row.paused_fingerprint, row.paused_at) == ("HTTP 403", "def", 50)

    store.resume("crm", 150)
    row = reading.destinations()[0]
    assert (row.paused_reason, row.paused_fingerprint, row.paused_at) == (None, None, None)


def test_a_resumed_destination_is_patient_again(store, desk):
    desk.owe(now=100)
    store.pause("crm", "HTTP 401", "abc", 120)
    store.resume("crm", 5000)

    owed = desk.one(now=5001).owed

    assert (owed.since, owed.tried_since) == (100, 5000)


def test_resuming_what_was_not_paused_changes_no_patience(store, desk):
    desk.owe(now=100)
    store.resume("crm", 5000)

    assert desk.one(now=5001).owed.tried_since == 100


def test_a_replay_begins_patience_and_attempts_anew(store, desk):
    desk.owe(now=100)
    for _ in range(2):
        claim = desk.one(now=100)
        desk.end(claim, state=State.READY, outcome="unknown", ended_at=100, due_at=100)
    desk.end(desk.one(now=100), state=State.DEAD)
    store.replay([claim.delivery_id], 9000)

    again = desk.one(now=9000)

    assert (again.attempt, again.owed.since, again.owed.earlier_attempts, again.owed.unknowns) == (4, 9000, 3, 0)


def test_a_pause_outlasts_the_worker(store, desk, open_store):
    desk.owe()
    store.pause("crm", "why", "f", 1)
    store.close()
    desk.store = open_store()

    assert desk.take() == []


def test_pausing_a_destination_the_store_does_not_know_changes_nothing(store, reading):
    store.pause("fax", "why", "f", 1)
    store.resume("fax", 150)

    assert store.give_up("fax", 1, 1000) == 0
    assert [row.name for row in reading.destinations()] == ["crm", "pager", "slack"]


def test_giving_up_makes_dead_letters_of_all_that_is_unfinished(store, desk, reading):
    desk.owe("call-1", "crm", "slack", held=True)
    desk.kill(desk.one())
    desk.owe("call-1", held=True)
    desk.owe("call-1", held=True)
    desk.owe("call-2")
    desk.take()
    desk.owe("call-3", ordered=False)

    assert store.give_up("crm", 300, 1000) == 4

    rows = reading.deliveries(Filter(destination="crm"), 10)
    assert {row.state for row in rows} == {State.DEAD}
    assert {row.ended_at for row in rows} == {101, 300}
    assert rows[0].reason == "given up by an operator"
    assert reading.destinations()[0].counts == {State.DEAD: 5}
    assert reading.destinations()[2].counts == {State.READY: 1}


def test_an_attempt_under_way_cannot_undo_giving_up(store, desk):
    desk.owe()
    claim = desk.one()
    store.give_up("crm", 300, 1000)

    assert not desk.end(claim)


def test_a_renamed_destination_keeps_its_deliveries_and_their_keys(store, desk):
    desk.owe()
    claim = desk.one()
    desk.end(claim, State.READY, due_at=200)
    store.know(["hubspot"], {"hubspot": "crm"})

    assert desk.one("hubspot", now=200).key == claim.key


def test_a_name_in_use_is_not_taken_over_by_a_rename(store, desk):
    desk.owe("call-1", "crm")
    store.know(["slack"], {"slack": "crm"})

    assert desk.take("slack") == []
    assert len(desk.take("crm")) == 1


def test_knowing_names_again_changes_nothing(store, desk):
    desk.owe()
    store.know(["crm", "slack"], {"hubspot": "never-was"})

    assert len(desk.take()) == 1


def test_destinations_no_longer_named_are_told_with_what_they_are_owed(store, desk):
    desk.owe("call-1", "crm", "slack")
    desk.owe("call-1", "crm", "pager")
    desk.end(desk.one("pager"))

    assert store.unknown_destinations(["slack"]) == {"crm": 2}


def test_what_is_owed_is_true_within_a_transaction_too(store, desk):
    with store.transaction():
        desk.owe()
        assert store.unknown_destinations([]) == {"crm": 1}
