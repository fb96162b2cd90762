"""The tables of one day each, into which events, what has ended and attempts are put by the time of receipt.

A day is its number since 1970, by UTC. Its three tables are made together and dropped together; what was received on a
day that has none is in the tables named ``…_other``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg

from router.errors import StoreError
from router.store.postgres.locks import LOCKS, MAKING
from router.store.postgres.session import Session

#: Seconds.
DAY = 86_400
#: The tables that are kept by day.
KEPT = ("event", "ended", "attempt")
#: Days beyond today whose tables are made, so that a leader that fails to for a while is not missed.
AHEAD = 3

# Whoever waits for a whole table makes everybody behind wait, too: readers are at it for five seconds at most.
_PATIENCE = "500ms"

_MADE = """
SELECT c.relname::text FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid
WHERE inhparent = 'event'::regclass AND c.relname ~ '^event_[0-9]{8}$' ORDER BY c.relname
"""


class Busy(Exception):
    """A table was in use for too long; what was begun within ``exclusively`` was undone."""


def name(table: str, day: int) -> str:
    """Return what the table of *day* is called: ``event_20261125``."""
    return f"{table}_{datetime.fromtimestamp(day * DAY, UTC):%Y%m%d}"


def made(session: Session) -> list[int]:
    """Return the days that have tables, in order."""
    begins = (datetime.strptime(f"{name[-8:]}+0000", "%Y%m%d%z") for (name,) in session.execute(_MADE))
    return [int(begin.timestamp()) // DAY for begin in begins]


def make(session: Session, now: float, ahead: int = AHEAD) -> list[str]:
    """Make the tables of today and *ahead* days; return the names of those that are new, within the open transaction.

    A day of which something is in ``…_other`` already stays there. Raises Busy, having changed nothing, where a table
    is in use: try again later.
    """
    today = int(now // DAY)
    missing = set(range(today, today + ahead + 1)) - set(made(session))
    if not missing:
        return []
    new = []
    with exclusively(session):
        session.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCKS, MAKING))
        for day in sorted(missing - set(made(session))):
            if not _begun(session, day):
                new += [_make(session, table, day) for table in KEPT]
    return new


@contextmanager
def exclusively(session: Session) -> Iterator[None]:
    """Wait only briefly for tables within; what was done is undone when it was in vain, the transaction goes on.

    Raises Busy then.
    """
    [[patience]] = session.execute("SHOW lock_timeout").fetchall()
    session.execute("SAVEPOINT exclusively")
    try:
        session.execute(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
        yield
        session.execute(f"SET LOCAL lock_timeout = '{patience}'")
        session.execute("RELEASE SAVEPOINT exclusively")
    except StoreError as ex:
        if isinstance(ex.__cause__, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
            session.execute("ROLLBACK TO SAVEPOINT exclusively")
            raise Busy from ex
        raise


def _make(session: Session, table: str, day: int) -> str:
    new = name(table, day)
    session.execute(f"CREATE TABLE {new} PARTITION OF {table} FOR VALUES FROM ({day * DAY}) TO ({(day + 1) * DAY})")
    return new


def _begun(session: Session, day: int) -> bool:
    """Whether something of *day* is in ``…_other``, where PostgreSQL then keeps all of it."""
    either = " OR ".join(
        f"EXISTS (SELECT 1 FROM {table}_other WHERE received_at >= %(begin)s AND received_at < %(end)s)"  # noqa: S608 - our own names
        for table in KEPT
    )
    row = session.execute(f"SELECT {either}", {"begin": day * DAY, "end": day * DAY + DAY}).fetchone()
    return row is not None and row[0]
