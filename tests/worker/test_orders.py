"""Recorded commands in the worker: carried out in order, step by step, once, with a result for everybody to read."""

from __future__ import annotations

import time
from contextlib import closing
from itertools import pairwise

import pytest

from router.commands.file import CommandFile
from router.errors import StoreError
from router.store import CommandRow, Filter, State
from router.store.sqlite.reading import SqliteReading
from router.worker import errands, orders
from tests.harness.waiting import until
from tests.worker.bench import DAEMON, Bench


class Desk:
    """An operator with a worker that has ended a few deliveries."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.file = CommandFile(bench.data)

    def ended(self, count: int, state: State = State.DEAD) -> list[int]:
        from tests.store.conftest import Desk as Store

        store = Store(self.bench.store, count=len(self.states()))
        for n in range(count):
            store.owe(f"call-{n}-{time.time_ns()}")
        claims = store.take(limit=count)
        for claim in claims:
            store.end(claim, state)
        return [claim.delivery_id for claim in claims]

    def record(self, action: str, who: str = "ada", **arguments: object) -> int:
        return self.file.append(action, arguments, who=who, now=time.time())

    def turn(self) -> None:
        # Commands are looked for once a second.
        self.bench.worker._next_tick = 0.0
        self.bench.turn()

    def done(self, number: int) -> str:
        def carried_out() -> str | None:
            self.turn()
            row = self.row(number)
            return row.result if row else None

        return str(until(carried_out, what="it is carried out"))

    def row(self, number: int) -> CommandRow | None:
        with closing(SqliteReading.open(self.bench.data)) as reading:
            return reading.commands([number]).get(number)

    def states(self) -> dict[int, State]:
        with closing(SqliteReading.open(self.bench.data)) as reading:
            return {row.id: row.state for row in reading.deliveries(Filter(), 5000)}


@pytest.fixture
def desk(bench: Bench):
    desk = Desk(bench)
    yield desk
    desk.file.close()


@pytest.fixture
def one_step_a_turn(monkeypatch):
    monkeypatch.setattr(orders, "SLICE", 0.0)
    monkeypatch.setattr(errands, "STEP", 10)


def test_a_replay_by_numbers_says_how_many_and_what_was_left_alone(desk):
    ids = desk.ended(3)

    assert (
        desk.done(desk.record("replay", deliveries=[*ids, 999]))
        == "replayed 3 deliveries; 1 left alone because they have not ended"
    )


def test_a_replay_by_filter_replays_what_fits_and_nothing_else(desk):
    dead, delivered = desk.ended(2), desk.ended(2, State.DELIVERED)

    result = desk.done(desk.record("replay", where={"state": "dead"}, after=0, to=delivered[-1]))

    assert result == "replayed 2 deliveries"
    assert [desk.states()[number] for number in delivered] == [State.DELIVERED] * 2
    assert all(desk.states()[number] < State.DELIVERED for number in dead)


def test_replaying_what_was_delivered_does_not_replay_its_own_copies(desk):
    ids = desk.ended(2, State.DELIVERED)

    result = desk.done(desk.record("replay", where={"state": "delivered"}, after=0, to=ids[-1]))

    assert result == "replayed 2 deliveries"
    assert len(desk.states()) == 4


def test_what_came_after_the_command_was_recorded_is_not_meant(desk):
    ids = desk.ended(4)

    result = desk.done(desk.record("replay", where={"state": "dead"}, after=ids[0], to=ids[2]))

    assert result == "replayed 2 deliveries"
    assert [desk.states()[number] for number in (ids[0], ids[3])] == [State.DEAD] * 2


def test_a_limit_takes_the_oldest(desk, one_step_a_turn):
    ids = desk.ended(30)

    result = desk.done(desk.record("replay", where={"state": "dead"}, after=0, to=ids[-1], limit=12))

    assert result == "replayed 12 deliveries"
    assert {desk.states()[number] for number in ids[12:]} == {State.DEAD}


def test_a_rate_holds_over_all_steps(desk, one_step_a_turn):
    ids = desk.ended(25)

    result = desk.done(desk.record("replay", where={"state": "dead"}, after=0, to=ids[-1], rate="1/h"))

    with closing(SqliteReading.open(desk.bench.data)) as reading:
        due = [row.due_at for row in reading.deliveries(Filter(), 25, after=1)]
    assert result == "replayed 25 deliveries at 1/h, over 1d"
    assert [round(later - earlier) for earlier, later in pairwise(due)] == [3600] * 23


def test_a_long_command_leaves_room_for_everything_else(desk, bench, one_step_a_turn):
    ids = desk.ended(100)
    number = desk.record("cancel", where={"unfinished": True}, after=0, to=ids[-1])
    bench.store.pause("crm", "so that they wait", "", 1)
    bench.store.replay(ids, time.time() + 1000)
    bench.store.resume("crm", 2)
    bench.accept()

    desk.turn()

    # One step of ten, and in the same turn the event was routed and its delivery handed to the sender.
    assert sum(state is State.CANCELLED for state in desk.states().values()) == 10
    assert len(bench.jobs()) == 1
    row = desk.row(number)
    assert (row.ended_at, row.progress["done"]) == (None, 10)
    assert desk.done(number) == "cancelled 100 deliveries"


def test_a_destination_with_many_deliveries_is_given_up_over_many_turns(desk, bench, one_step_a_turn):
    ids = desk.ended(50)
    bench.store.replay(ids, time.time() + 1000)
    number = desk.record("give-up", destination="crm")

    desk.turn()

    assert sum(state is State.DEAD for state in desk.states().values()) == 10
    assert desk.done(number) == "moved 50 unfinished deliveries to crm to the dead letters"


def test_what_is_done_at_once_does_not_wait_for_what_takes_long(desk, one_step_a_turn):
    ids = desk.ended(50)
    long = desk.record("replay", deliveries=ids)
    pause = desk.record("pause", destination="crm", reason="stop that")

    desk.turn()

    assert desk.row(long).ended_at is None
    assert desk.row(pause).result == "paused crm"


def test_long_commands_are_carried_out_in_the_order_they_were_recorded(desk, one_step_a_turn):
    ids = desk.ended(30)
    desk.record("replay", deliveries=ids, rate="1/h")
    desk.done(desk.record("cancel", deliveries=ids))

    # Cancelled first, nothing would have waited yet, and all would be replayed. The first was due at once.
    assert set(desk.states().values()) <= {State.CANCELLED, State.LEASED}
    assert list(desk.states().values()).count(State.CANCELLED) >= 29


def test_a_command_goes_on_where_a_killed_worker_left_it(desk, bench, one_step_a_turn):
    ids = desk.ended(30, State.DELIVERED)
    number = desk.record("replay", where={"state": "delivered"}, after=0, to=ids[-1])
    desk.turn()
    assert desk.row(number).progress["done"] == 10

    # What a new worker would have: nothing but the store and the file.
    bench.worker.orders = orders.Orders(
        bench.store, bench.worker.routing, bench.config, bench.worker.log, CommandFile(bench.data)
    )

    assert desk.done(number) == "replayed 30 deliveries"
    assert len(desk.states()) == 60


def test_a_turn_that_was_undone_takes_its_step_again(desk, bench, one_step_a_turn, monkeypatch):
    ids = desk.ended(20)
    number = desk.record("replay", deliveries=ids)
    claim = bench.store.claim
    monkeypatch.setattr(bench.store, "claim", lambda *_, **__: (_ for _ in ()).throw(StoreError("no")))
    desk.turn()
    assert desk.row(number) is None
    monkeypatch.setattr(bench.store, "claim", claim)

    assert desk.done(number) == "replayed 20 deliveries"


def test_what_another_version_recorded_is_left_alone_with_a_result_and_holds_nobody_up(desk):
    unknown, broken = desk.record("dance"), desk.record("replay", where={"moon": "full"}, after=0, to=9)
    after = desk.record("resume", destination="crm")

    assert desk.done(after) == "resumed crm"
    assert desk.done(unknown) == 'left alone: this version does not know "dance"'
    assert desk.done(broken).startswith("ended early: this version does not understand what was recorded")


def test_cancelling_leaves_alone_what_is_being_attempted_and_says_how_many(desk, bench):
    bench.accept()
    bench.turn()
    [job] = bench.jobs()

    result = desk.done(desk.record("cancel", deliveries=[job.delivery_id], reason="too late"))

    assert result == "cancelled 0 deliveries; 1 left alone because they are being attempted or have ended"
    bench.answer(job)
    bench.turn()
    assert bench.delivery().state is State.DELIVERED


def test_a_cancelled_delivery_says_who_wanted_it_and_why(desk, bench):
    [number] = desk.ended(1)
    bench.store.replay([number], time.time() + 1000)

    desk.done(desk.record("cancel", deliveries=[number], reason="too late"))

    assert bench.delivery().reason == "cancelled by ada: too late"


def test_an_operator_ends_the_daemon_once(desk, bench):
    ends = []
    bench.worker._end = lambda: ends.append(1)

    result = desk.done(desk.record("drain", daemons=[DAEMON]))
    desk.turn()

    assert result.startswith("ending: nothing new is attempted")
    assert ends == [1]


def test_a_worker_ends_its_daemon_however_young_it_is_itself(desk, bench):
    ends = []
    bench.worker._end = lambda: ends.append(1)
    number = desk.file.append("drain", {"daemons": [DAEMON]}, who="ada", now=time.time() - 3600)

    assert desk.done(number).startswith("ending")
    desk.turn()
    assert ends == [1]


def test_a_daemon_that_was_started_since_is_not_ended(desk, bench):
    ends = []
    bench.worker._end = lambda: ends.append(1)
    number = desk.record("drain", daemons=[DAEMON - 3600])

    assert desk.done(number) == "left alone: this daemon was started after it was asked for"
    assert ends == []
