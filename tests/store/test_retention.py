"""What every store promises about forgetting: only what has ended, whole, and in bounded steps."""

from __future__ import annotations

import itertools

import pytest

from router.calls import Call
from router.store import CommandRow, Filter, NewDelivery, SilenceRow, State

NEVER = float("-inf")
#: ``desk`` receives at 100 and ends at 101.
LATER = 200.0


@pytest.fixture
def kept(reading):
    """The ids of the events that are still there, the oldest first."""
    return lambda: [row.id for row in reading.events(Filter(), 1000)][::-1]


def ended(desk, state=State.DELIVERED, **changes):
    event = desk.owe(**changes)
    desk.end(desk.one(), state)
    return event


def test_an_event_goes_with_its_deliveries_and_attempts(store, desk, reading, kept):
    ended(desk)

    assert store.forget_events(LATER, LATER, 0, 100) == (1, None)

    assert kept() == []
    assert reading.deliveries(Filter(), 10) == []
    assert reading.attempts(1) == []


def test_what_was_kept_of_its_answers_and_silences_goes_with_a_delivery(store, desk, reading):
    store.silence(SilenceRow(7, ("destination=crm",), "it moves", "ann", 90.0, 150.0))
    answer = {"status": 200, "seconds": 0.1, "headers": {}, "body": "fine", "cut": False}
    desk.owe()
    desk.end(desk.one(), answer=answer)
    caught = NewDelivery("crm", "missed", True, ended=State.SILENCED, reason="silence 7", silence=7)
    store.add_event(desk.event("call-2"), [caught], now=100)
    assert reading.answer(1) is not None
    assert reading.silences()[0][1] == 1

    store.forget_commands(LATER, 0, 100)
    assert reading.silences()[0][1] == 1
    assert store.forget_events(LATER, LATER, 0, 100).rows == 2

    assert reading.answer(1) is None
    assert reading.silences()[0][1] == 0


def test_what_became_of_a_command_is_forgotten_once_it_has_ended_and_a_silence_once_nothing_is_left_of_it(
    store, reading
):
    store.silence(SilenceRow(1, ("destination=crm",), "it moves", "ann", 100.0, 150.0))
    store.silence(SilenceRow(2, ("destination=crm",), "it moves", "ann", 100.0, 500.0))
    for number, ended_at in ((1, 100.0), (2, 100.0), (3, None), (4, 300.0)):
        store.note_command(CommandRow(number, 100.0, ended_at, "done"))

    assert store.forget_commands(LATER, 0, 100).rows == 2

    assert sorted(reading.commands([1, 2, 3, 4])) == [3, 4]
    assert [row.id for row, _ in reading.silences()] == [2]


def test_an_event_stays_while_one_of_its_deliveries_is_unfinished(store, desk, reading, kept):
    event = desk.owe("call-1", "crm", "slack")
    desk.end(desk.one("crm"))

    assert store.forget_events(LATER, LATER, 0, 100).rows == 0

    assert kept() == [event]
    assert len(reading.deliveries(Filter(), 10)) == 2


@pytest.mark.parametrize("state", [State.READY, State.LEASED, State.WAITING])
def test_what_is_owed_is_never_forgotten_however_old(store, desk, kept, state):
    first = desk.owe()
    second = desk.owe()
    if state is not State.READY:
        desk.one()

    store.forget_events(1e12, 1e12, 0, 100)

    assert kept() == [first, second]


def test_an_event_that_was_delivered_late_is_kept_from_then_on(store, desk, kept):
    event = desk.owe()
    desk.end(desk.one(now=500), now=501)

    store.forget_events(400, 400, 0, 100)
    assert kept() == [event]
    store.forget_events(502, 502, 0, 100)
    assert kept() == []


def test_an_event_with_a_dead_letter_is_kept_as_long_as_dead_letters(store, desk, kept):
    event = ended(desk, State.DEAD)

    store.forget_events(LATER, 100, 0, 100)
    assert kept() == [event]
    store.forget_events(LATER, LATER, 0, 100)
    assert kept() == []


def test_a_dead_letter_stays_while_another_delivery_is_held_by_it(store, desk, kept, states):
    first = ended(desk, State.DEAD)
    second = desk.owe(held=True)
    assert State.HELD in states().values()

    store.forget_events(LATER, LATER, 0, 100)

    assert kept() == [first, second]


def test_a_limit_of_never_keeps_everything(store, desk, kept):
    ended(desk)
    ended(desk, State.DEAD)

    assert store.forget_events(NEVER, NEVER, 0, 100) == (0, None)
    assert store.forget_events(1e12, NEVER, 0, 100).rows == 1

    assert len(kept()) == 1


def test_steps_are_bounded_and_reach_everything_past_what_is_kept(store, desk, kept):
    owed = [desk.owe(f"call-{n}", "slack") for n in range(5)]
    for _ in range(5):
        ended(desk)

    place, rows = 0, []
    for _ in itertools.repeat(None, 20):
        step = store.forget_events(LATER, LATER, place, 3)
        rows.append(step.rows)
        if step.place is None:
            break
        place = step.place

    assert max(rows) <= 3
    assert sum(rows) == 5
    assert kept() == owed


def test_a_step_that_meets_nothing_old_is_the_last(store, desk):
    for _ in range(5):
        ended(desk)

    assert store.forget_events(50, 50, 0, 2) == (0, None)


def test_the_counts_of_destinations_go_down_with_what_is_forgotten(store, desk, reading):
    ended(desk)
    ended(desk, State.DEAD)
    ended(desk)

    store.forget_events(LATER, 100, 0, 100)

    [crm] = [row for row in reading.destinations() if row.name == "crm"]
    assert {state: n for state, n in crm.counts.items() if n} == {State.DEAD: 1}


def test_a_call_is_kept_while_an_event_or_a_receipt_of_it_is(store, desk):
    store.keep_call(Call("wavix", "call-1", last_received_at=100.0, ends_told=1))
    desk.owe()
    desk.end(desk.one(), receipt={"ts": "1"})

    assert store.forget_calls(LATER, 0, 100).rows == 0
    store.forget_events(LATER, LATER, 0, 100)
    assert store.forget_calls(LATER, 0, 100).rows == 0
    assert store.forget_receipts(LATER, 0, 100).rows == 1
    assert store.forget_calls(LATER, 0, 100).rows == 1
    assert store.call("wavix", "call-1") is None


def test_a_call_that_is_not_over_stays(store):
    store.keep_call(Call("wavix", "open", last_received_at=100.0))
    store.keep_call(Call("wavix", "ending", last_received_at=100.0, ends_told=1, end_due_at=110.0))

    assert store.forget_calls(LATER, 0, 100).rows == 0


def test_a_receipt_outlives_its_event_and_is_there_for_the_next(store, desk):
    desk.owe()
    desk.end(desk.one(), receipt={"ts": "1"})
    store.forget_events(LATER, LATER, 0, 100)
    store.forget_receipts(50, 0, 100)

    desk.owe(now=300.0, received_at=300.0)

    assert desk.one(now=300).receipt == '{"ts": "1"}'


def test_a_call_that_was_forgotten_begins_anew_with_its_next_event(store, desk, kept):
    store.keep_call(Call("wavix", "call-1", last_received_at=100.0, ends_told=1))
    store.forget_calls(LATER, 0, 100)

    store.keep_call(Call("wavix", "call-1", last_received_at=300.0))
    event = store.add_event(desk.event(), [NewDelivery("crm", None, True)], now=300)

    assert kept() == [event]
    assert desk.one(now=300).call.last_received_at == 300


def test_refused_bodies_are_forgotten_by_age(store, reading):
    old, young = (store.quarantine("wavix", b"{}", [], at, "") for at in (100, 300))

    assert store.forget_quarantine(LATER, 0, 100).rows == 1

    assert [row.id for row in reading.quarantined(10)] == [young]
    assert old != young


def test_a_forgetting_that_is_undone_has_forgotten_nothing(store, desk, reading, kept):
    event = ended(desk)

    def step():
        with store.transaction():
            store.forget_events(LATER, LATER, 0, 100)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        step()

    assert kept() == [event]
    [crm] = [row for row in reading.destinations() if row.name == "crm"]
    assert crm.counts == {State.DELIVERED: 1}
