"""Looking at the store without touching it: ``Reading`` on PostgreSQL."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg

from router.calls import Call
from router.errors import StoreError
from router.event import ALERT_SOURCE
from router.location import PostgresAt
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
from router.store.postgres import migrate, operator
from router.store.postgres.calls import COLUMNS as CALL
from router.store.postgres.calls import call_of
from router.store.postgres.connection import connect, refusal
from router.store.postgres.filter import WITH_CALL, WITH_EVENT, add, of_delivery, of_event, of_standing
from router.store.postgres.filter import deliveries as tables
from router.store.postgres.filter import where as said
from router.store.postgres.quarantine import SELECT as QUARANTINE
from router.store.postgres.quarantine import quarantined
from router.store.postgres.rows import plain
from router.store.postgres.session import Session

P = ParamSpec("P")
R = TypeVar("R")

#: Seconds that one statement may take: while it lasts, what others delete cannot be cleaned up.
PATIENCE = 5.0

# Every listing goes along an index from one end and stops when it has enough rows. A planner that thinks there are few
# would rather sort them all, and be wrong by a million.
_SETTINGS = """
SET default_transaction_isolation = 'repeatable read';
SET default_transaction_read_only = on;
SET enable_seqscan = off;
SET enable_sort = off;
SET jit = off;
SET max_parallel_workers_per_gather = 0;
"""

_MOST_UNROUTED = 10_000
_UNROUTED = "SELECT count(*), min(received_at) FROM (SELECT received_at FROM inbox LIMIT %s) AS waiting"
_EVENTS = f"""
SELECT event.id, call.source, call.call_id, event_type, event_time, received_at, body, facts, late, config_version,
       rules, unmatched
FROM event {WITH_CALL}
"""  # noqa: S608 - our own names

# The rows are taken along the index of the times of receipt, which has the ids beside them. Only the first of the terms
# tells PostgreSQL which days to look at.
_HISTORY = f"""
SELECT event.id, call.source, received_at, body
FROM event {WITH_CALL}
WHERE received_at >= %(since)s AND (received_at, event.id) > (%(since)s, %(id)s) AND received_at < %(until)s
  AND from_sender
ORDER BY received_at, event.id LIMIT %(limit)s
"""  # noqa: S608 - our own names

_DELIVERY = """
SELECT delivery.id, event_id, call.source, call.call_id, event_type, destination.name, rule, delivery.state,
       attempts, due_at, delivery.received_at, delivery.ended_at, reason, status, event.key, destination_id, replay
"""
_WITH_ALL = f"""
{WITH_EVENT} {WITH_CALL}
CROSS JOIN LATERAL (SELECT name FROM destination WHERE destination.id = destination_id LIMIT 1) AS destination
"""  # noqa: S608 - our own names

_COUNTED = """
SELECT name, state, n, first, last FROM (
    SELECT destination_id, delivery.state, count(*) AS n, min(delivery.id) AS first, max(delivery.id) AS last
    {window} GROUP BY destination_id, delivery.state
) AS counted JOIN destination ON destination.id = destination_id ORDER BY name, state
"""

_DESTINATIONS = """
SELECT id, destination.name, paused_reason, paused_at, paused_fingerprint, least(first.due_at, again.due_at),
       drain_reason, drained_at, again.reason
FROM destination
LEFT JOIN LATERAL (
    SELECT due_at FROM delivery WHERE destination_id = destination.id AND state = 0 AND attempts = 0
    ORDER BY due_at LIMIT 1
) AS first ON true
LEFT JOIN LATERAL (
    SELECT due_at, reason FROM delivery WHERE destination_id = destination.id AND state = 0 AND attempts > 0
    ORDER BY due_at LIMIT 1
) AS again ON true
ORDER BY destination.name
"""


def _question(
    method: Callable[Concatenate[PostgresReading, P], R],
) -> Callable[Concatenate[PostgresReading, P], R]:
    """Run *method* as one read transaction; once more where the connection was lost since the question before."""

    @functools.wraps(method)
    def run(reading: PostgresReading, /, *args: P.args, **kwargs: P.kwargs) -> R:
        session = reading._session
        try:
            with session.transaction():
                return method(reading, *args, **kwargs)
        except StoreError:
            if not session.lost:
                raise
        with session.transaction():
            return method(reading, *args, **kwargs)

    return run


class PostgresReading:
    """Implements ``Reading``. Used from the thread that opened it."""

    def __init__(self, at: PostgresAt, session: Session) -> None:
        self._at = at
        self._session = session
        self._check_format()

    @classmethod
    def open(cls, at: PostgresAt, *, node: str | None = None) -> PostgresReading:
        """Return a look at the store in the database *at*, whether daemons run or not; *node* is whose look it is.

        Raises StoreError when there is none, or when it has another format than this code reads.
        """
        session = Session(lambda: _connect(at, node), lambda ex: refusal(ex, at))
        try:
            return cls(at, session)
        except BaseException:
            session.close()
            raise

    @_question
    def events(self, where: Filter, limit: int) -> list[EventRow]:
        terms, values = of_event(where)
        add(terms, values, "event.id < %s", where.before_id)
        if where.destination is not None or where.state is not None:
            inner, more = of_standing(where)
            # As an expression: a join would begin at the deliveries.
            inner = ["delivery.event_id = event.id", "delivery.received_at = event.received_at", *inner]
            owed = f"SELECT 1 FROM {tables(where)} WHERE {' AND '.join(inner)}"  # noqa: S608 - our own names
            terms.append(f"(SELECT EXISTS ({owed}))")
            values += more
        # A call has few events: they are sorted. Otherwise the table is read backwards until there are enough.
        order = "event.id + 0" if where.call_id is not None else "event.id"
        rows = self._session.execute(f"{_EVENTS} {said(terms)} ORDER BY {order} DESC LIMIT %s", [*values, limit])
        return [_event(row) for row in rows]

    @_question
    def history(self, since: float, until: float, after: HistoryRow | None, limit: int) -> list[HistoryRow]:
        begin, number = (since, -1) if after is None else (after.received_at, after.id)
        asked = {"since": begin, "id": number, "until": until, "limit": limit}
        return list(map(HistoryRow._make, self._session.execute(_HISTORY, asked)))

    @_question
    def calls(self, where: Filter, limit: int) -> list[Call]:
        if where.before_id is not None or where.rule or where.destination or where.state is not None:
            raise ValueError("calls are found by source, call, event and time, not by what is owed to destinations")
        terms: list[str] = []
        values: list[Any] = []
        add(terms, values, "source = %s", where.source)
        add(terms, values, "call_id = %s", where.call_id)
        # What an alert is about is kept like a call, and is none.
        add(terms, values, "source <> %s", ALERT_SOURCE)
        add(terms, values, "last_received_at >= %s", where.since)
        inner: list[str] = []
        more: list[Any] = []
        add(inner, more, "event_type = %s", where.event_type)
        add(inner, more, "event.id = %s", where.event_id)
        add(inner, more, "unmatched = %s", where.unmatched)
        if inner:
            terms.append(f"(SELECT EXISTS (SELECT 1 FROM event WHERE event.call = call.id AND {' AND '.join(inner)}))")  # noqa: S608 - our own names
            values += more
        order = "last_received_at + 0" if where.call_id is not None else "last_received_at"
        rows = self._session.execute(
            f"SELECT {CALL} FROM call {said(terms)} ORDER BY {order} DESC, id DESC LIMIT %s",  # noqa: S608 - our own names
            [*values, limit],
        )
        return [call_of(row) for row in rows]

    @_question
    def call_ids(self, beginning: str, limit: int) -> list[str]:
        rows = self._session.execute(
            "SELECT DISTINCT call_id FROM call WHERE call_id >= %(from)s AND call_id < %(from)s || chr(1114111)"
            " AND source <> %(not)s ORDER BY call_id LIMIT %(limit)s",
            {"from": plain(beginning), "not": ALERT_SOURCE, "limit": limit},
        )
        return [call_id for (call_id,) in rows]

    @_question
    def deliveries(self, where: Filter, limit: int, *, after: int | None = None) -> list[DeliveryRow]:
        terms, values = of_delivery(where)
        add(terms, values, "delivery.id < %s", where.before_id)
        add(terms, values, "delivery.id > %s", after)
        narrow = where.call_id is not None or where.event_id is not None
        order = "delivery.id + 0" if narrow else "delivery.id"
        way = "DESC" if after is None else "ASC"
        rows = self._session.execute(
            f"{_DELIVERY} FROM {tables(where)} {_WITH_ALL} {said(terms)} ORDER BY {order} {way} LIMIT %s",
            [*values, limit],
        )
        return [_delivery(row) for row in rows]

    @_question
    def count(self, where: Filter, after: int, to: int) -> list[Counted]:
        found, values = operator.window(where, after, to)
        rows = self._session.execute(_COUNTED.format(window=found), values)
        return [Counted(name, State(state), *numbers) for name, state, *numbers in rows]

    @_question
    def attempts(self, delivery_id: int) -> list[AttemptRow]:
        rows = self._session.execute(
            "SELECT number, outcome, reason, status, started_at, ended_at FROM attempt WHERE delivery_id = %s"
            " ORDER BY number",
            (delivery_id,),
        )
        return [AttemptRow(*row) for row in rows]

    @_question
    def answer(self, delivery_id: int) -> AnswerRow | None:
        row = self._session.execute(
            "SELECT attempt, body FROM answer WHERE delivery_id = %s", (delivery_id,)
        ).fetchone()
        return None if row is None else AnswerRow(row[0], **json.loads(row[1]))

    @_question
    def quarantined(self, limit: int, before_id: int | None = None) -> list[QuarantineRow]:
        terms: list[str] = []
        values: list[Any] = []
        add(terms, values, "id < %s", before_id)
        rows = self._session.execute(f"{QUARANTINE} {said(terms)} ORDER BY id DESC LIMIT %s", [*values, limit])
        return [quarantined(row) for row in rows]

    @_question
    def destinations(self) -> list[DestinationRow]:
        counts: dict[int, dict[State, int]] = {}
        tally = (
            "SELECT destination_id, state, sum(n)::bigint FROM tally GROUP BY destination_id, state HAVING sum(n) > 0"
        )
        for destination, state, n in self._session.execute(tally):
            counts.setdefault(destination, {})[State(state)] = n
        rows = self._session.execute(_DESTINATIONS)
        return [
            DestinationRow(
                name, reason, paused_at, fingerprint, oldest, drain, drained_at, counts.get(number, {}), retry
            )
            for number, name, reason, paused_at, fingerprint, oldest, drain, drained_at, retry in rows
        ]

    @_question
    def last_events(self) -> dict[str, float]:
        rows = self._session.execute("SELECT name, max(last_received_at) FROM source GROUP BY name")
        return dict(rows.fetchall())

    @_question
    def oldest_event(self) -> float | None:
        [(oldest,)] = self._session.execute("SELECT min(received_at) FROM event").fetchall()
        return None if oldest is None else float(oldest)

    @_question
    def unrouted(self) -> tuple[int, float | None]:
        row = self._session.execute(_UNROUTED, (_MOST_UNROUTED,)).fetchone()
        return (0, None) if row is None else (row[0], row[1])

    @_question
    def cursors(self) -> dict[str, int]:
        return dict(self._session.execute("SELECT segment, position FROM cursor").fetchall())

    @_question
    def command_position(self) -> int:
        row = self._session.execute("SELECT position FROM cursor WHERE segment = 'commands'").fetchone()
        return 0 if row is None else int(row[0])

    @_question
    def commands(self, numbers: Sequence[int]) -> dict[int, CommandRow]:
        return operator.commands(self._session, numbers)

    @_question
    def silences(self, now: float | None = None) -> list[tuple[SilenceRow, int]]:
        found = operator.silences(self._session, now)
        caught = operator.caught(self._session, [row.id for row in found])
        return [(row, caught.get(row.id, 0)) for row in found]

    def close(self) -> None:
        self._session.close()

    @_question
    def _check_format(self) -> None:
        found, known = migrate.version(self._session), len(migrate.known())
        migrate.usable(self._session, found, known)
        if found == 0:
            raise StoreError(f"no store in {self._at}: run callrouter migrate, or start the daemon")
        if found < known:
            raise StoreError(
                f"{self._at} has format {found}, which this version brings to {known}: run callrouter migrate, "
                "or start the daemon"
            )


def _connect(at: PostgresAt, node: str | None) -> psycopg.Connection[Any]:
    db = connect(at, role="reading", node=node, statement_timeout=PATIENCE)
    try:
        db.execute(_SETTINGS.encode())
    except psycopg.Error as ex:
        db.close()
        raise refusal(ex, at) from ex
    return db


def _event(row: tuple[Any, ...]) -> EventRow:
    *columns, facts, late, config_version, rules, unmatched = row
    return EventRow(*(*columns, json.loads(facts), late, config_version, json.loads(rules), unmatched))


def _delivery(row: tuple[Any, ...]) -> DeliveryRow:
    *columns, key, destination, replay = row
    columns[7] = State(columns[7])
    return DeliveryRow(*(*columns, delivery_key(key, destination, replay)))
