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
from router.event import ALERT_SOURCE
from router.store import (
    AnswerRow,
    AttemptRow,
    CommandRow,
    Counted,
    DeliveryRow,
    DestinationRow,
    EventRow,
    Filter,
    HistoryRow,
    QuarantineRow,
    SilenceRow,
    State,
    delivery_key,
)
from router.store.migration import refuse_newer
from router.store.sqlite import migrate, operator
from router.store.sqlite.calls import COLUMNS, call_of
from router.store.sqlite.deliveries import OLDEST_AGAIN, OLDEST_FIRST
from router.store.sqlite.file import NAME, open_for_reading, refusal
from router.store.sqlite.filter import add, of_delivery, of_event, of_standing
from router.store.sqlite.filter import where as said
from router.store.sqlite.operator import window
from router.store.sqlite.quarantine import SELECT as QUARANTINE
from router.store.sqlite.quarantine import quarantined

P = ParamSpec("P")
R = TypeVar("R")

#: Seconds that one question may take: while it lasts, the writer's log grows and cannot be folded back.
PATIENCE = 5.0

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


_RETRY_REASON = """(SELECT reason FROM delivery INDEXED BY delivery_again
    WHERE destination_id = destination.id AND state = 0 AND attempts > 0 ORDER BY due_at LIMIT 1)"""


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
        terms, values = of_event(where)
        add(terms, values, "event.id = ?", where.event_id)
        add(terms, values, "event.id < ?", where.before_id)
        add(terms, values, "unmatched = ?", where.unmatched)
        add(terms, values, "? IN (SELECT value FROM json_each(rules))", where.rule)
        if where.destination is not None or where.state is not None:
            inner, more = of_standing(where)
            terms.append(f"EXISTS (SELECT 1 FROM delivery WHERE event_id = event.id AND {' AND '.join(inner)})")  # noqa: S608 - our own names
            values += more
        # A call has few events: they are sorted. Otherwise the table is read backwards until there are enough.
        order = "+event.id" if where.call_id is not None else "event.id"
        rows = self._db.execute(f"{_EVENTS} {said(terms)} ORDER BY {order} DESC LIMIT ?", [*values, limit])
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
        add(terms, values, "source = ?", where.source)
        add(terms, values, "call_id = ?", where.call_id)
        # What an alert is about is kept like a call, and is none.
        add(terms, values, "source <> ?", ALERT_SOURCE)
        add(terms, values, "last_received_at >= ?", where.since)
        inner: list[str] = []
        more: list[Any] = []
        add(inner, more, "event_type = ?", where.event_type)
        add(inner, more, "event.id = ?", where.event_id)
        add(inner, more, "unmatched = ?", where.unmatched)
        if inner:
            terms.append(f"EXISTS (SELECT 1 FROM event WHERE event.call = call.id AND {' AND '.join(inner)})")  # noqa: S608 - our own names
            values += more
        rows = self._db.execute(
            f"SELECT {COLUMNS} FROM call {said(terms)} ORDER BY last_received_at DESC, id DESC LIMIT ?",  # noqa: S608 - our own names
            [*values, limit],
        )
        return [call_of(row) for row in rows]

    @_question
    def call_ids(self, beginning: str, limit: int) -> list[str]:
        rows = self._db.execute(
            "SELECT DISTINCT call_id FROM call WHERE call_id >= ?1 AND call_id < ?1 || char(1114111) AND source <> ?2"
            " ORDER BY call_id LIMIT ?3",
            (beginning, ALERT_SOURCE, limit),
        )
        return [call_id for (call_id,) in rows]

    @_question
    def deliveries(self, where: Filter, limit: int, *, after: int | None = None) -> list[DeliveryRow]:
        terms, values = of_delivery(where)
        add(terms, values, "delivery.id < ?", where.before_id)
        add(terms, values, "delivery.id > ?", after)
        narrow = where.call_id is not None or where.event_id is not None
        order = "+delivery.id" if narrow else "delivery.id"
        way = "DESC" if after is None else "ASC"
        rows = self._db.execute(f"{_DELIVERIES} {said(terms)} ORDER BY {order} {way} LIMIT ?", [*values, limit])
        return [_delivery(row) for row in rows]

    @_question
    def count(self, where: Filter, after: int, to: int) -> list[Counted]:
        found, values = window(where, after, to)
        rows = self._db.execute(
            "SELECT name, state, n, first, last FROM (SELECT destination_id, delivery.state AS state, count(*) AS n,"  # noqa: S608 - our own terms
            f" min(delivery.id) AS first, max(delivery.id) AS last {found} GROUP BY destination_id, delivery.state)"
            " JOIN destination ON destination.id = destination_id ORDER BY name, state",
            values,
        )
        return [Counted(name, State(state), *numbers) for name, state, *numbers in rows]

    @_question
    def attempts(self, delivery_id: int) -> list[AttemptRow]:
        rows = self._db.execute(
            "SELECT number, outcome, reason, status, started_at, ended_at FROM attempt WHERE delivery_id = ?"
            " ORDER BY number",
            (delivery_id,),
        )
        return [AttemptRow(*row) for row in rows]

    @_question
    def answer(self, delivery_id: int) -> AnswerRow | None:
        row = self._db.execute("SELECT attempt, body FROM answer WHERE delivery_id = ?", (delivery_id,)).fetchone()
        return None if row is None else AnswerRow(row[0], **json.loads(row[1]))

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
            f"SELECT id, {OLDEST_FIRST}, {OLDEST_AGAIN}, name, paused_reason, paused_at, paused_fingerprint,"  # noqa: S608 - our own names
            f" drain_reason, drained_at, {_RETRY_REASON} FROM destination ORDER BY name"
        )
        found = []
        for number, first, again, name, reason, paused_at, fingerprint, drain, drained_at, retry in rows:
            oldest = min((due for due in (first, again) if due is not None), default=None)
            count = counts.get(number, {})
            found.append(DestinationRow(name, reason, paused_at, fingerprint, oldest, drain, drained_at, count, retry))
        return found

    @_question
    def last_events(self) -> dict[str, float]:
        return dict(self._db.execute("SELECT name, last_received_at FROM source").fetchall())

    @_question
    def oldest_event(self) -> float | None:
        oldest: float | None = self._db.execute("SELECT min(received_at) FROM event").fetchone()[0]
        return oldest

    def unrouted(self) -> tuple[int, float | None]:
        return 0, None

    @_question
    def cursors(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT segment, position FROM cursor").fetchall())

    @_question
    def command_position(self) -> int:
        row = self._db.execute("SELECT position FROM cursor WHERE segment = 'commands'").fetchone()
        return 0 if row is None else int(row[0])

    @_question
    def commands(self, numbers: Sequence[int]) -> dict[int, CommandRow]:
        return operator.commands(self._db, numbers)

    @_question
    def silences(self, now: float | None = None) -> list[tuple[SilenceRow, int]]:
        found = operator.silences(self._db, now)
        return [(row, operator.caught(self._db, row.id)) for row in found]

    def close(self) -> None:
        self._db.close()

    @_question
    def _check_format(self) -> None:
        found, known = migrate.version(self._db), len(migrate.known())
        refuse_newer(found, known)
        if found < known:
            raise StoreError(
                f"{self._path} has format {found}, which the daemon of this version brings to {known} when it starts: "
                "start it"
            )


def _event(row: tuple[Any, ...]) -> EventRow:
    *columns, facts, late, config_version, rules, unmatched = row
    return EventRow(*(*columns, json.loads(facts), late == 1, config_version, json.loads(rules), unmatched == 1))


def _delivery(row: tuple[Any, ...]) -> DeliveryRow:
    *columns, key, destination, replay = row
    columns[7] = State(columns[7])
    return DeliveryRow(*(*columns, delivery_key(key, destination, replay)))
