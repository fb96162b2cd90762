"""``Store`` on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from router.calls import Call, Incoming
from router.errors import Fault, StoreError
from router.store import (
    Attempt,
    Claim,
    CommandRow,
    Filter,
    Forgotten,
    Lapsed,
    NewDelivery,
    NewEvent,
    QuarantineRow,
    SilenceRow,
)
from router.store.alerting import Concern, Waiting
from router.store.sqlite import calls, destinations, events, operator, quarantine
from router.store.sqlite.alerts import Alerts
from router.store.sqlite.deliveries import NEXT_DUE, Deliveries
from router.store.sqlite.file import NAME, open_for_writing, refusal
from router.store.sqlite.lock import Lock
from router.store.sqlite.migrate import migrate
from router.store.sqlite.quarantine import quarantined, said
from router.store.sqlite.retention import Retention
from router.store.sqlite.step import step
from router.store.sqlite.tally import Tally

#: So many numbers of calls are kept in memory before all are forgotten.
_MOST_CALLS = 10_000


class SqliteStore:
    """Implements ``Store``. Used from the thread that opened it."""

    def __init__(self, path: Path, db: sqlite3.Connection, lock: Lock) -> None:
        self._path = path
        self._db = db
        self._lock = lock
        self._tally = Tally(db)
        self._deliveries = Deliveries(db, self._tally)
        self._alerts = Alerts(db)
        self._retention = Retention(db, self._tally)
        self._in_step = False
        #: Destination name → its number, as in table ``destination``.
        self._destinations: dict[str, int] = {}
        #: Call → its number, None where there is no such call yet. Nobody else writes them.
        self._calls: dict[tuple[str, str], int | None] = {}
        #: Source → newest time of receipt, for the length of one transaction.
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
            if len(self._calls) > _MOST_CALLS:
                self._calls.clear()

    @step
    def know(self, destinations: Iterable[str], formerly: Mapping[str, str]) -> None:
        self._db.executemany(
            "UPDATE OR IGNORE destination SET name = ? WHERE name = ?", [(new, old) for new, old in formerly.items()]
        )
        self._db.executemany("INSERT OR IGNORE INTO destination (name) VALUES (?)", [(name,) for name in destinations])
        self._load()

    @step
    def unknown_destinations(self, destinations: Iterable[str]) -> dict[str, int]:
        self._tally.write()
        unfinished = self._db.execute(
            "SELECT name, sum(n) FROM destination JOIN tally ON destination_id = id WHERE state < 10"
            " GROUP BY name HAVING sum(n) > 0"
        )
        known = set(destinations)
        return {name: n for name, n in unfinished if name not in known}

    def expect(self, **_: object) -> None:
        """Nothing is far away."""

    # The inbox -------------------------------------------------------------------------------------------

    @step
    def cursors(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT segment, position FROM cursor").fetchall())

    @step
    def move_cursor(self, segment: str, position: int | None) -> None:
        if position is None:
            self._db.execute("DELETE FROM cursor WHERE segment = ?", (segment,))
        else:
            self._db.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?)", (segment, position))

    # Route -----------------------------------------------------------------------------------------------

    @step
    def call(self, source: str, call_id: str) -> Call | None:
        row = self._db.execute(
            f"SELECT call.id, {calls.COLUMNS} FROM call WHERE call_id = ? AND source = ?",  # noqa: S608 - our own names
            (call_id, source),
        ).fetchone()
        self._calls[source, call_id] = None if row is None else row[0]
        return None if row is None else calls.call_of(row[1:])

    @step
    def keep_call(self, call: Call) -> None:
        number = self._call_number(call.source, call.call_id)
        if number is None:
            self._insert_call(call)
        else:
            self._db.execute(calls.UPDATE, [*calls.values(call)[2:], number])

    @step
    def keep_incoming(self, call: Call, coming: Incoming | None) -> None:
        number = self._call_number(call.source, call.call_id) or self._insert_call(call)
        calls.keep_incoming(self._db, number, call, coming)

    @step
    def earlier_calls(self, coming: Incoming) -> tuple[int, int]:
        return calls.earlier(self._db, coming)

    @step
    def calls_to_end(self, now: float, stale_before: float, limit: int) -> list[Call]:
        return calls.to_end(self._db, now, stale_before, limit)

    @step
    def add_event(self, event: NewEvent, deliveries: Sequence[NewDelivery], *, now: float) -> int | None:
        call = self._call_number(event.source, event.call_id)
        if call is None:
            call = self._insert_call(Call(event.source, event.call_id))
        event_id = events.insert(self._db, event, call)
        if event_id is None:
            return None
        for delivery in deliveries:
            destination = self._number(delivery.destination)
            line = call if delivery.ordered else None
            if delivery.ended is not None:
                self._deliveries.add_ended(event_id, destination, line, delivery, now)
                continue
            self._deliveries.add(event_id, destination, line, delivery.rule, delivery.held_by_dead_letter, now=now)
        if event.from_sender:
            self._heard[event.source] = max(event.received_at, self._heard.get(event.source, 0.0))
        return event_id

    @step
    def quarantine(self, source: str, body: bytes, faults: Sequence[Fault], received_at: float, remote: str) -> int:
        return _id(self._db.execute(quarantine.INSERT, (source, received_at, remote, said(faults), body)))

    @step
    def refused(self, quarantine_id: int) -> QuarantineRow | None:
        row = self._db.execute(f"{quarantine.SELECT} WHERE id = ?", (quarantine_id,)).fetchone()
        return None if row is None else quarantined(row)

    @step
    def readmitted(self, quarantine_id: int, now: float) -> None:
        self._db.execute("UPDATE quarantine SET readmitted_at = ? WHERE id = ?", (now, quarantine_id))

    # Deliver ---------------------------------------------------------------------------------------------

    @step
    def claim(
        self, destination: str, *, now: float, owner: str, lease_until: float, limit: int, retries: int | None = None
    ) -> list[Claim]:
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
            retries=limit if retries is None else min(limit, retries),
        )

    @step
    def record(self, attempt: Attempt) -> bool:
        return self._deliveries.record(attempt)

    @step
    def renew(self, owner: str, lease_until: float) -> None:
        self._deliveries.renew(owner, lease_until)

    @step
    def lapsed(self, now: float, limit: int, *, owners: str | None = None) -> list[Lapsed]:
        return self._deliveries.lapsed(now, limit, owners or "")

    @step
    def next_due(self) -> float | None:
        due: float | None = self._db.execute(NEXT_DUE).fetchone()[0]
        return due

    # The operator ----------------------------------------------------------------------------------------

    @step
    def replay(self, deliveries: Iterable[int], now: float, *, due_from: float | None = None, apart: float = 0) -> int:
        return self._deliveries.replay(deliveries, now, due_from=due_from, apart=apart)

    @step
    def cancel(self, deliveries: Iterable[int], reason: str, now: float) -> int:
        return self._deliveries.cancel(deliveries, reason, now)

    @step
    def give_up(self, destination: str, now: float, limit: int) -> int:
        number = self._destinations.get(destination)
        return 0 if number is None else self._deliveries.give_up(number, now, limit)

    @step
    def choose(self, where: Filter, after: int, to: int, limit: int) -> list[int]:
        return operator.choose(self._db, where, after, to, limit)

    @step
    def pause(self, destination: str, reason: str, fingerprint: str, now: float) -> None:
        destinations.pause(self._db, destination, reason, fingerprint, now)
        self._load()

    @step
    def drain(self, destination: str, reason: str, now: float) -> None:
        destinations.drain(self._db, destination, reason, now)

    @step
    def resume(self, destination: str, now: float) -> None:
        destinations.resume(self._db, destination, now)
        self._load()

    @step
    def draining(self) -> dict[str, str]:
        return destinations.draining(self._db)

    @step
    def silences(self, now: float) -> list[SilenceRow]:
        return operator.silences(self._db, now)

    @step
    def silence(self, silence: SilenceRow) -> None:
        operator.keep_silence(self._db, silence)

    @step
    def end_silence(self, silence: int, who: str, now: float) -> bool:
        return operator.end_silence(self._db, silence, who, now)

    @step
    def commands_under_way(self) -> list[CommandRow]:
        return operator.under_way(self._db)

    @step
    def note_command(self, command: CommandRow) -> None:
        operator.keep_command(self._db, command)

    # Alerts ----------------------------------------------------------------------------------------------

    @step
    def concerns(self) -> list[Concern]:
        return self._alerts.concerns()

    @step
    def keep_concern(self, concern: Concern) -> None:
        self._alerts.keep(concern)

    @step
    def forget_concern(self, concern: Concern) -> None:
        self._alerts.forget(concern)

    @step
    def waiting(self) -> dict[str, Waiting]:
        return self._alerts.waiting()

    @step
    def paused(self) -> dict[str, str]:
        return self._alerts.paused()

    # Upkeep ----------------------------------------------------------------------------------------------

    @step
    def forget_events(self, before: float, dead_before: float, place: int, limit: int) -> Forgotten:
        return self._retention.events(before, dead_before, place, limit)

    @step
    def forget_receipts(self, before: float, place: int, limit: int) -> Forgotten:
        return self._retention.receipts(before, place, limit)

    @step
    def forget_calls(self, before: float, place: int, limit: int) -> Forgotten:
        self._calls.clear()
        return self._retention.calls(before, place, limit)

    @step
    def forget_quarantine(self, before: float, place: int, limit: int) -> Forgotten:
        return self._retention.quarantine(before, place, limit)

    @step
    def forget_commands(self, before: float, place: int, limit: int) -> Forgotten:
        return self._retention.commands(before, place, limit)

    def pass_on(self, *_: object) -> bool:
        return False

    def get_ready(self, now: float) -> None: ...

    def close(self) -> None:
        self._db.close()
        self._lock.release()

    def _undo(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._tally.forget()
        self._heard.clear()
        self._calls.clear()
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
        number = self._calls[source, call_id] = None if row is None else int(row[0])
        return number

    def _insert_call(self, call: Call) -> int:
        number = _id(self._db.execute(calls.INSERT, calls.values(call)))
        self._calls[call.source, call.call_id] = number
        return number

    def _write_heard(self) -> None:
        self._db.executemany(
            "INSERT INTO source VALUES (?, ?) ON CONFLICT (name)"
            " DO UPDATE SET last_received_at = max(last_received_at, excluded.last_received_at)",
            self._heard.items(),
        )
        self._heard.clear()


def _id(cursor: sqlite3.Cursor) -> int:
    number = cursor.lastrowid
    assert number is not None, "an INSERT into a table with a number leaves that number"  # noqa: S101 - for the type checker
    return number
