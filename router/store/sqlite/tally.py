"""How many deliveries each destination has in each state, kept as they change: counting a million takes too long."""

from __future__ import annotations

import sqlite3
from collections import Counter

from router.store import State


class Tally:
    """The changes of one transaction, written at its end as one row per destination and state."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._changes: Counter[tuple[int, int]] = Counter()

    def add(self, destination: int, state: State, n: int = 1) -> None:
        """Count *n* more deliveries of *destination* in *state*."""
        self._changes[destination, state] += n

    def move(self, destination: int, old: int, new: State) -> None:
        """Count one delivery that went from state *old* to *new*."""
        self._changes[destination, old] -= 1
        self._changes[destination, new] += 1

    def write(self) -> None:
        """Put the changes into table ``tally``."""
        self._db.executemany(
            "INSERT INTO tally VALUES (?, ?, ?) ON CONFLICT (destination_id, state) DO UPDATE SET n = n + excluded.n",
            [(destination, state, n) for (destination, state), n in self._changes.items() if n],
        )
        self._changes.clear()

    def forget(self) -> None:
        """Drop the changes: their transaction was undone."""
        self._changes.clear()
