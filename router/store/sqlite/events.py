"""Writing to table ``event``."""

from __future__ import annotations

import functools
import sqlite3

from pydantic_core import to_json

from router.store import NewEvent


def insert(db: sqlite3.Connection, event: NewEvent, call: int) -> int | None:
    """Keep *event* of the call with number *call*; return its id, None if it was kept before."""
    cursor = db.execute(
        "INSERT INTO event (key, call, event_type, event_time, received_at, from_sender, late, unmatched,"
        " config_version, rules, facts, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (key) DO NOTHING",
        (
            event.key,
            call,
            event.event_type,
            event.event_time,
            event.received_at,
            event.from_sender,
            event.late,
            event.unmatched,
            event.config_version,
            _rules(tuple(event.rules)),
            to_json(dict(event.facts)).decode(),
            event.body,
        ),
    )
    return cursor.lastrowid if cursor.rowcount else None


@functools.lru_cache(1024)
def _rules(names: tuple[str, ...]) -> str:
    return to_json(list(names)).decode()
