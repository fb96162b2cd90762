"""Deliveries in SQLite: claimed, recorded, and owed again. Everything happens inside the store's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from router.store import Attempt, Claim, Lapsed, NewDelivery, State
from router.store.claimed import CALL, claim_of, lapsed_of
from router.store.sqlite.calls import COLUMNS, call_of
from router.store.sqlite.line import Line
from router.store.sqlite.tally import Tally

# CROSS JOIN keeps SQLite to this order: from the due ones to what belongs to each, never the other way round.
_DUE = """
SELECT delivery.id, delivery.attempts + 1, delivery.unknowns, delivery.replayed_at, delivery.earlier_attempts,
       delivery.replay, delivery.rule,
       event.id, event.key, event.event_type, event.received_at, event.body, event.facts, receipt.body,
       delivery.due_at, {columns}
FROM delivery INDEXED BY {index}
CROSS JOIN event ON event.id = delivery.event_id
CROSS JOIN call ON call.id = event.call
LEFT JOIN receipt ON receipt.destination_id = delivery.destination_id AND receipt.call = event.call
WHERE delivery.destination_id = ? AND delivery.state = 0 AND delivery.attempts {tried} AND delivery.due_at <= ?
ORDER BY delivery.due_at, delivery.id LIMIT ?
"""
_DUE_FIRST = _DUE.format(index="delivery_first", tried="= 0", columns=COLUMNS)
_DUE_AGAIN = _DUE.format(index="delivery_again", tried="> 0", columns=COLUMNS)

# Answered by the index alone.
_TIMES = """
SELECT due_at, id FROM delivery INDEXED BY {index}
WHERE destination_id = ? AND state = 0 AND attempts {tried} AND due_at <= ? ORDER BY due_at, id LIMIT ?
"""
_TIMES_FIRST = _TIMES.format(index="delivery_first", tried="= 0")
_TIMES_AGAIN = _TIMES.format(index="delivery_again", tried="> 0")

_OLDEST = """
(SELECT min(due_at) FROM delivery INDEXED BY {index}
 WHERE destination_id = destination.id AND state = 0 AND attempts {tried})
"""
#: When the first of a row of table ``destination`` falls due, among first attempts and among further ones.
OLDEST_FIRST = _OLDEST.format(index="delivery_first", tried="= 0")
OLDEST_AGAIN = _OLDEST.format(index="delivery_again", tried="> 0")

#: When the next thing falls due.
NEXT_DUE = f"""
SELECT min(due_at) FROM (
    SELECT {OLDEST_FIRST} AS due_at FROM destination WHERE paused_at IS NULL
    UNION ALL SELECT {OLDEST_AGAIN} FROM destination WHERE paused_at IS NULL
    UNION ALL SELECT min(end_due_at) FROM call WHERE end_due_at IS NOT NULL
)
"""  # noqa: S608 - our own names

#: Where the due time stands in a row of what is due.
_DUE_AT = 14

_LEASE = """
UPDATE delivery SET state = 1, attempts = attempts + 1, owner = ?, lease_until = ?, leased_at = ? WHERE id = ?
"""

_LAPSED = """
SELECT delivery.id, attempts, owner, destination.name, leased_at, event.received_at,
       event_type, unknowns, replayed_at, earlier_attempts, destination.resumed_at
FROM delivery INDEXED BY delivery_leased
CROSS JOIN event ON event.id = delivery.event_id
CROSS JOIN destination ON destination.id = delivery.destination_id
WHERE state = 1 AND lease_until < ?1 AND substr(owner, 1, length(?2)) = ?2 ORDER BY lease_until LIMIT ?3
"""

_RECORD = """
UPDATE delivery SET state = ?, due_at = ?, attempts = ?, unknowns = unknowns + ?, ended_at = ?, reason = ?, status = ?,
       owner = NULL, lease_until = NULL, leased_at = NULL
WHERE id = ?
"""

_END = """
UPDATE delivery SET state = ?, due_at = NULL, ended_at = ?, reason = ?, status = NULL,
       owner = NULL, lease_until = NULL, leased_at = NULL
WHERE id = ?
"""


class Deliveries:
    """Table ``delivery`` and what hangs on it. Destinations and calls are numbers here."""

    def __init__(self, db: sqlite3.Connection, tally: Tally) -> None:
        self._db = db
        self._tally = tally
        self._line = Line(db, tally)

    def add(
        self,
        event_id: int,
        destination: int,
        call: int | None,
        rule: str | None,
        held_by_dead_letter: bool,
        *,
        now: float,
        replay: int = 0,
    ) -> None:
        """Add one delivery behind all others of its line, due *now* when it is first; without *call*, beside them."""
        state = self._line.place_at_end(destination, call, held_by_dead_letter)
        self._db.execute(
            "INSERT INTO delivery (event_id, destination_id, call, state, due_at, replay, held_by_dead_letter, rule)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                event_id,
                destination,
                call,
                state,
                now if state is State.READY else None,
                replay,
                held_by_dead_letter,
                rule,
            ),
        )
        self._tally.add(destination, state)

    def claim(
        self,
        name: str,
        destination: int,
        *,
        resumed_at: float | None,
        now: float,
        owner: str,
        lease_until: float,
        limit: int,
        retries: int,
    ) -> list[Claim]:
        """Implement ``Store.claim`` for a destination that is not paused."""
        rows = self._due(destination, now, limit, retries)
        self._db.executemany(_LEASE, [(owner, lease_until, now, row[0]) for row in rows])
        self._tally.add(destination, State.READY, -len(rows))
        self._tally.add(destination, State.LEASED, len(rows))
        return [claim_of(name, destination, resumed_at, row, call_of(row[CALL:])) for row in rows]

    def _due(self, destination: int, now: float, limit: int, retries: int) -> list[tuple[Any, ...]]:
        again = self._db.execute(_TIMES_AGAIN, (destination, now, retries)).fetchall() if retries else []
        if not again:
            return self._db.execute(_DUE_FIRST, (destination, now, limit)).fetchall()
        first = self._db.execute(_TIMES_FIRST, (destination, now, limit)).fetchall()
        chosen = sorted([*first, *again])[:limit]
        count = len(set(chosen).intersection(again))
        rows = self._db.execute(_DUE_AGAIN, (destination, now, count)).fetchall()
        if count < len(chosen):
            rows += self._db.execute(_DUE_FIRST, (destination, now, len(chosen) - count)).fetchall()
            rows.sort(key=lambda row: (row[_DUE_AT], row[0]))
        return rows

    def record(self, attempt: Attempt) -> bool:
        """Implement ``Store.record``."""
        leased = self._db.execute(
            "SELECT destination_id, call, reason, status FROM delivery"
            " WHERE id = ? AND state = 1 AND owner = ? AND attempts = ?",
            (attempt.delivery_id, attempt.owner, attempt.attempt),
        ).fetchone()
        if leased is None:
            return False
        destination, call, reason, status = leased
        finished = attempt.state.finished
        overtaken = (
            not finished and call is not None and not self._line.stands_first(attempt.delivery_id, destination, call)
        )
        state = State.WAITING if overtaken else attempt.state
        due_at = attempt.ended_at if attempt.due_at is None else attempt.due_at
        if attempt.counts or finished:
            reason, status = attempt.reason, attempt.status
        self._db.execute(
            _RECORD,
            (
                state,
                None if finished else due_at,
                attempt.attempt if attempt.counts else attempt.attempt - 1,
                attempt.outcome == "unknown",
                attempt.ended_at if finished else None,
                reason,
                status,
                attempt.delivery_id,
            ),
        )
        self._tally.move(destination, State.LEASED, state)
        if attempt.counts:
            self._keep(attempt, destination)
        if attempt.answer is not None:
            self._db.execute(
                "INSERT OR REPLACE INTO answer VALUES (?, ?, ?)",
                (attempt.delivery_id, attempt.attempt, json.dumps(dict(attempt.answer))),
            )
        if call is not None and (finished or overtaken):
            self._line.go_on(destination, call, attempt.ended_at)
        return True

    def renew(self, owner: str, lease_until: float) -> None:
        """Implement ``Store.renew``."""
        self._db.execute(
            "UPDATE delivery INDEXED BY delivery_leased SET lease_until = ? WHERE state = 1 AND owner = ?",
            (lease_until, owner),
        )

    def lapsed(self, now: float, limit: int, owners: str) -> list[Lapsed]:
        """Implement ``Store.lapsed``."""
        return [lapsed_of(row) for row in self._db.execute(_LAPSED, (now, owners, limit))]

    def add_ended(self, event: int, destination: int, call: int | None, delivery: NewDelivery, now: float) -> None:
        """Add one delivery that has ended: it has no place in a line, and keeps nothing back."""
        cursor = self._db.execute(
            "INSERT INTO delivery (event_id, destination_id, call, state, held_by_dead_letter, rule, ended_at, reason)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                event,
                destination,
                call,
                delivery.ended,
                delivery.held_by_dead_letter,
                delivery.rule,
                now,
                delivery.reason,
            ),
        )
        if delivery.silence is not None:
            self._db.execute("INSERT INTO silenced VALUES (?, ?)", (delivery.silence, cursor.lastrowid))
        assert delivery.ended is not None  # noqa: S101 - why it is added here
        self._tally.add(destination, delivery.ended)

    def replay(self, deliveries: Iterable[int], now: float, *, due_from: float | None, apart: float) -> int:
        """Implement ``Operating.replay``."""
        busy = set(
            self._db.execute("SELECT destination_id, call FROM delivery INDEXED BY delivery_leased WHERE state = 1")
        )
        done = 0
        # By id, so that of several deliveries of one call the earlier one gets its place first.
        for delivery in sorted(set(deliveries)):
            due = now if due_from is None else due_from + done * apart
            done += self._owe_again(delivery, busy, due)
        return done

    def cancel(self, deliveries: Iterable[int], reason: str, now: float) -> int:
        """Implement ``Operating.cancel``."""
        done = 0
        for delivery in set(deliveries):
            row = self._db.execute(
                "SELECT destination_id, call, state FROM delivery WHERE id = ? AND state < 10 AND state <> 1",
                (delivery,),
            ).fetchone()
            if row is None:
                continue
            destination, call, state = row
            self._db.execute(_END, (State.CANCELLED, now, reason, delivery))
            self._tally.move(destination, state, State.CANCELLED)
            # Of those that wait, only the first of a line keeps others back.
            if call is not None and state != State.WAITING:
                self._line.go_on(destination, call, now)
            done += 1
        return done

    def give_up(self, destination: int, now: float, limit: int) -> int:
        """Implement ``Operating.give_up``."""
        rows = self._db.execute(
            "SELECT id, state, call FROM delivery INDEXED BY delivery_line WHERE destination_id = ? AND state < 10"
            " ORDER BY call, id LIMIT ?",
            (destination, limit),
        ).fetchall()
        if rows and rows[-1][2] is not None:
            # The rest of the last line: without its head it would wait for ever.
            last, _, call = rows[-1]
            rows += self._db.execute(
                "SELECT id, state, call FROM delivery INDEXED BY delivery_line"
                " WHERE destination_id = ? AND call = ? AND state < 10 AND id > ?",
                (destination, call, last),
            ).fetchall()
        self._db.executemany(_END, [(State.DEAD, now, "given up by an operator", delivery) for delivery, _, _ in rows])
        for _, state, _ in rows:
            self._tally.move(destination, state, State.DEAD)
        return len(rows)

    def _owe_again(self, delivery: int, busy: set[tuple[int, int | None]], due: float) -> bool:
        row = self._db.execute(
            "SELECT destination_id, call, state, event_id, rule, held_by_dead_letter FROM delivery"
            " WHERE id = ? AND state >= 10",
            (delivery,),
        ).fetchone()
        if row is None:
            return False
        destination, call, old, event_id, rule, held_by_dead_letter = row
        if old == State.DELIVERED:
            (latest,) = self._db.execute(
                "SELECT max(replay) FROM delivery WHERE event_id = ? AND destination_id = ?", (event_id, destination)
            ).fetchone()
            self.add(event_id, destination, call, rule, held_by_dead_letter, now=due, replay=latest + 1)
            self._db.execute(
                "UPDATE delivery SET replayed_at = ?1, due_at = ?1 WHERE event_id = ?2 AND destination_id = ?3"
                " AND replay = ?4",
                (due, event_id, destination, latest + 1),
            )
            return True
        if call is not None and (destination, call) in busy:
            state = State.WAITING
        else:
            state = self._line.take_back(delivery, destination, call, held_by_dead_letter)
        self._db.execute(
            "UPDATE delivery SET state = ?, due_at = ?, ended_at = NULL, unknowns = 0, replayed_at = ?,"
            " earlier_attempts = attempts WHERE id = ?",
            (state, due, due, delivery),
        )
        self._tally.move(destination, old, state)
        return True

    def _keep(self, attempt: Attempt, destination: int) -> None:
        self._db.execute(
            "INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                attempt.delivery_id,
                attempt.attempt,
                attempt.outcome,
                attempt.reason,
                attempt.status,
                attempt.started_at,
                attempt.ended_at,
            ),
        )
        if attempt.receipt is not None:
            self._db.execute(
                "INSERT INTO receipt SELECT ?, event.call, ?, ? FROM delivery JOIN event ON event.id = event_id"
                " WHERE delivery.id = ?"
                " ON CONFLICT DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at",
                (destination, json.dumps(dict(attempt.receipt)), attempt.ended_at, attempt.delivery_id),
            )
