"""The order of deliveries within one call to one destination: who is first, and who comes after whom.

A *line* is the unfinished deliveries of one call to one destination, by id. Only its head is READY, LEASED or HELD;
the others are WAITING and become head one by one. So no claim ever asks "is there an earlier one?", which costs
a scan of the line: every question here is one step in an index, however long the line.

While the head is LEASED, a replayed delivery may stand before it. It waits: nothing of a line runs beside a leased one.
"""

from __future__ import annotations

import sqlite3

from router.store import State
from router.store.sqlite.tally import Tally


class Line:
    """Decides places; ``destination`` and ``call`` are the numbers that name a line."""

    def __init__(self, db: sqlite3.Connection, tally: Tally) -> None:
        self._db = db
        self._tally = tally

    def place_at_end(self, destination: int, call: int | None, held_by_dead_letter: bool) -> State:
        """Return the state of a delivery about to be added behind all others of its line; without *call*, READY."""
        if call is None:
            return State.READY
        if self._first(destination, call) is not None:
            return State.WAITING
        return self._as_head(destination, call, None, held_by_dead_letter)

    def go_on(self, destination: int, call: int, now: float) -> None:
        """Make the first of the line its head, no delivery of the line being READY or LEASED."""
        first = self._first(destination, call)
        if first is not None:
            delivery, state, held_by_dead_letter = first
            self._become(
                delivery, destination, state, self._as_head(destination, call, delivery, held_by_dead_letter), now
            )

    def take_back(self, delivery: int, destination: int, call: int | None, held_by_dead_letter: bool) -> State:
        """Return the state of finished *delivery* that is owed again, at its old place; nothing of its line is leased.

        A head behind that place waits from now on.
        """
        if call is None:
            return State.READY
        first = self._first(destination, call)
        if first is not None:
            head, state, _ = first
            if head < delivery:
                return State.WAITING
            self._db.execute("UPDATE delivery SET state = 2 WHERE id = ?", (head,))
            self._tally.move(destination, state, State.WAITING)
        return self._as_head(destination, call, delivery, held_by_dead_letter)

    def stands_first(self, delivery: int, destination: int, call: int) -> bool:
        """Return False when a delivery of the line was put before unfinished *delivery* by a replay."""
        first = self._first(destination, call)
        return first is not None and first[0] == delivery

    def _first(self, destination: int, call: int) -> tuple[int, int, bool] | None:
        row: tuple[int, int, bool] | None = self._db.execute(
            "SELECT id, state, held_by_dead_letter FROM delivery INDEXED BY delivery_line"
            " WHERE destination_id = ? AND call = ? AND state < 10 ORDER BY id LIMIT 1",
            (destination, call),
        ).fetchone()
        return row

    def _as_head(self, destination: int, call: int, delivery: int | None, held_by_dead_letter: bool) -> State:
        if not held_by_dead_letter:
            return State.READY
        earliest = self._db.execute(
            "SELECT id FROM delivery INDEXED BY delivery_dead_line"
            " WHERE destination_id = ? AND call = ? AND state = 11 ORDER BY id LIMIT 1",
            (destination, call),
        ).fetchone()
        # A new delivery has no id yet: every dead letter is before it.
        held = earliest is not None and (delivery is None or earliest[0] < delivery)
        return State.HELD if held else State.READY

    def _become(self, delivery: int, destination: int, old: int, new: State, now: float) -> None:
        # A head that had to step back keeps the time its destination asked it to wait for.
        self._db.execute(
            "UPDATE delivery SET state = ?, due_at = max(coalesce(due_at, 0), ?) WHERE id = ?", (new, now, delivery)
        )
        self._tally.move(destination, old, new)
