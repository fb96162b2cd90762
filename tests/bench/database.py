"""A durable PostgreSQL for benchmarks, and databases with a mountain in them, which the server itself piles up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from router.location import PostgresAt
from router.secret import Secret
from router.store.postgres.store import PostgresStore
from tests.harness.postgres import Server

#: All that differs from PostgreSQL's own: fsync, synchronous_commit and full_page_writes are on.
SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "4GB"}
DESTINATION = "out"

_CALLS = """
INSERT INTO call (id, share, source, call_id, state, direction, from_, "to", answered, machine, missed, first_event_at,
                  last_event_at, last_received_at, events, ends_told, told_missed, fired)
SELECT 1000000000 + n, n %% 64, 'wavix', 'waiting-' || n, 3, 'inbound', '+447700900123', '+442079460123', true, false,
       false, %(now)s, %(now)s, %(now)s, 5, 1, false, '[]'
FROM generate_series(0, %(calls)s - 1) AS n
"""
# Bodies of 540 bytes that do not compress to nothing.
_EVENTS = """
INSERT INTO event (id, received_at, key, call, event_type, event_time, from_sender, late, unmatched, config_version,
                   rules, facts, body)
SELECT n, %(now)s, sha224(n::text::bytea), 1000000000 + n / %(each)s, 'ringing', %(now)s, true, false, false,
       'benchmark', '["all-inbound"]', '{}',
       convert_to((SELECT string_agg(md5(n::text || part), '') FROM generate_series(1, 17) AS part), 'UTF8')
FROM generate_series(0, %(n)s - 1) AS n
"""
_KEYS = "INSERT INTO event_key SELECT key, id, received_at FROM event"
# The first of each call is due, a little after the one before; the others wait for it.
_DELIVERIES = """
INSERT INTO delivery (id, event_id, received_at, destination_id, call, state, due_at, held_by_dead_letter, rule)
SELECT n, n, %(now)s, (SELECT min(id) FROM destination), 1000000000 + n / %(each)s,
       CASE WHEN n %% %(each)s = 0 THEN 0 ELSE 2 END, CASE WHEN n %% %(each)s = 0 THEN %(now)s - 60 + n * 1e-6 END,
       false, 'all-inbound'
FROM generate_series(0, %(n)s - 1) AS n
"""
_BLOCK = "UPDATE delivery SET state = 1, attempts = 1, owner = 'gone', lease_until = 1e12, leased_at = 0 WHERE id = 0"
_TALLY = "INSERT INTO tally SELECT destination_id, state, 'filled', count(*) FROM delivery GROUP BY 1, 2"
_NUMBERS = "SELECT setval('event_id', 2000000), setval('delivery_id', 2000000)"


@contextmanager
def durable() -> Iterator[Server]:
    """Yield a server whose commits survive a power loss."""
    server = Server.start("newest", durable=True)
    try:
        server.configure(**SETTINGS)
        server.shut_down()
        server.start_again()
        yield server
    finally:
        server.stop()


def described(server: Server) -> str:
    """Return what the server is, for the head of a table."""
    with server.superuser() as db:
        [(version,)] = db.execute("SHOW server_version").fetchall()
    changed = ", ".join(f"{name} {value}" for name, value in SETTINGS.items())
    return f"PostgreSQL {version} on the same machine, fsync on, {changed}"


def opened(url: str, node: str = "n1") -> PostgresStore:
    """Return the store of one node, which knows one destination and has the tables of today."""
    store = PostgresStore.open(PostgresAt(Secret(url)), node=node)
    store.know([DESTINATION], {})
    store.get_ready(time.time())
    return store


def fill(url: str, waiting: int, *, each: int = 5, blocked: bool = False) -> None:
    """Pile up *waiting* deliveries of calls of *each*, in order per call; *blocked*: the first is never ended."""
    opened(url).close()
    values = {"now": time.time(), "n": waiting, "each": each, "calls": -(-waiting // each)}
    with psycopg.connect(url, autocommit=True) as db:
        for statement in (_CALLS, _EVENTS, _KEYS, _DELIVERIES):
            db.execute(statement.encode(), values)
        if blocked:
            db.execute(_BLOCK)
        db.execute(_TALLY)
        db.execute(_NUMBERS)
        db.execute("VACUUM ANALYZE")


def checkpoint(server: Server) -> None:
    """Write out what filling has left, so that it does not count."""
    with server.superuser() as db:
        db.execute("CHECKPOINT")
