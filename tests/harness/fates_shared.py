"""What a PostgreSQL says became of the load's events, as ``fates`` does for a folder."""

from __future__ import annotations

import psycopg

from tests.harness.fates import Fates

_DELIVERIES = """
SELECT event.body, one.state,
       (SELECT count(*) FROM attempt WHERE delivery_id = one.id AND outcome = 'unknown')
FROM every_delivery AS one
JOIN event ON event.id = event_id AND event.received_at = one.received_at
JOIN destination ON destination.id = destination_id
WHERE destination.name = %s
"""
_STRANDED = """
SELECT count(*) FROM delivery AS one WHERE state = 2 AND NOT EXISTS (
    SELECT 1 FROM delivery AS head WHERE head.destination_id = one.destination_id AND head.call = one.call
    AND head.state IN (0, 1, 3) AND head.id < one.id)
"""


def fates(url: str, destination: str) -> Fates:
    """Return what became of one destination's deliveries."""
    found = Fates()
    with psycopg.connect(url) as db:
        found.add(db.execute(_DELIVERIES, (destination,)))
    return found


def unsound(url: str) -> list[str]:
    """Return what does not agree in the tables (E): something waits behind nothing, is unrouted, or counted wrong."""
    with psycopg.connect(url) as db:
        stranded = _number(db, _STRANDED)
        unrouted = _number(db, "SELECT count(*) FROM inbox")
        counted = db.execute(
            "SELECT destination_id, state, sum(n)::bigint FROM tally GROUP BY 1, 2 HAVING sum(n) <> 0 ORDER BY 1, 2"
        ).fetchall()
        there = db.execute(
            "SELECT destination_id, state, count(*) FROM every_delivery GROUP BY 1, 2 ORDER BY 1, 2"
        ).fetchall()
        keys = _number(db, "SELECT count(*) FROM event") - _number(db, "SELECT count(*) FROM event_key")
    faults = [f"E: {stranded} deliveries wait behind nothing"] if stranded else []
    faults += [f"E: {unrouted} accepted events were never routed"] if unrouted else []
    faults += [f"E: the tally says {counted}, and there are {there}"] if counted != there else []
    return faults + ([f"E: {keys} more events than keys"] if keys else [])


def _number(db: psycopg.Connection, sql: str) -> int:
    row = db.execute(sql.encode()).fetchone()
    return int(row[0]) if row else 0
