"""What the store of a daemon that has ended says became of the load's events."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from router.store.state import FINISHED, State
from tests.harness.events import read_mark
from tests.harness.verdict import Event

_DELIVERIES = """
SELECT event.body, delivery.state,
       (SELECT count(*) FROM attempt WHERE delivery_id = delivery.id AND outcome = 'unknown')
FROM delivery JOIN event ON event.id = event_id JOIN destination ON destination.id = destination_id
WHERE destination.name = ?
"""
#: Waiting behind a head that is not there: nobody would ever promote them.
_STRANDED = """
SELECT count(*) FROM delivery AS one WHERE state = 2 AND NOT EXISTS (
    SELECT 1 FROM delivery AS head WHERE head.destination_id = one.destination_id AND head.call = one.call
    AND head.state IN (0, 1, 3) AND head.id < one.id)
"""


@dataclass
class Fates:
    """What the store says became of one destination's deliveries."""

    #: Ended, but not delivered: dead, expired or cancelled.
    dead: set[Event] = field(default_factory=set)
    unfinished: Counter[str] = field(default_factory=Counter)
    #: Attempts of an event that ended without anybody knowing whether it had arrived.
    unknown: Counter[Event] = field(default_factory=Counter)

    @classmethod
    def read(cls, data: Path, destination: str) -> Fates:
        """Read them from the store in *data*."""
        fates = cls()
        with closing(sqlite3.connect(data / "store.sqlite")) as store:
            fates.add(store.execute(_DELIVERIES, (destination,)))
        return fates

    def add(self, rows: Iterable[tuple[bytes, int, int]]) -> None:
        """Take in deliveries: the event's body, the state, and how many attempts are unknown."""
        for body, state, unknown in rows:
            mark = read_mark(body)
            if mark is None:
                continue
            event = (mark.call, mark.position)
            if state < FINISHED:
                self.unfinished[State(state).word] += 1
            elif state != State.DELIVERED:
                self.dead.add(event)
            if unknown:
                self.unknown[event] += unknown


def stranded(data: Path) -> int:
    """Return how many deliveries wait behind nothing."""
    with closing(sqlite3.connect(data / "store.sqlite")) as store:
        return int(store.execute(_STRANDED).fetchone()[0])
