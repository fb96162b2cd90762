"""Days on PostgreSQL: their tables are made ahead, filled by time of receipt, and dropped whole once they are old."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import psycopg
import pytest

from router.store import Filter, NewDelivery, SilenceRow, State
from router.store.postgres import days, retention
from router.store.postgres.days import DAY, Busy
from router.store.postgres.store import PostgresStore
from tests.harness.waiting import until

DATABASES = ("fresh postgres",)

#: 2025-11-25, in days since 1970.
TODAY = 20417
BEGIN = TODAY * DAY + 0.5
#: When all of that day is old.
LATER = (TODAY + 1) * float(DAY)
ANSWER = {"status": 200, "seconds": 0.1, "headers": {}, "body": "fine", "cut": False}


def make(store, now=BEGIN, ahead=1):
    with store.transaction():
        return days.make(store.session, now, ahead)


def tables(store):
    rows = store.session.execute(
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relname ~ '^(event|ended|attempt)_[0-9]'"
    )
    return [name for (name,) in rows]


def rows_of(store, table):
    [[n]] = store.session.execute(f"SELECT count(*) FROM {table}").fetchall()
    return n


@pytest.fixture
def day(store, desk):
    """Tables of two days; what is owed is received on the first, and ended then, unless a test says otherwise."""
    make(store)
    return desk


def ended(desk, call="call-1", state=State.DELIVERED, *, at=BEGIN, **changes):
    event = desk.owe(call, received_at=at, now=at)
    assert desk.end(desk.one(now=at), state, now=at + 1, **changes)
    return event


def forget_all(store, before=LATER, dead_before=LATER, limit=100):
    """Take steps until the end is reached; return what each has forgotten."""
    rows, place = [], 0
    while place is not None:
        step = store.forget_events(before, dead_before, place, limit)
        rows.append(step.rows)
        place = step.place
        assert len(rows) < 100
    return rows


# Made ----------------------------------------------------------------------------------------------------------------


def test_tables_are_made_for_today_and_the_days_after_and_only_once(store):
    assert make(store, ahead=2) == [
        *("event_20251125", "ended_20251125", "attempt_20251125"),
        *("event_20251126", "ended_20251126", "attempt_20251126"),
        *("event_20251127", "ended_20251127", "attempt_20251127"),
    ]
    assert make(store, ahead=2) == []
    assert [name[-8:] for name in make(store, BEGIN + DAY, ahead=2)] == ["20251128"] * 3


def test_what_is_received_goes_into_the_tables_of_its_day(day, store):
    ended(day)
    ended(day, at=BEGIN + DAY)
    ended(day, at=BEGIN - DAY)

    for table in days.KEPT:
        assert [rows_of(store, f"{table}_{end}") for end in ("20251125", "20251126", "other")] == [1, 1, 1]


def test_a_day_that_has_begun_elsewhere_stays_there(store, desk):
    event = ended(desk)

    assert {name[-8:] for name in make(store)} == {"20251126"}
    assert ended(desk, "call-2") > event
    assert rows_of(store, "event_other") == 2


def test_two_nodes_make_the_tables_of_a_day_once(store, open_store):
    other = open_store()
    with ThreadPoolExecutor(1) as beside:
        with store.transaction():
            mine = days.make(store.session, BEGIN, 1)
            theirs = beside.submit(make, other)
            until(lambda: _waits(store, other), what="the other node to wait")

        assert (len(mine), theirs.result()) == (6, [])


def test_tables_are_not_made_while_somebody_holds_one_and_the_transaction_goes_on(store, databases):
    store.session.execute("SET lock_timeout = '60s'")
    began = time.monotonic()
    with psycopg.connect(databases.url) as somebody, store.transaction():
        somebody.execute("SELECT * FROM event")
        with pytest.raises(Busy):
            days.make(store.session, BEGIN, 1)
        store.move_cursor("a", 5)

    assert time.monotonic() - began < 30
    assert store.cursors() == {"a": 5}
    assert len(make(store)) == 6


def test_whoever_has_made_tables_is_as_patient_as_before(store):
    store.session.execute("SET lock_timeout = '7s'")
    with store.transaction():
        days.make(store.session, BEGIN, 1)

        assert store.session.execute("SHOW lock_timeout").fetchall() == [("7s",)]


def _waits(store: PostgresStore, other: PostgresStore) -> bool:
    rows = store.session.execute("SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted", (other.session.pid,))
    return bool(rows.fetchall())


# Dropped -------------------------------------------------------------------------------------------------------------


def test_a_day_of_which_nothing_is_needed_is_dropped_with_all_that_hangs_on_it(day, store, reading):
    store.silence(SilenceRow(7, ("tag=noisy",), "builders", "ada", BEGIN, BEGIN))
    ended(day, answer=ANSWER)
    caught = NewDelivery("crm", "missed", True, ended=State.SILENCED, reason="silence 7", silence=7)
    store.add_event(day.event("call-2", received_at=BEGIN), [caught], now=BEGIN)
    kept = ended(day, "call-3", at=BEGIN + DAY, answer=ANSWER)

    assert forget_all(store) == [2, 0]

    assert [name for name in tables(store) if name.endswith("20251125")] == []
    assert [row.id for row in reading.events(Filter(), 10)] == [kept]
    assert [row.event_id for row in reading.deliveries(Filter(), 10)] == [kept]
    assert reading.destinations()[0].counts == {State.DELIVERED: 1}
    assert [rows_of(store, table) for table in ("event_key", "answer", "silenced", "attempt")] == [1, 1, 0, 1]


def test_nothing_of_a_day_is_forgotten_before_all_of_it_is_old(day, store):
    ended(day)

    assert forget_all(store, LATER - 1, LATER - 1) == [0]
    assert rows_of(store, "event_20251125") == 1


def test_what_is_needed_of_a_day_outlives_its_tables(day, store, reading):
    gone = ended(day, "call-1")
    dead = ended(day, "call-2", State.DEAD)
    late = ended(day, "call-3", at=BEGIN)
    store.session.execute("UPDATE ended SET ended_at = %s WHERE event_id = %s", (LATER + 5, late))
    owed = day.owe("call-4", received_at=BEGIN, now=BEGIN)
    day.end(day.one(now=BEGIN), State.READY, now=BEGIN, due_at=LATER + 9)

    assert sum(forget_all(store, LATER, 0)) == 1

    assert [row.id for row in reading.events(Filter(), 10)] == [owed, late, dead]
    assert gone < dead
    found = {row.event_id: row for row in reading.deliveries(Filter(), 10)}
    assert [len(reading.attempts(found[event].id)) for event in (dead, late, owed)] == [1, 1, 1]
    assert reading.destinations()[0].counts == {State.DEAD: 1, State.DELIVERED: 1, State.READY: 1}
    assert store.add_event(day.event("call-2", key=_key(reading, dead)), [], now=LATER) is None
    assert [name for name in tables(store) if name.endswith("20251125")] == []
    # And is forgotten in its turn, one by one.
    assert sum(forget_all(store, LATER + 6, LATER + 6)) == 2
    assert [row.id for row in reading.events(Filter(), 10)] == [owed]
    assert day.one(now=LATER + 10).event_id == owed


def _key(reading, event):
    return bytes.fromhex(next(row.key for row in reading.deliveries(Filter(event_id=event), 1)).split("-")[0])


def test_a_day_is_dropped_in_steps_that_each_delete_few_rows(day, store):
    for n in range(25):
        ended(day, f"call-{n}", answer=ANSWER)

    rows, keys = [], [25]
    while "event_20251125" in tables(store):
        step = store.forget_events(LATER, LATER, 0, 10)
        assert step.place == 0
        rows.append(step.rows)
        keys.append(rows_of(store, "event_key"))

    assert sum(rows) == rows[-1] == 25
    assert max(before - after for before, after in pairwise(keys)) <= 10


def test_a_day_of_which_much_is_needed_is_deleted_one_by_one(day, store, reading, monkeypatch):
    monkeypatch.setattr(retention, "MOST_NEEDED", 1)
    dead = [ended(day, f"call-{n}", State.DEAD) for n in range(2)]
    ended(day, "call-3")

    assert sum(forget_all(store, LATER, 0)) == 1
    assert [row.id for row in reading.events(Filter(), 10)] == dead[::-1]
    assert "event_20251125" in tables(store)

    # The day goes once little is needed of it.
    assert sum(forget_all(store, LATER, LATER)) == 2
    assert sum(forget_all(store, LATER, LATER)) == 0
    assert "event_20251125" not in tables(store)


def test_nobody_waits_for_a_reader_of_the_day_which_is_dropped_the_next_time(day, store, databases, reading):
    event = ended(day)
    with psycopg.connect(databases.url) as somebody:
        somebody.execute("SELECT * FROM event")
        assert forget_all(store) == [0, 0]
        assert [row.id for row in reading.events(Filter(), 10)] == [event]

    assert sum(forget_all(store)) == 1
    assert reading.events(Filter(), 10) == []


def test_a_drop_that_is_undone_has_dropped_nothing(day, store, reading):
    event = ended(day)

    def step():
        with store.transaction():
            assert store.forget_events(LATER, LATER, 0, 100).rows == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        step()

    assert [row.id for row in reading.events(Filter(), 10)] == [event]
    assert reading.destinations()[0].counts == {State.DELIVERED: 1}
    assert sum(forget_all(store)) == 1


# One by one ----------------------------------------------------------------------------------------------------------


def test_a_dead_letter_whose_call_another_node_works_on_is_kept_until_the_next_time(store, desk, databases):
    desk.owe()
    desk.kill(desk.one())
    [[call]] = store.session.execute("SELECT call FROM delivery").fetchall()

    with psycopg.connect(databases.url) as somebody:
        somebody.execute("SELECT pg_advisory_xact_lock(%s::bigint)", (call,))
        assert forget_all(store, 200.0, 200.0) == [0]

    assert forget_all(store, 200.0, 200.0) == [1]
