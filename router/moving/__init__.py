"""Takes a whole store from SQLite to PostgreSQL: every row, in one transaction, counted and compared on both sides.

Either all is there or nothing. It can be repeated as long as no node has worked on the database: then the source is
the truth, and what an earlier move has brought is replaced.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import psycopg

from router import clock
from router.errors import AlreadyRunning, StoreError
from router.location import PostgresAt
from router.moving.rows import COPIES, Copy, Sum, converted
from router.moving.sources import Sources
from router.store.postgres.connection import connect, refusal
from router.store.postgres.migrate import migrate
from router.store.postgres.session import Session
from router.store.sqlite.lock import Lock

#: The cursor that says when the last move was, in whole seconds.
MOVED = "moved"

_SEQUENCES = {
    "destination": "pg_get_serial_sequence('destination', 'id')",
    "call": "pg_get_serial_sequence('call', 'id')",
    "event": "'event_id'",
    "every_delivery": "'delivery_id'",
    "quarantine": "pg_get_serial_sequence('quarantine', 'id')",
    "asked": "pg_get_serial_sequence('asked', 'id')",
}
_NEXT = "SELECT setval({0}, coalesce((SELECT max(id) FROM {1}), 0) + 1, false)"
# A silence has the number of its command, which may be forgotten before it.
_NEXT_COMMAND = """
SELECT setval(pg_get_serial_sequence('asked', 'id'), greatest(
    nextval(pg_get_serial_sequence('asked', 'id')) - 1, (SELECT coalesce(max(id), 0) FROM command),
    (SELECT coalesce(max(id), 0) FROM silence)
) + 1, false)
"""


@dataclass(frozen=True, slots=True)
class Moved:
    """What was taken along of one kind: the same number of rows, with the same contents, on both sides."""

    kind: str
    rows: int


def move(folder: Path, at: PostgresAt, *, progress: Callable[[str, int, int], None]) -> list[Moved]:
    """Take the store in *folder*, which no daemon may use, into the database *at*; return what was taken along.

    *progress* is told of a kind, how many rows of it are done, and how many there are. Raises AlreadyRunning while a
    daemon runs, and StoreError, also when both sides do not agree afterwards; then nothing has changed.
    """
    with ExitStack() as stack:
        _refuse_running(folder)
        lock = Lock(folder / "store.lock")
        stack.callback(lock.release)
        sources = stack.enter_context(closing(Sources(folder)))
        with closing(
            Session(lambda: connect(at, role="move", node=None, statement_timeout=0), _refusing(at))
        ) as session:
            migrate(session)
        try:
            with connect(at, role="move", node=None, statement_timeout=0) as db, db.transaction():
                _refuse_used(db, at)
                return _move(sources, db, progress)
        except sqlite3.Error as ex:
            raise StoreError(f"the store in {folder} cannot be read: {ex}; callrouter doctor says more") from ex
        except psycopg.Error as ex:
            raise refusal(ex, at) from None


def _move(sources: Sources, db: psycopg.Connection, progress: Callable[[str, int, int], None]) -> list[Moved]:
    db.execute(f"TRUNCATE {', '.join(sorted({one.table for one in COPIES}))}, event_key, tally, cursor")
    moved: dict[str, int] = {}
    for one in COPIES:
        there = _copy(sources, db, one, progress)
        here = Sum()
        # Read back through the same types: what PostgreSQL has made of it is what is compared.
        with db.cursor(f"moved_{one.table}", withhold=False) as found:
            found.itersize = 5000
            found.execute(f"SELECT {one.names} FROM {one.table} WHERE {one.where}")  # noqa: S608 - our own names
            for row in found:
                here.add(converted(row, one.types))
        if here != there:
            raise StoreError(
                f"{one.kind}: {there.rows:,} rows were read, and {here.rows:,} arrived or others did: nothing was "
                "moved. Run callrouter doctor on the source, then move again"
            )
        moved[one.kind] = moved.get(one.kind, 0) + there.rows
    _finish(sources, db)
    return [Moved(kind, rows) for kind, rows in moved.items()]


def _copy(sources: Sources, db: psycopg.Connection, one: Copy, progress: Callable[[str, int, int], None]) -> Sum:
    total, said = sources.count(one), Sum()
    progress(one.kind, 0, total)
    with db.cursor() as cursor, cursor.copy(f"COPY {one.table} ({one.names}) FROM STDIN") as copy:
        for raw in sources.rows(one):
            row = converted(raw, one.types)
            copy.write_row(row)
            said.add(row)
            if said.rows % 1000 == 0:
                progress(one.kind, said.rows, total)
    progress(one.kind, total, total)
    return said


def _finish(sources: Sources, db: psycopg.Connection) -> None:
    db.execute("INSERT INTO event_key (key, event_id, received_at) SELECT key, id, received_at FROM event")
    # Counted, and not copied: what was moved is what counts.
    db.execute(
        "INSERT INTO tally (destination_id, state, node, n)"
        " SELECT destination_id, state, '', count(*) FROM every_delivery GROUP BY destination_id, state"
    )
    db.execute(
        "INSERT INTO cursor VALUES ('commands', %s), (%s, %s)", (sources.command_position(), MOVED, int(clock.now()))
    )
    for table, sequence in _SEQUENCES.items():
        db.execute(_NEXT.format(sequence, table).encode())
    db.execute(_NEXT_COMMAND)


def _refuse_running(folder: Path) -> None:
    """Raise AlreadyRunning where a daemon uses *folder*, be it one that only takes events in."""
    for path in sorted(folder.glob("daemon-*.lock")):
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(
                    f"a daemon runs on {folder} (process {file.read(20).strip() or 'unknown'}): stop it, then move"
                ) from None


def _refuse_used(db: psycopg.Connection, at: PostgresAt) -> None:
    # Whoever works writes here before anything else: the lock keeps it out until the move is done.
    db.execute("LOCK TABLE node, inbox, event, delivery IN EXCLUSIVE MODE")
    node = db.execute("SELECT name FROM node ORDER BY heard_at DESC LIMIT 1").fetchone()
    moved = db.execute("SELECT 1 FROM cursor WHERE segment = %s", (MOVED,)).fetchone()
    used = db.execute(
        "SELECT EXISTS (SELECT 1 FROM event) OR EXISTS (SELECT 1 FROM inbox) OR EXISTS (SELECT 1 FROM call)"
    ).fetchone()
    if node is not None:
        raise StoreError(
            f'{at} is in use: node "{node[0]}" has worked there, and a move would undo what it did. Move into a '
            "database that no node has worked on yet"
        )
    if used is not None and used[0] and not moved:
        raise StoreError(f"{at} holds events that were not moved there: move into an empty database")


def _refusing(at: PostgresAt) -> Callable[[psycopg.Error], StoreError]:
    return lambda ex: refusal(ex, at)
