"""Looking at the store without touching it: ``Reading`` on SQLite."""

from __future__ import annotations

import functools
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from router.calls import Call
from router.errors import StoreError
from router.store import (
    AttemptRow,
    DeliveryRow,
    DestinationRow,
    EventRow,
    Filter,
    HistoryRow,
    QuarantineRow,
    State,
    delivery_key,
)
from router.store.migrate import migrations, refuse_newer, version
from router.store.sqlite_calls import COLUMNS, call_of
from router.store.sqlite_file import NAME, open_for_reading, refusal
from router.store.sqlite_quarantine import SELECT as QUARANTINE
from router.store.sqlite_quarantine import quarantined

P = ParamSpec("P")
R = TypeVar("R")

#: Seconds that one question may take: while it lasts, the writer's log grows and cannot be folded back.
PATIENCE = 5.0

#: Up to this many events since a moment, their ids are worth collecting; more are found soon enough from the newest on.
_FEW = 10_000

_EVENTS = """
SELECT event.id, call.source, call.call_id, event_type, event_time, received_at, body, facts, late, config_version,
       rules, unmatched
FROM event CROSS JOIN call ON call.id = event.call
"""

# The rows are taken along the index of the times of receipt, which has the ids beside them.
_HISTORY = """
SELECT event.id, call.source, received_at, body
FROM event CROSS JOIN call ON call.id = event.call
WHERE (received_at, event.id) > (?, ?) AND received_at < ? AND from_sender = 1
ORDER BY received_at, event.id LIMIT ?
"""

_DELIVERIES = """
SELECT delivery.id, event_id, call.source, call.call_id, event_type, destination.name, rule, delivery.state,
       attempts, due_at, received_at, delivery.ended_at, reason, status, event.key, destination_id, replay
FROM delivery
CROSS JOIN event ON event.id = event_id
CROSS JOIN call ON call.id = event.call
CROSS JOIN destination ON destination.id = destination_id
"""

_IDS_OF_CALL = "SELECT id FROM event WHERE call IN (SELECT id FROM call WHERE call_id = ?)"
# Ids follow the order of routing, which is nearly the order of receipt, but not quite. Where many events are recent
# enough there is no need for a lower end, else it is exact.
_EARLIEST_OF_FEW = f"""
SELECT CASE WHEN count(*) < {_FEW} THEN coalesce(min(id), 9223372036854775807) ELSE 0 END
FROM (SELECT id FROM event WHERE received_at >= ? LIMIT {_FEW})
"""  # noqa: S608 - our own number
_OF_DESTINATION = "destination_id = (SELECT id FROM destination WHERE name = ?)"


def _question(method: Callable[Concatenate[SqliteReading, P], R]) -> Callable[Concatenate[SqliteReading, P], R]:
    """Run *method* as one read transaction that gives up after ``PATIENCE``; sqlite3's errors become ours."""

    @functools.wraps(method)
    def run(reading: SqliteReading, /, *args: P.args, **kwargs: P.kwargs) -> R:
        deadline = time.monotonic() + PATIENCE
        db = reading._db
        db.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        try:
            db.execute("BEGIN")
            try:
                return method(reading, *args, **kwargs)
            finally:
                db.execute("ROLLBACK")
        except sqlite3.Error as ex:
            raise refusal(ex, reading._path) from ex

    return run


class SqliteReading:
    """Implements ``Reading``. Used from the thread that opened it."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self._path = path
        self._db = db
        self._check_format()

    @classmethod
    def open(cls, data: Path) -> SqliteReading:
        """Return a look at the store in folder *data*, whether a daemon runs or not.

        Raises StoreError when there is none, or when it has another format than this code reads.
        """
        db = open_for_reading(data / NAME)
        try:
            return cls(data / NAME, db)
        except BaseException:
            db.close()
            raise

    @_question
    def events(self, where: Filter, limit: int) -> list[EventRow]:
        terms, values = _event_terms(where)
        _add(terms, values, "event.id = ?", where.event_id)
        _add(terms, values, "event.id < ?", where.before_id)
        _add(terms, values, "unmatched = ?", where.unmatched)
        _add(terms, values, "? IN (SELECT value FROM json_each(rules))", where.rule)
        if where.destination is not None or where.state is not None:
            inner, more = _delivery_terms(where)
            terms.append(f"EXISTS (SELECT 1 FROM delivery WHERE event_id = event.id AND {' AND '.join(inner)})")  # noqa: S608 - our own names
            values += more
        # A call has few events: they are sorted. Otherwise the table is read backwards until there are enough.
        order = "+event.id" if where.call_id is not None else "event.id"
        rows = self._db.execute(f"{_EVENTS} {_where(terms)} ORDER BY {order} DESC LIMIT ?", [*values, limit])
        return [_event(row) for row in rows]

    @_question
    def history(self, since: float, until: float, after: HistoryRow | None, limit: int) -> list[HistoryRow]:
        begin = (since, -1) if after is None else (after.received_at, after.id)
        return list(map(HistoryRow._make, self._db.execute(_HISTORY, (*begin, until, limit))))

    @_question
    def calls(self, where: Filter, limit: int) -> list[Call]:
        if where.before_id is not None or where.rule or where.destination or where.state is not None:
            raise ValueError("calls are found by source, call, event and time, not by what is owed to destinations")
        terms: list[str] = []
        values: list[Any] = []
        _add(terms, values, "source = ?", where.source)
        _add(terms, values, "call_id = ?", where.call_id)
        _add(terms, values, "last_received_at >= ?", where.since)
        inner: list[str] = []
        more: list[Any] = []
        _add(inner, more, "event_type = ?", where.event_type)
        _add(inner, more, "event.id = ?", where.event_id)
        _add(inner, more, "unmatched = ?", where.unmatched)
        if inner:
            terms.append(f"EXISTS (SELECT 1 FROM event WHERE event.call = call.id AND {' AND '.join(inner)})")  # noqa: S608 - our own names
            values += more
        rows = self._db.execute(
            f"SELECT {COLUMNS} FROM call {_where(terms)} ORDER BY last_received_at DESC, id DESC LIMIT ?",  # noqa: S608 - our own names
            [*values, limit],
        )
        return [call_of(row) for row in rows]

    @_question
    def deliveries(self, where: Filter, limit: int) -> list[DeliveryRow]:
        terms, values = _event_terms(where, "event_id")
        _add(terms, values, "event_id = ?", where.event_id)
        _add(terms, values, "delivery.id < ?", where.before_id)
        _add(terms, values, "unmatched = ?", where.unmatched)
        _add(terms, values, "rule = ?", where.rule)
        inner, more = _delivery_terms(where)
        narrow = where.call_id is not None or where.event_id is not None
        order = "+delivery.id" if narrow else "delivery.id"
        rows = self._db.execute(
            f"{_DELIVERIES} {_where(terms + inner)} ORDER BY {order} DESC LIMIT ?", [*values, *more, limit]
        )
        return [_delivery(row) for row in rows]

    @_question
    def attempts(self, delivery_id: int) -> list[AttemptRow]:
        rows = self._db.execute(
            "SELECT number, outcome, reason, status, started_at, ended_at FROM attempt WHERE delivery_id = ?"
            " ORDER BY number",
            (delivery_id,),
        )
        return [AttemptRow(*row) for row in rows]

    @_question
    def quarantined(self, limit: int, before_id: int | None = None) -> list[QuarantineRow]:
        page = "WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2"
        return [quarantined(row) for row in self._db.execute(f"{QUARANTINE} {page}", (before_id, limit))]

    @_question
    def destinations(self) -> list[DestinationRow]:
        counts: dict[int, dict[State, int]] = {}
        for destination, state, n in self._db.execute("SELECT destination_id, state, n FROM tally WHERE n > 0"):
            counts.setdefault(destination, {})[State(state)] = n
        rows = self._db.execute(
            "SELECT id, name, paused_reason, paused_at, paused_fingerprint,"
            " (SELECT min(due_at) FROM delivery WHERE destination_id = destination.id AND state = 0)"
            " FROM destination ORDER BY name"
        )
        return [DestinationRow(*(*columns, counts.get(number, {}))) for number, *columns in rows]

    @_question
    def last_events(self) -> dict[str, float]:
        return dict(self._db.execute("SELECT name, last_received_at FROM source").fetchall())

    @_question
    def oldest_event(self) -> float | None:
        oldest: float | None = self._db.execute("SELECT min(received_at) FROM event").fetchone()[0]
        return oldest

    @_question
    def cursors(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT segment, position FROM cursor").fetchall())

    @_question
    def command_position(self) -> int:
        row = self._db.execute("SELECT position FROM cursor WHERE segment = 'commands'").fetchone()
        return 0 if row is None else int(row[0])

    def close(self) -> None:
        self._db.close()

    @_question
    def _check_format(self) -> None:
        found, known = version(self._db), len(migrations())
        refuse_newer(found, known)
        if found < known:
            raise StoreError(
                f"{self._path} has format {found}, which the daemon of this version brings to {known} when it starts: "
                "start it"
            )


def _add(terms: list[str], values: list[Any], term: str, value: Any) -> None:
    if value is not None:
        terms.append(term)
        values.append(value)


def _where(terms: Sequence[str]) -> str:
    return f"WHERE {' AND '.join(terms)}" if terms else ""


def _event_terms(where: Filter, id: str = "event.id") -> tuple[list[str], list[Any]]:
    """Return what *where* says of the event and its call, *id* being the column that names the event."""
    terms: list[str] = []
    values: list[Any] = []
    _add(terms, values, f"{id} IN ({_IDS_OF_CALL})", where.call_id)
    _add(terms, values, "call.source = ?", where.source)
    _add(terms, values, "event_type = ?", where.event_type)
    if where.since is not None:
        terms.append(f"received_at >= ? AND {id} >= ({_EARLIEST_OF_FEW})")
        values += [where.since, where.since]
    return terms, values


def _delivery_terms(where: Filter) -> tuple[list[str], list[Any]]:
    terms: list[str] = []
    values: list[Any] = []
    _add(terms, values, _OF_DESTINATION, where.destination)
    if where.state is not None:
        # Only the index of dead letters is in the order that is asked for; by any other a million rows would be sorted.
        column = "delivery.state" if where.state is State.DEAD else "+delivery.state"
        # Written out, not as a parameter: else SQLite would not see that the index serves it.
        terms.append(f"{column} = {int(where.state)}")
    return terms, values


def _event(row: tuple[Any, ...]) -> EventRow:
    *columns, facts, late, config_version, rules, unmatched = row
    return EventRow(*(*columns, json.loads(facts), late == 1, config_version, json.loads(rules), unmatched == 1))


def _delivery(row: tuple[Any, ...]) -> DeliveryRow:
    *columns, key, destination, replay = row
    columns[7] = State(columns[7])
    return DeliveryRow(*(*columns, delivery_key(key, destination, replay)))
