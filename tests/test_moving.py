"""A store that moves from a folder into a PostgreSQL: everything, unchanged, or nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3

import psycopg
import pytest

from router.calls import Call, Incoming
from router.commands.file import CommandFile
from router.errors import AlreadyRunning, Fault, StoreError
from router.inbox import NewEntry
from router.inbox.segment import Segment
from router.location import PostgresAt
from router.moving import move, rows
from router.samples import documented
from router.secret import Secret
from router.shares import share_of
from router.store import CommandRow, Concern, NewDelivery, SilenceRow, State
from router.store.postgres.migrate import migrate
from router.store.postgres.session import Session
from router.store.postgres.store import PostgresStore
from router.store.sqlite.store import SqliteStore
from tests.store.conftest import DESTINATIONS, Desk

BODY = b'{"tag": "a \\u0000 in a text"}'


@pytest.fixture
def folder(tmp_path):
    """A folder with something in every table."""
    data = tmp_path / "data"
    store = SqliteStore.open(data)
    store.know(DESTINATIONS, {})
    desk = Desk(store)
    store.keep_call(Call("wavix", "nul\0call", tag="a\0b", missed=True, fired=frozenset({"vip"}), started_at=1.5))
    store.keep_incoming(Call("wavix", "call-1"), Incoming("wavix", "call-1", "+447700900001", "2026-11-25", 12.5))
    desk.owe("call-1", "crm", "slack", body=BODY)
    desk.owe("call-1")
    desk.owe("call-2", received_at=86400.0 * 3)
    one, other = desk.take()
    desk.end(one, receipt={"id": 7}, answer={"status": 200, "seconds": 0.1, "headers": {}, "body": "ok", "cut": False})
    desk.kill(other, answer={"status": 400, "seconds": 0.1, "headers": {}, "body": "no", "cut": False})
    desk.one("slack")
    store.add_event(
        desk.event("call-3"), [NewDelivery("pager", None, True, ended=State.SILENCED, silence=3)], now=100.0
    )
    store.quarantine("wavix", b"\xff", [Fault("uuid", "is missing")], 5.0, "127.0.0.1")
    store.silence(SilenceRow(3, ("tag=noisy",), "it moves", "ann", 90.0, 150.0))
    store.note_command(CommandRow(3, 90.0, 91.0, "done", {"done": 1}))
    store.keep_concern(Concern("paused", "crm", 1.0, 2.0, None, 1, "why"))
    store.pause("pager", "by hand", "", 50.0)
    commands = CommandFile(data)
    for number in range(3):
        commands.append("pause", {"destination": f"d{number}"}, who="ann", now=80.0 + number)
    store.move_cursor("commands", 2)
    segment = Segment(data / "inbox", 100.0)
    segment.append([NewEntry("wavix", documented(), 100.0 + n, "::1") for n in range(3)])
    segment.append([NewEntry("wavix", b"{", 104.0, "::1", [Fault("", "is no JSON")])])
    store.move_cursor(segment.name, 1)
    segment.close()
    store.close()
    commands.close()
    return data


@pytest.fixture
def at(postgres_url):
    return PostgresAt(Secret(postgres_url))


@pytest.fixture
def database(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as db:
        yield db


def ask(db, sql):
    return db.execute(sql).fetchall()


def silently(*_):
    pass


def moved(folder, at):
    return {one.kind: one.rows for one in move(folder, at, progress=silently)}


def test_everything_is_taken_along(folder, at, database):
    assert moved(folder, at) == {
        "destinations": 3, "sources": 1, "calls": 4, "events": 4, "deliveries": 5, "attempts": 2, "answers": 2,
        "receipts": 1, "refused events": 1, "alerts": 1, "commands": 3, "results of commands": 1, "silences": 1,
        "silenced deliveries": 1, "events not routed yet": 3,
    }  # fmt: skip
    with sqlite3.connect(folder / "store.sqlite") as source:
        for table in ("destination", "quarantine", "silence", "command", "receipt", "answer"):
            columns = [row[1] for row in source.execute(f"PRAGMA table_info({table})")]
            names = ", ".join(columns)
            there = source.execute(f"SELECT {names} FROM {table} ORDER BY 1").fetchall()
            assert ask(database, f"SELECT {names} FROM {table} ORDER BY 1") == there
        states = source.execute("SELECT id, state, due_at, attempts, owner FROM delivery ORDER BY id").fetchall()
    source.close()
    assert ask(database, "SELECT id, state, due_at, attempts, owner FROM every_delivery ORDER BY id") == states
    assert ask(database, "SELECT id FROM ended ORDER BY id") == [(1,), (5,)]
    assert ask(database, "SELECT body FROM event WHERE id = 1") == [(BODY,)]
    assert ask(database, "SELECT call_id, tag, missed, fired FROM call WHERE missed") == [
        ("nul\ufffdcall", "a\ufffdb", True, '["vip"]')
    ]
    assert ask(database, "SELECT customer_number, called_on, called_at FROM call WHERE call_id = 'call-1'") == [
        ("+447700900001", "2026-11-25", 12.5)
    ]
    assert ask(database, "SELECT destination_id, state, n FROM tally ORDER BY 1, 2") == ask(
        database, "SELECT destination_id, state, count(*) FROM every_delivery GROUP BY 1, 2 ORDER BY 1, 2"
    )


def test_what_waited_to_be_routed_waits_in_the_share_of_its_call(folder, at, database):
    moved(folder, at)

    call_id = json.loads(documented())["uuid"]
    found = ask(database, "SELECT share, received_at, faults FROM inbox ORDER BY received_at")
    assert found[:2] == [(share_of("wavix", call_id), 101.0, None), (share_of("wavix", call_id), 102.0, None)]
    assert found[2][1:] == (104.0, '[["", "is no JSON"]]')


def test_work_goes_on_where_it_stopped(folder, at, postgres_url):
    moved(folder, at)

    store = PostgresStore(Session(lambda: psycopg.connect(postgres_url, autocommit=True), _unexpected), "n1")
    desk = Desk(store, count=100)
    assert store.cursors()["commands"] == 2
    assert store.paused() == {"pager": "by hand"}
    claim = desk.one(now=200.0)
    assert (claim.call_id, claim.receipt, claim.attempt) == ("call-1", '{"id": 7}', 1)
    assert {lapsed.destination for lapsed in store.lapsed(1e9, 10)} == {"crm", "slack"}
    assert store.add_event(desk.event(key=(1).to_bytes(24, "big")), [], now=100.0) is None
    assert desk.owe("call-9") > 4
    store.close()


def _unexpected(ex):
    raise AssertionError(ex)


def test_a_move_can_be_repeated_until_a_node_has_worked_on_the_database(folder, at, database):
    first = moved(folder, at)
    store = SqliteStore.open(folder)
    Desk(store, count=50).owe("call-7")
    store.close()

    second = moved(folder, at)
    assert second["events"] == first["events"] + 1
    assert ask(database, "SELECT count(*) FROM event") == [(second["events"],)]

    database.execute(
        "INSERT INTO node (name, delivers, started_at, heard_at, about) VALUES ('berlin-1', true, 1, 1, '{}')"
    )
    with pytest.raises(StoreError, match='node "berlin-1" has worked there'):
        moved(folder, at)


def test_a_database_with_events_of_its_own_is_left_alone(folder, at, postgres_url):
    session = Session(lambda: psycopg.connect(postgres_url, autocommit=True), _unexpected)
    migrate(session)
    store = PostgresStore(session, "n1")
    store.know(DESTINATIONS, {})
    Desk(store).owe()

    with pytest.raises(StoreError, match="holds events that were not moved there"):
        moved(folder, at)
    store.close()


def test_what_arrives_otherwise_is_noticed_and_nothing_is_moved(folder, at, database, monkeypatch):
    session = Session(lambda: database, _unexpected)
    migrate(session)
    database.execute(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.reason = 'spoiled'; RETURN NEW; END$$"
    )
    database.execute("CREATE TRIGGER spoil BEFORE INSERT ON attempt FOR EACH ROW EXECUTE FUNCTION spoil()")

    with pytest.raises(StoreError, match=r"attempts: 2 rows were read, and 2 arrived or others did: nothing was moved"):
        moved(folder, at)
    assert ask(database, "SELECT count(*) FROM event") == [(0,)]


def test_the_source_is_not_changed(folder, at, tmp_path):
    before = shutil.copytree(folder, tmp_path / "before")
    moved(folder, at)

    for path in sorted(before.rglob("*")):
        if path.suffix == ".sqlite":
            assert _dump(folder / path.relative_to(before)) == _dump(path)


def _dump(path):
    with sqlite3.connect(path) as db:
        lines = list(db.iterdump())
    db.close()
    return lines


def test_a_store_in_use_is_not_moved(folder, at):
    store = SqliteStore.open(folder)
    with pytest.raises(AlreadyRunning):
        moved(folder, at)
    store.close()


def test_every_table_of_the_target_is_filled_or_counted():
    from router.store.postgres.migrate import FOLDER

    schema = "".join(path.read_text() for path in sorted(FOLDER.glob("*.sql")))
    tables = {line.split()[2] for line in schema.splitlines() if line.startswith("CREATE TABLE ")}
    days = {name for name in tables if name.endswith("_other")}
    assert tables - days - {one.table for one in rows.COPIES} == {"event_key", "tally", "cursor", "node"}
