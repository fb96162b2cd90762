"""Forgetting in SQLite: each step reads a stretch of ids and deletes what is old in it.

A stretch is bounded by its rows, whatever is kept in it, so that no step takes long and none is repeated in vain. Pages
that become free are used again by what comes next.
"""

from __future__ import annotations

import json
import sqlite3

from router.store import State
from router.store.sqlite.tally import Tally
from router.store.upkeep import Forgotten

_OLD_EVENTS = """
SELECT event.id FROM event
WHERE event.id > :place AND event.id <= :last AND event.received_at < :before AND NOT EXISTS (
    SELECT 1 FROM delivery WHERE delivery.event_id = event.id AND (
        state < 10
        OR ended_at >= CASE state WHEN 11 THEN :dead_before ELSE :before END
        OR (state = 11 AND call IS NOT NULL AND EXISTS (
            SELECT 1 FROM delivery AS behind INDEXED BY delivery_line
            WHERE behind.destination_id = delivery.destination_id AND behind.call = delivery.call AND behind.state < 10
        ))
    )
)
"""
_DELIVERIES = "SELECT id FROM delivery WHERE event_id IN (SELECT value FROM json_each(?))"

# A receipt is found by its destination first, of which there are few.
_OLD_CALLS = """
DELETE FROM call WHERE id > ? AND id <= ? AND last_received_at < ? AND ends_told > 0 AND end_due_at IS NULL
AND NOT EXISTS (SELECT 1 FROM event WHERE event.call = call.id)
AND NOT EXISTS (
    SELECT 1 FROM destination CROSS JOIN receipt
    WHERE receipt.destination_id = destination.id AND receipt.call = call.id
)
"""


class Retention:
    """Implements ``Upkeep`` inside the store's transaction."""

    def __init__(self, db: sqlite3.Connection, tally: Tally) -> None:
        self._db = db
        self._tally = tally

    def events(self, before: float, dead_before: float, place: int, limit: int) -> Forgotten:
        """Implement ``Upkeep.forget_events``."""
        last, following = self._stretch("event", "received_at", before, place, limit)
        old = [
            number
            for (number,) in self._db.execute(
                _OLD_EVENTS, {"place": place, "last": last, "before": before, "dead_before": dead_before}
            )
        ]
        if old:
            ids = json.dumps(old)
            counts = self._db.execute(
                "SELECT destination_id, state, count(*) FROM delivery"
                " WHERE event_id IN (SELECT value FROM json_each(?)) GROUP BY destination_id, state",
                (ids,),
            ).fetchall()
            for destination, state, n in counts:
                self._tally.add(destination, State(state), -n)
            for table in ("attempt", "answer", "silenced"):
                self._db.execute(f"DELETE FROM {table} WHERE delivery_id IN ({_DELIVERIES})", (ids,))  # noqa: S608 - our own text
            self._db.execute("DELETE FROM delivery WHERE event_id IN (SELECT value FROM json_each(?))", (ids,))
            self._db.execute("DELETE FROM event WHERE id IN (SELECT value FROM json_each(?))", (ids,))
        return Forgotten(len(old), following)

    def receipts(self, before: float, place: int, limit: int) -> Forgotten:
        """Implement ``Upkeep.forget_receipts``."""
        last, following = self._stretch("call", "last_received_at", before, place, limit)
        # Their key begins with the destination, of which there are few.
        destinations = self._db.execute("SELECT id FROM destination").fetchall()
        cursor = self._db.executemany(
            "DELETE FROM receipt WHERE destination_id = ? AND call > ? AND call <= ? AND updated_at < ?",
            [(destination, place, last, before) for (destination,) in destinations],
        )
        return Forgotten(max(0, cursor.rowcount), following)

    def calls(self, before: float, place: int, limit: int) -> Forgotten:
        """Implement ``Upkeep.forget_calls``."""
        last, following = self._stretch("call", "last_received_at", before, place, limit)
        return Forgotten(self._db.execute(_OLD_CALLS, (place, last, before)).rowcount, following)

    def quarantine(self, before: float, place: int, limit: int) -> Forgotten:
        """Implement ``Upkeep.forget_quarantine``."""
        last, following = self._stretch("quarantine", "received_at", before, place, limit)
        cursor = self._db.execute(
            "DELETE FROM quarantine WHERE id > ? AND id <= ? AND received_at < ?", (place, last, before)
        )
        return Forgotten(cursor.rowcount, following)

    def commands(self, before: float, place: int, limit: int) -> Forgotten:
        """Implement ``Upkeep.forget_commands``."""
        last, following = self._stretch("command", "began_at", before, place, limit)
        self._db.execute(
            "DELETE FROM silence WHERE id > ? AND id <= ? AND ends_at < ?"
            " AND NOT EXISTS (SELECT 1 FROM silenced WHERE silence = silence.id)",
            (place, last, before),
        )
        cursor = self._db.execute(
            "DELETE FROM command WHERE id > ? AND id <= ? AND ended_at < ?", (place, last, before)
        )
        return Forgotten(cursor.rowcount, following)

    def _stretch(self, table: str, moment: str, before: float, place: int, limit: int) -> tuple[int, int | None]:
        """Return the last id of the stretch of *limit* rows behind *place*, and where the next one begins.

        Ids follow time nearly: behind a stretch in which nothing is old, nothing is.
        """
        last, rows, oldest = self._db.execute(
            f"SELECT max(id), count(*), min({moment})"  # noqa: S608 - our own names
            f" FROM (SELECT id, {moment} FROM {table} WHERE id > ? ORDER BY id LIMIT ?)",
            (place, limit),
        ).fetchone()
        if last is None or oldest >= before:
            return place, None
        return last, (last if rows == limit else None)
