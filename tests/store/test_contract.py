"""What every store promises the worker: events, claims, records, leases. Each test runs once per database."""

from __future__ import annotations

import pytest

from router.calls import Call
from router.errors import Fault, StoreError
from router.store import AnswerRow, Filter, NewDelivery, State

DATABASES = ("sqlite", "postgres", "older postgres")

# Events ------------------------------------------------------------------------------------------------------------


def test_an_event_with_a_known_key_is_not_kept_again(store, desk, reading):
    desk.owe(key=b"k" * 24)

    assert store.add_event(desk.event(key=b"k" * 24), [NewDelivery("crm", None, True)], now=100) is None
    assert len(reading.events(Filter(), 10)) == 1
    assert len(reading.deliveries(Filter(), 10)) == 1


def test_ids_of_events_grow(desk):
    assert desk.owe() < desk.owe() < desk.owe()


def test_a_transaction_that_fails_leaves_nothing(store, desk, reading):
    def step():
        with store.transaction():
            store.move_cursor("a", 5)
            desk.owe()
            store.know(["new"], {})
            store.pause("crm", "why", "f", 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        step()

    assert reading.events(Filter(), 10) == []
    assert store.cursors() == {}
    assert [(row.name, row.paused_at, row.counts) for row in reading.destinations()] == [
        ("crm", None, {}),
        ("pager", None, {}),
        ("slack", None, {}),
    ]


def test_a_failed_transaction_does_not_linger_in_memory(store, desk):
    def step():
        with store.transaction():
            store.pause("crm", "why", "f", 1)
            store.know(["new"], {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        step()
    desk.owe()

    assert len(desk.take()) == 1
    with pytest.raises(StoreError, match='"new"'):
        desk.take("new")


def test_nobody_sees_half_a_transaction(store, desk, reading):
    with store.transaction():
        desk.owe()
        assert reading.events(Filter(), 10) == []

    assert len(reading.events(Filter(), 10)) == 1


def test_an_event_for_a_destination_the_store_was_never_told_of_is_refused_whole(desk, reading):
    with pytest.raises(StoreError, match='never told of destination "fax"'):
        desk.owe("call-1", "crm", "fax")

    assert reading.events(Filter(), 10) == []


def test_what_was_kept_is_there_after_reopening(store, desk, open_store):
    desk.owe()
    store.close()
    desk.store = open_store()

    assert len(desk.take()) == 1


# Calls -------------------------------------------------------------------------------------------------------------


def test_every_field_of_a_call_survives_being_kept(store, full_call):
    store.keep_call(full_call)

    assert store.call(full_call.source, full_call.call_id) == full_call


def test_keeping_a_call_replaces_what_was_known(store, full_call):
    store.keep_call(Call(full_call.source, full_call.call_id))
    store.keep_call(full_call)

    assert store.call(full_call.source, full_call.call_id) == full_call


def test_calls_of_two_sources_with_one_id_are_two_calls(store):
    store.keep_call(Call("wavix", "same", tag="a"))
    store.keep_call(Call("other", "same", tag="b"))

    assert store.call("wavix", "same") == Call("wavix", "same", tag="a")


def test_a_call_never_heard_of_is_none(store):
    assert store.call("wavix", "never") is None


def test_calls_whose_end_is_due_come_before_silent_ones(store):
    store.keep_call(Call("s", "silent", last_received_at=10))
    store.keep_call(Call("s", "due", last_received_at=100, end_due_at=50))
    store.keep_call(Call("s", "earlier", last_received_at=100, end_due_at=40))

    assert [call.call_id for call in store.calls_to_end(50, 20, 10)] == ["earlier", "due", "silent"]


@pytest.mark.parametrize(
    "call",
    [
        Call("s", "c", last_received_at=100, end_due_at=50.1),
        Call("s", "c", last_received_at=20),
        Call("s", "c", last_received_at=10, ends_told=1),
        Call("s", "c", last_received_at=10, end_due_at=60),
    ],
    ids=["due later", "not silent for long enough", "told already", "silent, but due later"],
)
def test_other_calls_are_left_alone(store, call):
    store.keep_call(call)

    assert store.calls_to_end(50, 20, 10) == []


def test_calls_to_end_are_limited(store):
    for n in range(3):
        store.keep_call(Call("s", f"due-{n}", end_due_at=1))
        store.keep_call(Call("s", f"silent-{n}"))

    assert len(store.calls_to_end(50, 20, 4)) == 4


# Claims ------------------------------------------------------------------------------------------------------------


def test_a_claim_has_all_a_sender_needs(store, desk):
    store.keep_call(Call("wavix", "call-1", tag="sales"))
    event_id = desk.owe(key=b"\1" * 24, facts={"missed": True})

    claim = desk.one()

    assert (claim.attempt, claim.destination, claim.rule, claim.owed.unknowns) == (1, "crm", "missed", 0)
    assert claim.key.startswith("01" * 24 + "-")
    assert (claim.source, claim.call_id, claim.event_type, claim.event_id) == ("wavix", "call-1", "ringing", event_id)
    assert (claim.received_at, claim.body, claim.facts) == (100.0, b'{"uuid": "x"}', '{"missed":true}')
    assert claim.call == Call("wavix", "call-1", tag="sales")
    assert claim.receipt is None


def test_a_claim_shows_the_call_as_it_stands_now(store, desk):
    store.keep_call(Call("wavix", "call-1", tag="before"))
    desk.owe()
    store.keep_call(Call("wavix", "call-1", tag="after"))

    assert desk.one().call.tag == "after"


def tried_and_new(desk):
    """Owe three deliveries that failed once, due at 110, 112 and 114, and three new ones, due at 111, 113 and 115."""
    for number in range(3):
        desk.owe(f"tried-{number}", ordered=False)
    for number, claim in enumerate(desk.take()):
        desk.end(claim, State.READY, due_at=110 + 2 * number)
    for number in range(3):
        desk.owe(f"new-{number}", ordered=False, now=111.0 + 2 * number)


def test_first_and_further_attempts_are_claimed_together_oldest_due_first(desk):
    tried_and_new(desk)

    assert [claim.owed.due_at for claim in desk.take(now=200, limit=4)] == [110, 111, 112, 113]
    assert [claim.owed.due_at for claim in desk.take(now=200, limit=4)] == [114, 115]


@pytest.mark.parametrize(
    ("limit", "retries", "due"),
    [
        (10, 0, [111, 113, 115]),
        (10, 1, [110, 111, 113, 115]),
        (2, 1, [110, 111]),
        (1, 0, [111]),
        (10, 9, range(110, 116)),
    ],
)
def test_no_more_further_attempts_are_claimed_than_asked_for_and_they_are_in_nobodys_way(desk, limit, retries, due):
    tried_and_new(desk)

    assert [claim.owed.due_at for claim in desk.take(now=200, limit=limit, retries=retries)] == list(due)


def test_what_is_given_back_uncounted_is_a_first_attempt_again(desk):
    desk.owe()
    claim = desk.one()
    desk.end(claim, State.READY, outcome="released", due_at=claim.owed.due_at, counts=False)

    [again] = desk.take(retries=0)

    assert (again.attempt, again.owed.due_at) == (1, claim.owed.due_at)


@pytest.mark.parametrize("state", [State.DEAD, State.EXPIRED])
def test_what_ends_without_an_attempt_has_the_reason_all_the_same(desk, reading, state):
    desk.owe()
    desk.end(desk.one(), state, reason="too old", counts=False)

    [row] = reading.deliveries(Filter(), 10)

    assert (row.state, row.reason, row.attempts) == (state, "too old", 0)


def test_the_next_due_is_the_earliest_of_first_and_further_attempts(desk):
    tried_and_new(desk)
    assert desk.store.next_due() == 110

    desk.take(now=110)

    assert desk.store.next_due() == 111


def test_the_oldest_due_is_claimed_first_and_no_more_than_asked_for(desk):
    desk.owe("late", now=99)
    desk.owe("early", now=98)
    desk.owe("later", now=100)

    assert [claim.call_id for claim in desk.take(limit=2)] == ["early", "late"]


def test_nothing_is_claimed_before_it_is_due(desk):
    desk.owe(now=100)

    assert desk.take(now=99.9) == []
    assert len(desk.take(now=100)) == 1


def test_nothing_is_claimed_twice(desk):
    desk.owe()
    desk.take()

    assert desk.take(owner="w2") == []


def test_a_claim_is_of_one_destination(desk):
    desk.owe("call-1", "crm", "slack")

    assert [claim.destination for claim in desk.take("slack")] == ["slack"]
    assert [claim.destination for claim in desk.take("crm")] == ["crm"]


def test_deliveries_of_one_event_have_different_keys(desk):
    desk.owe("call-1", "crm", "slack")

    assert desk.one("crm").key != desk.one("slack").key


def test_the_key_is_the_same_at_every_attempt(desk):
    desk.owe()
    first = desk.one()
    desk.end(first, State.READY, due_at=110)

    assert desk.one(now=110).key == first.key


# Records -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.DELIVERED, State.DEAD, State.EXPIRED])
def test_a_finished_delivery_stays_finished(desk, reading, state):
    desk.owe()
    claim = desk.one()

    assert desk.end(claim, state, now=105, reason="so", status=418)

    (row,) = reading.deliveries(Filter(), 10)
    assert (row.state, row.ended_at, row.due_at, row.reason, row.status) == (state, 105, None, "so", 418)
    assert desk.take(now=1e9) == []


def test_a_failed_attempt_comes_back_at_its_due_time(desk):
    desk.owe()
    desk.end(desk.one(), State.READY, due_at=130)

    assert desk.take(now=129) == []
    assert desk.one(now=130).attempt == 2


def test_an_attempt_that_never_began_is_not_counted(desk, reading):
    desk.owe()
    desk.end(desk.one(), State.READY, due_at=110, reason="the first reason")
    desk.end(desk.one(now=110), State.READY, due_at=110, counts=False, outcome="released")

    assert desk.one(now=110).attempt == 2
    (row,) = reading.deliveries(Filter(), 10)
    assert row.reason == "the first reason"
    assert len(reading.attempts(row.id)) == 1


def test_attempts_whose_answer_was_lost_are_counted(desk):
    desk.owe()
    desk.end(desk.one(), State.READY, due_at=110, outcome="unknown")
    desk.end(desk.one(now=110), State.READY, due_at=120, outcome="failed")

    assert desk.one(now=120).owed.unknowns == 1


def test_every_attempt_is_kept(desk, reading):
    desk.owe()
    claim = desk.one()
    desk.end(claim, State.READY, now=101, due_at=110, reason="HTTP 503", status=503)
    desk.end(desk.one(now=110), now=111)

    attempts = reading.attempts(claim.delivery_id)

    assert [(row.number, row.outcome, row.reason, row.status, row.ended_at) for row in attempts] == [
        (1, "failed", "HTTP 503", 503, 101),
        (2, "delivered", None, None, 111),
    ]


ANSWER = {"status": 503, "seconds": 0.25, "headers": {"server": "crm"}, "body": "busy", "cut": False}


def test_of_a_delivery_the_last_answer_is_kept_with_its_attempt(desk, reading):
    desk.owe()
    claim = desk.one()
    assert reading.answer(claim.delivery_id) is None

    desk.end(claim, State.READY, due_at=110, answer={**ANSWER, "body": "earlier"})
    desk.end(desk.one(now=110), State.READY, due_at=120, answer=ANSWER)
    desk.end(desk.one(now=120), State.READY, due_at=130)

    assert reading.answer(claim.delivery_id) == AnswerRow(2, 503, 0.25, {"server": "crm"}, "busy", False)
    assert reading.answer(claim.delivery_id + 1) is None


def test_the_answer_to_an_attempt_that_does_not_count_is_kept_as_well(desk, reading):
    desk.owe()
    claim = desk.one()
    desk.end(claim, State.READY, due_at=110, counts=False, outcome="unusable", answer=ANSWER)

    assert reading.attempts(claim.delivery_id) == []
    assert reading.answer(claim.delivery_id).body == "busy"


def test_a_late_worker_leaves_no_answer(desk, reading):
    desk.owe()
    late = desk.one(owner="w1")
    desk.end(late, State.READY, due_at=170, owner="w1", outcome="unknown")

    assert not desk.end(late, State.DEAD, owner="w1", answer=ANSWER)
    assert reading.answer(late.delivery_id) is None


def test_a_late_worker_cannot_overwrite_its_successor(desk, reading):
    desk.owe()
    late = desk.one(owner="w1")
    desk.end(late, State.READY, due_at=170, owner="w1", outcome="unknown")
    successor = desk.one(now=170, owner="w2")

    assert not desk.end(late, State.DEAD, owner="w1")
    assert desk.end(successor, State.DELIVERED, owner="w2")
    assert not desk.end(late, State.DEAD, owner="w1")
    assert [row.state for row in reading.deliveries(Filter(), 10)] == [State.DELIVERED]


@pytest.mark.parametrize("changes", [{"owner": "w2"}, {"attempt": 2}], ids=["another owner", "another attempt"])
def test_only_the_attempt_that_holds_the_lease_is_recorded(desk, reading, changes):
    desk.owe()

    assert not desk.end(desk.one(), **changes)
    assert [row.state for row in reading.deliveries(Filter(), 10)] == [State.LEASED]


def test_a_receipt_comes_with_the_next_claim_of_the_same_call_and_destination(desk):
    desk.owe("call-1")
    desk.owe("call-1")
    desk.end(desk.one(), receipt={"ts": "1.5"})

    assert desk.one(now=101).receipt == '{"ts": "1.5"}'


def test_a_receipt_is_of_no_other_call_and_no_other_destination(desk):
    desk.owe("call-1")
    desk.end(desk.one(), receipt={"ts": "1"})
    desk.owe("call-1", "slack")
    desk.owe("call-2", "crm")

    assert desk.one("slack").receipt is None
    assert desk.one("crm").receipt is None


def test_the_last_receipt_wins_and_a_delivery_without_one_keeps_it(desk):
    for receipt in ({"n": 1}, {"n": 2}, None):
        desk.owe()
        desk.end(desk.one(), receipt=receipt)
    desk.owe()

    assert desk.one().receipt == '{"n": 2}'


# Leases ------------------------------------------------------------------------------------------------------------


def test_a_lease_that_ran_out_is_handed_to_the_worker(store, desk):
    desk.owe(received_at=77)
    claim = desk.one(now=100, lease=60)

    assert store.lapsed(160, 10) == []
    (lapsed,) = store.lapsed(160.1, 10)
    assert (lapsed.delivery_id, lapsed.attempt, lapsed.owner, lapsed.destination) == (claim.delivery_id, 1, "w1", "crm")
    assert (lapsed.owed.unknowns, lapsed.leased_at, lapsed.received_at) == (0, 100, 77)


def test_a_lapsed_lease_is_ended_in_the_name_of_its_owner(store, desk):
    desk.owe()
    claim = desk.one()
    (lapsed,) = store.lapsed(1000, 10)

    assert desk.end(claim, State.READY, owner=lapsed.owner, attempt=lapsed.attempt, outcome="unknown", due_at=1000)
    assert store.lapsed(1000, 10) == []
    assert desk.one(now=1000).attempt == 2


def test_renewed_leases_do_not_lapse(store, desk):
    desk.owe("call-1")
    desk.owe("call-2")
    desk.take(owner="alive", limit=1)
    desk.take(owner="gone", limit=1)
    store.renew("alive", 500)

    assert [lapsed.owner for lapsed in store.lapsed(400, 10)] == ["gone"]


def test_the_next_due_time_is_the_earliest_of_deliveries_and_ends(store, desk):
    assert store.next_due() is None

    desk.owe(now=300)
    assert store.next_due() == 300

    store.keep_call(Call("wavix", "call-2", end_due_at=200))
    assert store.next_due() == 200


def test_what_is_paused_or_leased_is_never_next(store, desk):
    desk.owe("call-1", "crm", "slack", now=100)
    desk.take("slack")
    store.pause("crm", "why", "f", 1)

    assert store.next_due() is None


# The inbox ---------------------------------------------------------------------------------------------------------


def test_cursors_move_and_are_forgotten(store):
    store.move_cursor("seg-1", 3)
    store.move_cursor("seg-1", 9)
    store.move_cursor("commands", 2)
    assert store.cursors() == {"seg-1": 9, "commands": 2}

    store.move_cursor("seg-1", None)
    assert store.cursors() == {"commands": 2}


def test_a_refused_body_is_kept_until_it_is_readmitted(store):
    kept = store.quarantine("wavix", b"{", [Fault("a.b", "is missing")], 12.5, "10.0.0.1")

    row = store.refused(kept)
    assert (row.source, row.body, row.faults) == ("wavix", b"{", [Fault("a.b", "is missing")])
    assert (row.received_at, row.remote, row.readmitted_at) == (12.5, "10.0.0.1", None)

    store.readmitted(kept, 99)
    assert store.refused(kept).readmitted_at == 99


def test_an_id_that_is_not_in_quarantine_is_none(store):
    assert store.refused(1) is None
