"""Migrations on PostgreSQL: applied once however many nodes start; a store that has changed too much is refused."""

from __future__ import annotations

import threading
from dataclasses import replace

import psycopg
import pytest

from router.errors import StoreError
from router.location import PostgresAt
from router.secret import Secret
from router.store.migration import Migration
from router.store.postgres.connection import connect, refusal
from router.store.postgres.migrate import known, migrate, version
from router.store.postgres.reading import PostgresReading
from router.store.postgres.session import Session
from router.store.postgres.store import PostgresStore
from tests.harness.waiting import until

FIRST = Migration(1, "first", "CREATE TABLE a (x int);")
SECOND = Migration(2, "second", "ALTER TABLE a ADD COLUMN y int; CREATE INDEX a_y ON a (y);")
BROKEN = Migration(2, "broken", "CREATE TABLE b (x int); INSERT INTO nowhere VALUES (1);")
BESIDE = replace(SECOND, sql=f"-- Works with format 1 and later.\n{SECOND.sql}")


@pytest.fixture
def at(postgres_url):
    return PostgresAt(Secret(postgres_url))


@pytest.fixture
def open_session(at):
    opened = []

    def open_session():
        opened.append(
            Session(lambda: connect(at, role="test", node=None, statement_timeout=30.0), lambda ex: refusal(ex, at))
        )
        return opened[-1]

    yield open_session
    for session in opened:
        session.close()


@pytest.fixture
def session(open_session):
    return open_session()


def _tables(session):
    return [name for (name,) in session.execute("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")]


def test_a_new_database_ends_with_every_step(session):
    assert version(session) == 0
    assert migrate(session) == (0, len(known()))
    assert migrate(session) == (len(known()), len(known()))


def test_each_step_is_applied_once(session):
    assert migrate(session, [FIRST]) == (0, 1)
    assert migrate(session, [FIRST, SECOND]) == (1, 2)
    assert migrate(session, [FIRST, SECOND]) == (2, 2)

    rows = session.execute("SELECT number, name FROM callrouter_migration ORDER BY number").fetchall()
    assert rows == [(1, "first"), (2, "second")]


def test_a_step_that_fails_leaves_the_format_before_it(session):
    with pytest.raises(StoreError, match="nowhere"):
        migrate(session, [FIRST, BROKEN])

    assert (version(session), _tables(session)) == (0, [])
    assert migrate(session, [FIRST, SECOND]) == (0, 2)


def test_of_two_nodes_that_start_at_once_one_waits_for_the_other_and_finds_all_done(open_session):
    slow, quick = open_session(), open_session()
    waits = Migration(1, "first", f"{FIRST.sql} SELECT pg_advisory_xact_lock(5);")
    found = []
    with psycopg.connect(slow._db.info.dsn, password=slow._db.info.password) as somebody:
        somebody.execute("SELECT pg_advisory_xact_lock(5)")
        threads = [
            threading.Thread(target=lambda one=one: found.append(migrate(one, [waits]))) for one in (slow, quick)
        ]
        for thread in threads:
            thread.start()
        until(lambda: _waiting(somebody) == 2, what="both nodes to wait, one for the other")
    for thread in threads:
        thread.join()

    assert sorted(found) == [(0, 1), (1, 1)]


def _waiting(db):
    return db.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchone()[0]


def test_the_tables_of_another_program_are_left_alone(session):
    session.execute("CREATE TABLE theirs (x int)")

    with pytest.raises(StoreError, match="holds the tables of another program"):
        migrate(session)
    assert _tables(session) == ["theirs"]


def test_a_newer_format_is_refused_unless_it_works_with_this_one(session):
    migrate(session, [FIRST, BESIDE])
    assert migrate(session, [FIRST]) == (2, 2)

    migrate(session, [FIRST, BESIDE, Migration(3, "third", "DROP TABLE a;")])
    with pytest.raises(StoreError, match="format 3 and this callrouter knows formats up to 1"):
        migrate(session, [FIRST])


@pytest.mark.parametrize(
    "open_it", [lambda at: PostgresStore.open(at, node="n1"), PostgresReading.open], ids=["worker", "reader"]
)
def test_a_store_of_a_newer_callrouter_is_refused(session, at, open_it):
    migrate(session)
    session.execute("INSERT INTO callrouter_migration VALUES (99, 'future', 99)")

    with pytest.raises(StoreError, match=r"the store has format 99 .* install that version again"):
        open_it(at)

    session.execute("UPDATE callrouter_migration SET works_with = 1 WHERE number = 99")
    open_it(at).close()


def test_a_store_that_was_never_migrated_is_not_read(at):
    with pytest.raises(StoreError, match=r"no store in database .*: run callrouter migrate, or start the daemon"):
        PostgresReading.open(at)


def test_a_store_of_an_earlier_format_is_not_read(session, at, monkeypatch):
    migrate(session)
    steps = [*known(), replace(SECOND, number=len(known()) + 1)]
    monkeypatch.setattr("router.store.postgres.migrate.known", lambda: steps)

    with pytest.raises(
        StoreError, match=f"has format {len(steps) - 1}, which this version brings to {len(steps)}: run"
    ):
        PostgresReading.open(at)
