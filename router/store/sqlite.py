"""The store on one machine: one SQLite file, one writing process, one connection."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from pydantic_core import to_json

from router.calls import Call
from router.errors import Fault, StoreError
from router.store import Attempt, Claim, Forgotten, Lapsed, NewDelivery, NewEvent, QuarantineRow, sqlite_calls
from router.store.lock import Lock
from router.store.migrate import migrate
from router.store.sqlite_deliveries import Deliveries
from router.store.sqlite_file import NAME, open_for_writing, refusal
from router.store.sqlite_quarantine import SELECT as QUARANTINE
from router.store.sqlite_quarantine import quarantined, said
from router.store.sqlite_retention import Retention
from router.store.sqlite_tally import Tally

P = ParamSpec("P")
R = TypeVar("R")


def _dump(value: object) -> str:
    return to_json(value).decode()


def _step(method: Callable[Concatenate[SqliteStore, P], R]) -> Callable[Concatenate[SqliteStore, P], R]:
    """Run *method* as part of the open transaction, or as one of its own; sqlite3's errors become ours."""

    @functools.wraps(method)
    def run(store: SqliteStore, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if not store._in_step:
            with store.transaction():
                return method(store, *args, **kwargs)
        # SQLite itself undoes a transaction that met a full disk; what follows must not be committed alone.
        if not store._db.in_transaction:
            raise StoreError(f"{store._path}: the transaction was undone by an earlier error")
        try:
            return method(store, *args, **kwargs)
        except sqlite3.Error as ex:
            raise refusal(ex, store._path) from ex

    return run


class SqliteStore:
    """Implements ``Store``. Used from the thread that opened it."""

    def __init__(self, path: Path, db: sqlite3.Connection, lock: Lock) -> None:
        self._path = path
        self._db = db
        self._lock = lock
        self._tally = Tally(db)
        self._deliveries = Deliveries(db, self._tally)
        self._retention = Retention(db, self._tally)
        self._in_step = False
        #: Destination name → its number, as in table ``destination``.
        self._destinations: dict[str, int] = {}
        # Both for the length of one transaction: call → its number, source → newest time of receipt.
        self._calls: dict[tuple[str, str], int] = {}
        self._heard: dict[str, float] = {}
        self._paused: set[str] = set()
        self._resumed: dict[str, float] = {}
        self._load()

    @classmethod
    def open(cls, data: Path) -> SqliteStore:
        """Return the store in folder *data*, made or migrated when need be, locked against every other writer.

        Raises AlreadyRunning while another process holds it, StoreError when it cannot be used.
        """
        path = data / NAME
        lock = Lock(data / "store.lock")
        try:
            db = open_for_writing(path)
            try:
                migrate(db)
                return cls(path, db, lock)
            except BaseException:
                db.close()
                raise
        except sqlite3.Error as ex:
            lock.release()
            raise refusal(ex, path) from ex
        except BaseException:
            lock.release()
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._in_step:
            raise RuntimeError("a transaction inside another would not be a durable step of its own")
        self._in_step = True
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._tally.write()
            self._write_heard()
            self._db.execute("COMMIT")
        except BaseException as ex:
            self._undo()
            if isinstance(ex, sqlite3.Error):
                raise refusal(ex, self._path) from ex
            raise
        finally:
            self._in_step = False
            self._calls.clear()

    @_step
    def know(self, destinations: Iterable[str], formerly: Mapping[str, str]) -> None:
        self._db.executemany(
            "UPDATE OR IGNORE destination SET name = ? WHERE name = ?", [(new, old) for new, old in formerly.items()]
        )
        self._db.executemany("INSERT OR IGNORE INTO destination (name) VALUES (?)", [(name,) for name in destinations])
        self._load()

    @_step
    def unknown_destinations(self, destinations: Iterable[str]) -> dict[str, int]:
        self._tally.write()
        unfinished = self._db.execute(
            "SELECT name, sum(n) FROM destination JOIN tally ON destination_id = id WHERE state < 10"
            " GROUP BY name HAVING sum(n) > 0"
        )
        known = set(destinations)
        return {name: n for name, n in unfinished if name not in known}

    # The inbox -------------------------------------------------------------------------------------------

    @_step
    def cursors(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT segment, position FROM cursor").fetchall())

    @_step
    def move_cursor(self, segment: str, position: int | None) -> None:
        if position is None:
            self._db.execute("DELETE FROM cursor WHERE segment = ?", (segment,))
        else:
            self._db.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?)", (segment, position))

    # Route -----------------------------------------------------------------------------------------------

    @_step
    def call(self, source: str, call_id: str) -> Call | None:
        row = self._db.execute(
            f"SELECT call.id, {sqlite_calls.COLUMNS} FROM call WHERE call_id = ? AND source = ?",  # noqa: S608 - our own names
            (call_id, source),
        ).fetchone()
        if row is None:
            return None
        self._calls[source, call_id] = row[0]
        return sqlite_calls.call_of(row[1:])

    @_step
    def keep_call(self, call: Call) -> None:
        number = self._call_number(call.source, call.call_id)
        if number is None:
            self._insert_call(call)
        else:
            self._db.execute(sqlite_calls.UPDATE, [*sqlite_calls.values(call)[2:], number])

    @_step
    def calls_to_end(self, now: float, stale_before: float, limit: int) -> list[Call]:
        select = f"SELECT {sqlite_calls.COLUMNS} FROM call WHERE"  # noqa: S608 - our own names
        due = self._db.execute(f"{select} end_due_at <= ? ORDER BY end_due_at LIMIT ?", (now, limit)).fetchall()
        stale = self._db.execute(
            f"{select} ends_told = 0 AND last_received_at < ? AND end_due_at IS NULL ORDER BY last_received_at LIMIT ?",
            (stale_before, limit - len(due)),
        )
        return [sqlite_calls.call_of(row) for row in (*due, *stale)]

    @_step
    def add_event(self, event: NewEvent, deliveries: Sequence[NewDelivery], *, now: float) -> int | None:
        call = self._call_number(event.source, event.call_id)
        if call is None:
            call = self._insert_call(Call(event.source, event.call_id))
        event_id = self._insert_event(event, call)
        if event_id is None:
            return None
        for delivery in deliveries:
            destination = self._number(delivery.destination)
            line = call if delivery.ordered else None
            self._deliveries.add(event_id, destination, line, delivery.rule, delivery.held_by_dead_letter, now=now)
        if event.from_sender:
            self._heard[event.source] = max(event.received_at, self._heard.get(event.source, 0.0))
        return event_id

    @_step
    def quarantine(self, source: str, body: bytes, faults: Sequence[Fault], received_at: float, remote: str) -> int:
        cursor = self._db.execute(
            "INSERT INTO quarantine (source, received_at, remote, faults, body) VALUES (?, ?, ?, ?, ?)",
            (source, received_at, remote, said(faults), body),
        )
        return _id(cursor)

    @_step
    def refused(self, quarantine_id: int) -> QuarantineRow | None:
        row = self._db.execute(f"{QUARANTINE} WHERE id = ?", (quarantine_id,)).fetchone()
        return None if row is None else quarantined(row)

    @_step
    def readmitted(self, quarantine_id: int, now: float) -> None:
        self._db.execute("UPDATE quarantine SET readmitted_at = ? WHERE id = ?", (now, quarantine_id))

    # Deliver ---------------------------------------------------------------------------------------------

    @_step
    def claim(self, destination: str, *, now: float, owner: str, lease_until: float, limit: int) -> list[Claim]:
        if destination in self._paused:
            return []
        return self._deliveries.claim(
            destination,
            self._number(destination),
            resumed_at=self._resumed.get(destination),
            now=now,
            owner=owner,
            lease_until=lease_until,
            limit=limit,
        )

    @_step
    def record(self, attempt: Attempt) -> bool:
        return self._deliveries.record(attempt)

    @_step
    def renew(self, owner: str, lease_until: float) -> None:
        self._deliveries.renew(owner, lease_until)

    @_step
    def lapsed(self, now: float, limit: int) -> list[Lapsed]:
        return self._deliveries.lapsed(now, limit)

    @_step
    def next_due(self) -> float | None:
        due: float | None = self._db.execute(
            "SELECT min(due_at) FROM ("
            "SELECT (SELECT min(due_at) FROM delivery WHERE destination_id = destination.id AND state = 0) AS due_at"
            " FROM destination WHERE paused_at IS NULL"
            " UNION ALL SELECT min(end_due_at) FROM call WHERE end_due_at IS NOT NULL)"
        ).fetchone()[0]
        return due

    # The operator ----------------------------------------------------------------------------------------

    @_step
    def replay(self, deliveries: Iterable[int], now: float) -> int:
        return self._deliveries.replay(deliveries, now)

    @_step
    def pause(self, destination: str, reason: str, fingerprint: str, now: float) -> None:
        self._db.execute(
            "UPDATE destination SET paused_reason = ?, paused_fingerprint = ?, paused_at = coalesce(paused_at, ?)"
            " WHERE name = ?",
            (reason, fingerprint, now, destination),
        )
        self._load()

    @_step
    def resume(self, destination: str, now: float) -> None:
        self._db.execute(
            "UPDATE destination SET paused_reason = NULL, paused_fingerprint = NULL, paused_at = NULL, resumed_at = ?"
            " WHERE name = ? AND paused_at IS NOT NULL",
            (now, destination),
        )
        self._load()

    @_step
    def give_up(self, destination: str, now: float) -> int:
        number = self._destinations.get(destination)
        return 0 if number is None else self._deliveries.give_up(number, now)

    # Upkeep ----------------------------------------------------------------------------------------------

    @_step
    def forget_events(self, before: float, dead_before: float, place: int, limit: int) -> Forgotten:
        return self._retention.events(before, dead_before, place, limit)

    @_step
    def forget_receipts(self, before: float, place: int, limit: int) -> Forgotten:
        return self._retention.receipts(before, place, limit)

    @_step
    def forget_calls(self, before: float, place: int, limit: int) -> Forgotten:
        return self._retention.calls(before, place, limit)

    @_step
    def forget_quarantine(self, before: float, place: int, limit: int) -> Forgotten:
        return self._retention.quarantine(before, place, limit)

    def close(self) -> None:
        self._db.close()
        self._lock.release()

    def _undo(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._tally.forget()
        self._heard.clear()
        self._load()

    def _load(self) -> None:
        rows = self._db.execute("SELECT name, id, paused_at, resumed_at FROM destination").fetchall()
        self._destinations = {name: number for name, number, _, _ in rows}
        self._paused = {name for name, _, paused_at, _ in rows if paused_at is not None}
        self._resumed = {name: resumed_at for name, _, _, resumed_at in rows if resumed_at is not None}

    def _number(self, destination: str) -> int:
        try:
            return self._destinations[destination]
        except KeyError:
            raise StoreError(f'the store was never told of destination "{destination}"') from None

    def _call_number(self, source: str, call_id: str) -> int | None:
        if (source, call_id) in self._calls:
            return self._calls[source, call_id]
        row = self._db.execute("SELECT id FROM call WHERE call_id = ? AND source = ?", (call_id, source)).fetchone()
        if row is None:
            return None
        self._calls[source, call_id] = row[0]
        return int(row[0])

    def _insert_call(self, call: Call) -> int:
        number = _id(self._db.execute(sqlite_calls.INSERT, sqlite_calls.values(call)))
        self._calls[call.source, call.call_id] = number
        return number

    def _insert_event(self, event: NewEvent, call: int) -> int | None:
        cursor = self._db.execute(
            "INSERT INTO event (key, call, event_type, event_time, received_at, from_sender, late, unmatched,"
            " config_version, rules, facts, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (key) DO NOTHING",
            (
                event.key,
                call,
                event.event_type,
                event.event_time,
                event.received_at,
                event.from_sender,
                event.late,
                event.unmatched,
                event.config_version,
                _rules(tuple(event.rules)),
                _dump(dict(event.facts)),
                event.body,
            ),
        )
        return _id(cursor) if cursor.rowcount else None

    def _write_heard(self) -> None:
        self._db.executemany(
            "INSERT INTO source VALUES (?, ?) ON CONFLICT (name)"
            " DO UPDATE SET last_received_at = max(last_received_at, excluded.last_received_at)",
            self._heard.items(),
        )
        self._heard.clear()


@functools.lru_cache(1024)
def _rules(names: tuple[str, ...]) -> str:
    return _dump(list(names))


def _id(cursor: sqlite3.Cursor) -> int:
    number = cursor.lastrowid
    assert number is not None, "an INSERT into a table with a number leaves that number"  # noqa: S101 - for the type checker
    return number
