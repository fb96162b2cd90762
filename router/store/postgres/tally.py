"""How many deliveries each destination has in each state, kept as they change: counting a million takes too long."""

from __future__ import annotations

from collections import Counter

from router.store import State
from router.store.postgres.rows import Rows
from router.store.postgres.session import Session

_CHANGES = Rows(destination_id="integer", state="smallint", node="text", n="bigint")
_WRITE = f"""
INSERT INTO tally (destination_id, state, node, n) SELECT * FROM {_CHANGES.source}
ON CONFLICT (destination_id, state, node) DO UPDATE SET n = tally.n + excluded.n
"""  # noqa: S608 - our own names


class Tally:
    """The changes of one transaction, written at its end as one row per destination and state, apart for each node."""

    def __init__(self, session: Session, node: str) -> None:
        self._session = session
        self._node = node
        self._changes: Counter[tuple[int, int]] = Counter()

    def add(self, destination: int, state: int, n: int = 1) -> None:
        """Count *n* more deliveries of *destination* in *state*."""
        self._changes[destination, state] += n

    def move(self, destination: int, old: int, new: State) -> None:
        """Count one delivery that went from state *old* to *new*."""
        self._changes[destination, old] -= 1
        self._changes[destination, new] += 1

    def write(self) -> None:
        """Put the changes into table ``tally``."""
        # In order: two statements that write the same rows another way round would wait for each other.
        rows = [(place, state, self._node, n) for (place, state), n in sorted(self._changes.items()) if n]
        self._changes.clear()
        if rows:
            self._session.execute(_WRITE, _CHANGES.arrays(rows))

    def forget(self) -> None:
        """Drop the changes: their transaction was undone."""
        self._changes.clear()
