"""The inbox that nodes share: each routes what is in the shares of calls that it holds."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from router.errors import Fault
from router.inbox import Entry
from router.store.postgres.rows import Rows
from router.store.postgres.store import PostgresStore

#: Seconds between two looks, at least and at most.
_POLL = (0.1, 0.25)

# A look into each share along the key, never beyond a number: numbers are committed out of order.
_READ = """
SELECT found.* FROM unnest(%s::smallint[]) AS mine (share) CROSS JOIN LATERAL (
    SELECT share, id, received_at, source, remote, faults, body FROM inbox WHERE inbox.share = mine.share
    ORDER BY id LIMIT %s
) AS found ORDER BY found.id LIMIT %s
"""
_DONE = Rows(share="smallint", id="bigint")
_REMOVE = f"DELETE FROM inbox USING {_DONE.source} WHERE inbox.share = given.share AND inbox.id = given.id"  # noqa: S608 - our own names


class SharedIntake:
    """Implements ``Intake``. Nobody else routes these shares: their locks are the session's in which it is done."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    def read(self, limit: int) -> list[Entry]:
        """Implement ``Intake``."""
        shares = sorted(self._store.shares)
        if not shares:
            return []
        return [_entry(row) for row in self._store.session.execute(_READ, (shares, limit, limit))]

    def routed(self, entries: Sequence[Entry]) -> None:
        """Implement ``Intake``."""
        if entries:
            self._store.session.execute(_REMOVE, _DONE.arrays((int(one.segment), one.id) for one in entries))

    def forget(self) -> None:
        """Nothing is remembered."""

    def sweep(self) -> None:
        """A row goes in the transaction that routes it."""

    def until_look(self) -> float:
        """Other nodes put in as well; at random, so that the nodes do not all ask at once."""
        return random.uniform(*_POLL)  # noqa: S311 - nothing depends on it

    def close(self) -> None:
        """The session is the store's."""


def _entry(row: Sequence[Any]) -> Entry:
    share, number, received_at, source, remote, faults, body = row
    found = tuple(Fault(*fault) for fault in json.loads(faults)) if faults else ()
    return Entry(source, bytes(body), received_at, remote, faults=found, segment=str(share), id=number)
