"""What every store promises about the order of deliveries within one call. Each test runs once per database."""

from __future__ import annotations

import random

import pytest

from router.store import Filter, NewDelivery, State

READY, LEASED, WAITING, HELD = State.READY, State.LEASED, State.WAITING, State.HELD
DELIVERED, DEAD = State.DELIVERED, State.DEAD

DATABASES = ("sqlite", "postgres", "older postgres")


def test_deliveries_of_one_call_go_one_after_the_other(desk):
    events = [desk.owe(), desk.owe(), desk.owe()]

    seen = []
    for _ in events:
        claim = desk.one(now=200)
        seen.append(claim.event_id)
        desk.end(claim)

    assert seen == events


def test_the_next_of_a_call_waits_while_the_first_is_retried(desk):
    first, _ = desk.owe(), desk.owe()
    desk.end(desk.one(), READY, due_at=500)

    assert desk.take(now=499) == []
    assert desk.one(now=500).event_id == first


@pytest.mark.parametrize("end", [DELIVERED, DEAD, State.EXPIRED, State.CANCELLED, State.SILENCED])
def test_every_end_lets_the_next_of_the_call_go(desk, end):
    desk.owe()
    second = desk.owe()
    desk.end(desk.one(), end, now=150)

    assert desk.take(now=149) == []
    assert desk.one(now=150).event_id == second


def test_calls_and_destinations_do_not_wait_for_each_other(desk):
    desk.owe("call-1", "crm", "slack")
    desk.owe("call-1", "crm", "slack")
    desk.owe("call-2", "crm")

    assert [claim.call_id for claim in desk.take("crm")] == ["call-1", "call-2"]
    assert len(desk.take("slack")) == 1


def test_calls_of_one_id_from_two_sources_do_not_wait_for_each_other(desk):
    desk.owe("same", source="wavix")
    desk.owe("same", source="other")

    assert len(desk.take()) == 2


def test_without_order_nothing_waits(desk):
    desk.owe(ordered=False)
    desk.owe(ordered=False)

    assert len(desk.take()) == 2


def test_an_ordered_delivery_does_not_wait_for_an_unordered_one(desk):
    desk.owe(ordered=False)
    desk.owe(ordered=True)

    assert len(desk.take()) == 2


# Dead letters that hold ---------------------------------------------------------------------------------------------


def test_a_dead_letter_holds_the_next_of_its_call_where_asked(desk, states):
    desk.owe(held=True)
    desk.owe(held=True)
    desk.owe(held=True)
    desk.kill(desk.one())

    assert list(states().values()) == [WAITING, HELD, DEAD]
    assert desk.take(now=1e9) == []


def test_a_dead_letter_holds_what_comes_later_too(desk, states):
    desk.owe(held=True)
    desk.kill(desk.one())
    desk.owe(held=True)
    desk.owe(held=True)

    assert list(states().values()) == [WAITING, HELD, DEAD]


def test_a_dead_letter_holds_no_other_call(desk):
    desk.owe("call-1", held=True)
    desk.kill(desk.one())
    desk.owe("call-2", held=True)

    assert len(desk.take()) == 1


def test_what_is_not_to_be_held_goes_on_behind_a_dead_letter(desk):
    desk.owe(held=False)
    desk.kill(desk.one())
    desk.owe(held=False)

    assert len(desk.take()) == 1


def test_a_replayed_dead_letter_goes_before_what_it_held(store, desk, states):
    first = desk.owe(held=True)
    second = desk.owe(held=True)
    dead = desk.one()
    desk.kill(dead)

    store.replay([dead.delivery_id], 200)
    assert list(states().values()) == [WAITING, READY]

    replayed = desk.one(now=200)
    assert replayed.event_id == first
    desk.end(replayed, now=210)
    assert desk.one(now=210).event_id == second


def test_a_dead_letter_that_dies_again_holds_again(store, desk, states):
    desk.owe(held=True)
    desk.owe(held=True)
    dead = desk.one()
    desk.kill(dead)
    store.replay([dead.delivery_id], 200)
    desk.kill(desk.one(now=200))

    assert list(states().values()) == [HELD, DEAD]


def test_every_dead_letter_of_a_call_must_be_settled_before_what_is_behind_goes(store, desk, states):
    desk.owe(held=False)
    desk.owe(held=False)
    desk.kill(desk.one())
    dead = desk.one(now=200)
    desk.kill(dead)
    desk.owe(held=True)
    store.replay([dead.delivery_id], 200)
    desk.end(desk.one(now=200), now=210)

    assert list(states().values()) == [HELD, DELIVERED, DEAD]


# Replays within a line ----------------------------------------------------------------------------------------------


def test_a_replayed_delivery_does_not_run_beside_a_leased_one_of_its_call(store, desk, states):
    first = desk.owe()
    desk.owe()
    dead = desk.one()
    desk.kill(dead)
    running = desk.one(now=200)

    store.replay([dead.delivery_id], 200)
    assert list(states().values()) == [LEASED, WAITING]

    desk.end(running, now=300)
    assert desk.one(now=300).event_id == first


def test_a_retry_lets_a_replayed_earlier_one_of_its_call_go_first(store, desk):
    first, second = desk.owe(), desk.owe()
    dead = desk.one()
    desk.kill(dead)
    running = desk.one(now=200)
    store.replay([dead.delivery_id], 200)
    desk.end(running, READY, now=210, due_at=900)

    replayed = desk.one(now=210)
    assert replayed.event_id == first
    desk.end(replayed, now=220)
    assert desk.take(now=899) == [], "the destination asked to be left alone until 900"
    assert desk.one(now=900).event_id == second


def test_a_replayed_earlier_delivery_goes_before_a_ready_one(store, desk, states):
    first = desk.owe()
    desk.owe()
    dead = desk.one()
    desk.kill(dead)
    store.replay([dead.delivery_id], 200)

    assert list(states().values()) == [WAITING, READY]
    assert desk.one(now=200).event_id == first


def test_a_replayed_later_delivery_waits_behind_a_ready_one(store, desk):
    desk.owe(held=True)
    desk.owe()
    first = desk.one()
    desk.kill(first)
    second = desk.one(now=200)
    desk.kill(second)

    assert store.replay([second.delivery_id, first.delivery_id], 300) == 2

    replayed = desk.one(now=300)
    assert replayed.delivery_id == first.delivery_id
    desk.end(replayed, now=310)
    assert desk.one(now=310).delivery_id == second.delivery_id


def test_replaying_only_the_later_of_two_dead_letters_keeps_it_held(store, desk, states):
    desk.owe(held=False)
    desk.owe(held=True)
    desk.kill(desk.one())
    (held,) = [delivery for delivery, state in states().items() if state is HELD]
    store.give_up("crm", 200, 1000)

    store.replay([held], 300)

    assert states()[held] is HELD


# All of it at once --------------------------------------------------------------------------------------------------


def _line_rules(rows):
    """Only the head of a line is not WAITING, unless a leased one has a replayed one before it."""
    lines: dict[tuple[str, str], list[tuple[int, State]]] = {}
    for row in sorted(rows, key=lambda row: row.id):
        if not row.state.finished:
            lines.setdefault((row.destination, row.call_id), []).append((row.id, row.state))
    for line in lines.values():
        heads = [state for _, state in line if state is not WAITING]
        assert len(heads) == 1, line
        assert heads == [LEASED] or line[0][1] is heads[0], line


@pytest.mark.parametrize("seed", range(8))
def test_no_walk_of_the_worker_breaks_a_line_or_the_tally(store, desk, reading, seed):
    """Whatever happens in whatever order: one head per line, ids in order, counts that are true."""
    chance = random.Random(seed)
    leased = []
    now = 100.0
    for _ in range(250):
        now += 1
        match chance.choice(["owe", "owe", "take", "end", "end", "replay", "give up"]):
            case "owe":
                to = chance.sample(["crm", "slack"], chance.randint(1, 2))
                owed = [NewDelivery(name, None, True, chance.random() < 0.5) for name in to]
                store.add_event(desk.event(f"call-{chance.randint(1, 3)}"), owed, now=now)
            case "take":
                leased += desk.take(chance.choice(["crm", "slack"]), now=now, limit=chance.randint(1, 3))
            case "end" if leased:
                claim = leased.pop(chance.randrange(len(leased)))
                end = chance.choice([DELIVERED, DELIVERED, DEAD, READY, State.EXPIRED])
                desk.end(claim, end, now=now, due_at=now + chance.randint(0, 9), counts=end is not READY)
            case "replay":
                rows = reading.deliveries(Filter(), 1000)
                store.replay([row.id for row in chance.sample(rows, min(3, len(rows)))], now)
            case "give up" if chance.random() < 0.2:
                store.give_up(chance.choice(["crm", "slack"]), now, 1000)
        rows = reading.deliveries(Filter(), 1000)
        _line_rules(rows)
        for destination in reading.destinations():
            states = [row.state for row in rows if row.destination == destination.name]
            assert destination.counts == {state: states.count(state) for state in set(states)}


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_stranded_once_all_succeed(store, desk, reading, seed):
    chance = random.Random(seed)
    for _ in range(60):
        held = chance.random() < 0.5
        desk.owe(f"call-{chance.randint(1, 3)}", held=held)
        for claim in desk.take(now=1000, limit=2):
            desk.end(claim, chance.choice([DELIVERED, DEAD, READY]), now=1000)

    for _ in range(200):
        dead = [row.id for row in reading.deliveries(Filter(state=DEAD), 1000)]
        store.replay(dead, 1000)
        for claim in desk.take(now=1000):
            desk.end(claim, now=1000)

    assert {row.state for row in reading.deliveries(Filter(), 1000)} == {DELIVERED}
