"""What every store promises operators: cancel, drain, silences, the choice of deliveries, and how commands went."""

from __future__ import annotations

import pytest

from router.store import CommandRow, Filter, NewDelivery, SilenceRow, State

EVERYTHING = (0, 1000, 1000)


def _silence(number: int = 7, *, ends_at: float = 500.0) -> SilenceRow:
    return SilenceRow(number, ("tag=noisy",), "builders", "ada", 100.0, ends_at)


def _silenced(store, desk, *, silence: int = 7, call: str = "call-1") -> int:
    delivery = NewDelivery("crm", "missed", True, ended=State.SILENCED, reason="silence 7", silence=silence)
    event = store.add_event(desk.event(call), [delivery], now=100)
    assert event is not None
    return event


# Cancel ------------------------------------------------------------------------------------------------------------


def test_a_cancelled_delivery_ends_with_its_reason_and_lets_the_next_of_its_call_go(store, desk, reading):
    desk.owe()
    desk.owe()

    assert store.cancel([1], "cancelled by ada", 150) == 1

    row = reading.deliveries(Filter(), 1, after=0)[0]
    assert (row.state, row.reason, row.ended_at) == (State.CANCELLED, "cancelled by ada", 150)
    assert desk.one(now=150).delivery_id == 2
    assert reading.destinations()[0].counts == {State.CANCELLED: 1, State.LEASED: 1}


def test_what_is_being_attempted_is_not_cancelled(store, desk):
    desk.owe()
    claim = desk.one()

    assert store.cancel([claim.delivery_id], "by ada", 150) == 0
    assert desk.end(claim)


def test_what_has_ended_is_not_cancelled(store, desk):
    desk.owe()
    desk.end(desk.one())

    assert store.cancel([1, 99], "by ada", 150) == 0


def test_cancelling_from_the_middle_of_a_line_keeps_its_order(store, desk):
    for _ in range(3):
        desk.owe()

    store.cancel([2], "by ada", 150)

    first = desk.one(now=150)
    assert desk.take(now=150) == []
    desk.end(first, now=151)
    assert (first.delivery_id, desk.one(now=151).delivery_id) == (1, 3)


def test_a_delivery_held_behind_a_dead_letter_can_be_cancelled(store, desk, states):
    desk.owe(held=True)
    desk.kill(desk.one())
    desk.owe(held=True)
    desk.owe(held=True)

    assert store.cancel([2], "by ada", 150) == 1
    assert states() == {1: State.DEAD, 2: State.CANCELLED, 3: State.HELD}


# Choose ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({}, [1, 2, 3, 4]),
        ({"destination": "slack"}, [2]),
        ({"state": State.DEAD}, [1]),
        ({"unfinished": True}, [2, 3, 4]),
        ({"rule": "missed"}, [1, 2, 3, 4]),
        ({"rule": "other"}, []),
        ({"call_id": "call-2"}, [3]),
        ({"event_id": 1}, [1, 2]),
        ({"source": "other"}, [4]),
        ({"since": 150.0}, [3, 4]),
        ({"until": 150.0}, [1, 2]),
    ],
)
def test_deliveries_are_chosen_and_counted_by_everything_that_is_said_of_them(store, desk, reading, where, ids):
    desk.owe("call-1", "crm", "slack")
    desk.kill(desk.one())
    desk.owe("call-2", received_at=200.0)
    desk.owe("call-3", received_at=200.0, source="other")

    assert store.choose(Filter(**where), *EVERYTHING) == ids
    assert sum(one.number for one in reading.count(Filter(**where), 0, 1000)) == len(ids)
    assert [row.id for row in reading.deliveries(Filter(**where), 10, after=0)] == ids


def test_only_ids_within_the_window_are_chosen_and_no_more_than_asked_for(store, desk):
    for _ in range(5):
        desk.owe()

    assert store.choose(Filter(), 1, 4, 10) == [2, 3, 4]
    assert store.choose(Filter(), 0, 5, 2) == [1, 2]


def test_a_count_says_how_many_of_each_destination_and_state_from_which_id_to_which(desk, reading):
    desk.owe("call-1", "crm", "slack")
    desk.owe("call-2")
    desk.kill(desk.one(limit=1))
    desk.owe("call-3")

    counted = [(one.destination, one.state, one.number, one.first, one.last) for one in reading.count(Filter(), 0, 9)]

    assert counted == [("crm", State.READY, 2, 3, 4), ("crm", State.DEAD, 1, 1, 1), ("slack", State.READY, 1, 2, 2)]


# Replay with a pace, give up in steps --------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.DEAD, State.DELIVERED])
def test_a_paced_replay_spreads_due_times_by_age_and_patience_begins_then(store, desk, state):
    for n in range(3):
        desk.owe(f"call-{n}")
    for claim in desk.take():
        desk.end(claim, state)

    assert store.replay([1, 2, 3], 200, due_from=210, apart=2.0) == 3

    assert [len(desk.take(now=now)) for now in (209, 210, 211, 212)] == [0, 1, 0, 1]
    assert desk.one(now=214).owed.since == 214


def test_a_destination_is_given_up_step_by_step_and_every_line_whole(store, desk, states):
    for call in ("call-1", "call-1", "call-1", "call-2"):
        desk.owe(call)

    assert store.give_up("crm", 300, 1) == 3
    assert states()[4] is State.READY
    assert [store.give_up("crm", 300, 1) for _ in range(2)] == [1, 0]
    assert set(states().values()) == {State.DEAD}


# Silences and drains -------------------------------------------------------------------------------------------------


def test_a_silenced_delivery_has_ended_visibly_and_keeps_nothing_back(store, desk, reading):
    store.silence(_silence())
    _silenced(store, desk)
    desk.owe()

    assert desk.one().delivery_id == 2
    row = reading.deliveries(Filter(state=State.SILENCED), 10)[0]
    assert (row.id, row.reason, row.ended_at, row.attempts) == (1, "silence 7", 100, 0)
    assert reading.destinations()[0].counts == {State.SILENCED: 1, State.LEASED: 1}


def test_what_a_silence_has_caught_is_found_also_after_it_was_replayed(store, desk, reading):
    store.silence(_silence())
    _silenced(store, desk)
    desk.owe("call-2")

    assert store.choose(Filter(silence=7), *EVERYTHING) == [1]
    store.replay([1], 200)

    assert [row.state for row in reading.deliveries(Filter(silence=7), 10)] == [State.READY]
    assert reading.silences() == [(_silence(), 1)]


def test_a_silence_is_active_until_its_end(store, reading):
    store.silence(_silence(ends_at=500))

    assert [len(store.silences(now)) for now in (499, 500)] == [1, 0]
    assert [len(reading.silences(now)) for now in (499, 500, None)] == [1, 0, 1]


def test_a_silence_that_was_ended_says_by_whom_and_ends_once(store, reading):
    store.silence(_silence(ends_at=500))

    assert store.end_silence(7, "bob", 300)
    assert not store.end_silence(7, "eve", 301)
    assert not store.end_silence(99, "eve", 301)
    [(row, _)] = reading.silences()
    assert (row.ends_at, row.ended_by) == (300, "bob")


def test_a_drain_is_remembered_until_the_destination_resumes(store, reading, open_store):
    store.drain("crm", "it moves", 100)
    store.drain("crm", "it moves tomorrow", 120)
    assert store.draining() == {"crm": "it moves tomorrow"}
    row = reading.destinations()[0]
    assert (row.drain_reason, row.drained_at) == ("it moves tomorrow", 100)

    store.close()
    store = open_store()
    assert store.draining() == {"crm": "it moves tomorrow"}
    store.resume("crm", 200)
    assert store.draining() == {}


def test_a_draining_destination_is_sent_what_waits(store, desk):
    desk.owe()
    store.drain("crm", "it moves", 100)

    assert len(desk.take()) == 1


# Commands ------------------------------------------------------------------------------------------------------------


def test_a_command_is_under_way_until_it_has_ended_and_its_result_stays(store, reading):
    store.note_command(CommandRow(3, 100.0))
    store.note_command(CommandRow(4, 101.0, progress={"done": 7}))
    store.note_command(CommandRow(3, 100.0, 105.0, "replayed 2", {"done": 2}))

    assert store.commands_under_way() == [CommandRow(4, 101.0, progress={"done": 7})]
    assert reading.commands([3, 4, 5]) == {
        3: CommandRow(3, 100.0, 105.0, "replayed 2", {"done": 2}),
        4: CommandRow(4, 101.0, progress={"done": 7}),
    }
