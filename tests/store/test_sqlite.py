"""What is true of the SQLite store alone: its lock, its durability, its sentences, its questions to the indexes."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys

import pytest

from router.calls import Call, Incoming
from router.errors import AlreadyRunning, StoreError
from router.store import Filter, HistoryRow, NewDelivery, State
from router.store.migration import migrations
from router.store.sqlite.migrate import SQLITE
from router.store.sqlite.reading import SqliteReading
from router.store.sqlite.store import SqliteStore

DATABASES = ("sqlite",)

#: Opens the store in a process of its own, says so, and holds it until it is killed.
HOLD = """
import sys, time
from pathlib import Path
from router.store.sqlite.store import SqliteStore
store = SqliteStore.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the store in ``tmp_path``."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


# One writer --------------------------------------------------------------------------------------------------------


def test_a_second_process_is_refused_and_told_who_holds_the_store(holder, tmp_path):
    with pytest.raises(AlreadyRunning, match=f"process {holder.pid} already writes to the store in {tmp_path}"):
        SqliteStore.open(tmp_path)


def test_a_killed_process_holds_nothing(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)

    SqliteStore.open(tmp_path).close()


def test_a_second_opener_in_the_same_process_is_refused_too(tmp_path):
    store = SqliteStore.open(tmp_path)

    with pytest.raises(AlreadyRunning, match=f"process {os.getpid()} already"):
        SqliteStore.open(tmp_path)
    store.close()


def test_reading_does_not_take_the_lock_away(holder, tmp_path):
    SqliteReading.open(tmp_path).close()
    sqlite3.connect(tmp_path / "store.sqlite").close()

    with pytest.raises(AlreadyRunning):
        SqliteStore.open(tmp_path)


def test_a_store_that_cannot_be_opened_leaves_no_lock(tmp_path):
    (tmp_path / "store.sqlite").write_bytes(b"x" * 4096)
    for _ in range(2):
        with pytest.raises(StoreError, match="is not a callrouter store"):
            SqliteStore.open(tmp_path)


# Durability --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("cache_size", -16000)])
def test_the_writer_runs_with(tmp_path, pragma, value):
    store = SqliteStore.open(tmp_path)

    assert store._db.execute(f"PRAGMA {pragma}").fetchone() == (value,)
    store.close()


def test_what_was_committed_survives_a_kill(tmp_path):
    code = HOLD.replace('print("open"', 'store.know(["crm"], {}); store.move_cursor("a", 1); print("open"').replace(
        "sys.stdin.read()", 'store._db.execute("BEGIN"); store._db.execute("DELETE FROM cursor"); time.sleep(60)'
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "open\n"
        process.kill()

    store = SqliteStore.open(tmp_path)
    assert store.cursors() == {"a": 1}
    store.close()


def test_what_a_killed_writer_left_can_be_read_at_once(holder, tmp_path):
    holder.kill()
    holder.wait(10)
    assert (tmp_path / "store.sqlite-wal").exists()

    reading = SqliteReading.open(tmp_path)
    assert reading.events(Filter(), 10) == []
    reading.close()


def test_readers_can_change_nothing(reading):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reading._db.execute("DELETE FROM event")


def test_a_question_that_takes_too_long_is_given_up(reading, monkeypatch):
    monkeypatch.setattr("router.store.sqlite.reading.PATIENCE", -1.0)
    monkeypatch.setattr(
        "router.store.sqlite.reading._EVENTS",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n, event",
    )
    with pytest.raises(StoreError, match="took too long"):
        reading.events(Filter(), 1)


# Sentences ---------------------------------------------------------------------------------------------------------


def test_a_full_disk_undoes_the_whole_step_and_is_said_so(store, desk, reading):
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")

    def step():
        with store.transaction():
            store.move_cursor("a", 1)
            desk.owe(body=b"x" * 100_000)

    with pytest.raises(StoreError, match=r"the disk under .*store.sqlite is full: nothing was kept"):
        step()
    assert store.cursors() == {}

    store._db.execute("PRAGMA max_page_count = 1000000")
    desk.owe()
    assert len(reading.events(Filter(), 10)) == 1


def test_nothing_is_committed_after_an_error_inside_a_step_was_swallowed(store, desk, reading):
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]

    def step():
        with store.transaction():
            store._db.execute(f"PRAGMA max_page_count = {pages}")
            try:
                desk.owe(body=b"x" * 100_000)
            except StoreError:
                store._db.execute("PRAGMA max_page_count = 1000000")
            store._db.execute("ROLLBACK") if store._db.in_transaction else None
            store.move_cursor("a", 1)

    with pytest.raises(StoreError, match="undone by an earlier error"):
        step()
    assert store.cursors() == {}


def test_a_file_that_may_not_be_written_is_said_so(store):
    store._db.execute("PRAGMA query_only = 1")

    with pytest.raises(StoreError, match=r"store.sqlite cannot be written: check who owns it"):
        store.move_cursor("a", 1)


def test_a_missing_store_is_said_so(open_reading):
    with pytest.raises(StoreError, match=r"no store in .*data: has the daemon run here\?"):
        open_reading()


@pytest.mark.parametrize("open_it", [SqliteStore.open, SqliteReading.open], ids=["worker", "reader"])
def test_a_folder_that_is_none_is_said_so(tmp_path, open_it):
    (tmp_path / "data").write_text("a file")

    with pytest.raises(StoreError, match=r"cannot (open|look at) .*data/store"):
        open_it(tmp_path / "data")


def test_a_damaged_file_is_said_so(tmp_path):
    SqliteStore.open(tmp_path).close()
    path = tmp_path / "store.sqlite"
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))

    with pytest.raises(StoreError, match=r"store.sqlite is damaged: stop callrouter"):
        SqliteStore.open(tmp_path)


def test_a_file_locked_by_another_program_is_said_so(store, tmp_path, monkeypatch):
    other = sqlite3.connect(store._path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store._db.execute("PRAGMA busy_timeout = 0")

    with pytest.raises(StoreError, match="locked by another program"):
        store.move_cursor("a", 1)
    other.close()


@pytest.mark.parametrize("open_it", [SqliteStore.open, SqliteReading.open], ids=["worker", "reader"])
def test_a_store_of_a_newer_callrouter_is_refused(tmp_path, open_it):
    SqliteStore.open(tmp_path).close()
    db = sqlite3.connect(tmp_path / "store.sqlite")
    db.execute("INSERT INTO migration VALUES (99, 'future')")
    db.commit()
    db.close()

    with pytest.raises(StoreError, match=r"the store has format 99 .* install that version again"):
        open_it(tmp_path)


def test_a_store_not_yet_migrated_is_not_read(tmp_path):
    SqliteStore.open(tmp_path).close()
    db = sqlite3.connect(tmp_path / "store.sqlite")
    db.execute("DELETE FROM migration")
    db.commit()
    db.close()

    with pytest.raises(StoreError, match=f"has format 0, which the daemon .* brings to {len(migrations(SQLITE))}"):
        SqliteReading.open(tmp_path)


def test_a_transaction_inside_another_is_a_mistake(store):
    with pytest.raises(RuntimeError, match="durable step"), store.transaction(), store.transaction():
        pass


# Questions to the indexes --------------------------------------------------------------------------------------------


@pytest.fixture
def blocked(store, desk):
    """100,000 deliveries waiting behind one call, and one leased at its head."""
    desk.owe("blocked")
    store._db.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
        " INSERT INTO delivery (event_id, destination_id, call, state, replay, held_by_dead_letter)"
        " SELECT 1, 1, 1, 2, i, i % 2 FROM n"
    )
    return store


@pytest.fixture
def asked(blocked):
    """Every statement the store has run since, with its parameters filled in."""
    statements: list[str] = []
    blocked._db.set_trace_callback(statements.append)
    return statements


def _plans(store: SqliteStore | SqliteReading, statements: list[str]) -> list[str]:
    store._db.set_trace_callback(None)
    plans = []
    for statement in statements:
        if re.match(r"\s*(SELECT|UPDATE|INSERT|DELETE)", statement):
            rows = store._db.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
            plans += [row[3] for row in rows if re.search("delivery|event|TEMP", row[3])]
    return plans


def test_how_often_a_customer_called_is_one_question_to_an_index(store):
    coming = Incoming("wavix", "c1", "+442079460001", "2025-09-22", 90_000.0)

    [statement] = _statements(store, lambda: store.earlier_calls(coming), "SELECT")
    plan = [row[3] for row in store._db.execute(f"EXPLAIN QUERY PLAN {statement}")]
    found = "called_on=? AND customer_number=? AND source=? AND called_at<?"
    assert [one for one in plan if " call" in one] == [f"SEARCH call USING INDEX call_customer ({found})"]


def test_alerts_are_found_by_an_index_of_their_own(store):
    plan = store._db.execute(
        "EXPLAIN QUERY PLAN SELECT id FROM event WHERE event_type = 'alert' ORDER BY event.id DESC LIMIT 5"
    ).fetchall()

    assert "event_alert" in str(plan)


def test_no_event_of_a_call_touches_that_index_again(store):
    store.keep_call(Call("wavix", "c1"))
    [statement] = _statements(store, lambda: store.keep_call(Call("wavix", "c1", missed=True)), "UPDATE call")

    assert not {"customer_number", "called_at", "called_on"} & set(re.findall(r"\w+", statement))


def _statements(store, work, beginning):
    asked = []
    store._db.set_trace_callback(asked.append)
    work()
    store._db.set_trace_callback(None)
    return [one for one in asked if one.startswith(beginning)]


WORK = {
    "adding": lambda desk: desk.owe("blocked", held=True),
    "claiming": lambda desk: desk.take(),
    "claiming first attempts": lambda desk: desk.take(now=200, retries=0),
    "claiming both": lambda desk: desk.end(desk.one(), State.READY, due_at=1) and desk.owe("free") and desk.take(),
    "ending": lambda desk: desk.end(desk.one()),
    "retrying": lambda desk: desk.end(desk.one(), State.READY, due_at=1),
    "dying": lambda desk: desk.kill(desk.one()),
    "replaying": lambda desk: desk.kill(desk.one()) or desk.store.replay([1], 300),
    "renewing": lambda desk: desk.store.renew("w1", 1),
    "lapsing": lambda desk: desk.store.lapsed(1e9, 10),
    "looking for the next": lambda desk: desk.store.next_due(),
    "a new call": lambda desk: desk.store.add_event(desk.event("free"), [NewDelivery("crm", None, True)], now=1),
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_no_work_scans_deliveries_or_sorts_them(blocked, desk, asked, work):
    work(desk)

    plans = _plans(blocked, asked)
    assert plans
    for plan in plans:
        assert not re.match(r"SCAN (delivery|event|call)(?! USING INDEX delivery_leased| USING COVERING)", plan), plans
        assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_work_takes_no_more_steps_with_100000_behind_one_call(blocked, desk, work):
    """Counted in thousands of steps of SQLite's own machine: no clock is asked."""
    thousands = []
    blocked._db.set_progress_handler(lambda: thousands.append(1) and None, 1000)

    work(desk)

    assert len(thousands) <= 5


@pytest.mark.parametrize(
    "where",
    [Filter(), Filter(destination="crm"), Filter(since=1.0), *(Filter(destination="crm", state=s) for s in State)],
    ids=repr,
)
@pytest.mark.parametrize("rows", ["events", "deliveries"])
def test_no_page_is_made_by_sorting_all_rows(reading, rows, where):
    statements: list[str] = []
    reading._db.set_trace_callback(statements.append)
    getattr(reading, rows)(where, 10)

    plans = _plans(reading, statements)

    assert plans
    assert not [plan for plan in plans if "TEMP B-TREE" in plan]


@pytest.mark.parametrize("after", [None, HistoryRow(3, "wavix", 100.0, b"")])
def test_a_page_of_history_is_read_along_the_times_of_receipt(reading, after):
    statements: list[str] = []
    reading._db.set_trace_callback(statements.append)
    reading.history(50.0, 200.0, after, 10)

    plans = _plans(reading, statements)

    assert len(plans) == 1
    assert re.match(r"SEARCH event USING INDEX event_received \(.*received_at<\?\)", plans[0])
