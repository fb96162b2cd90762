"""What an operator, or its own answer, has done to a destination, in PostgreSQL: paused, drained, resumed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from router.store.postgres.rows import plain
from router.store.postgres.session import Session

_UNFINISHED = """
SELECT name, sum(n)::bigint FROM destination JOIN tally ON destination_id = id WHERE state < 10
GROUP BY name HAVING sum(n) > 0
"""


def pause(session: Session, name: str, reason: str, fingerprint: str, now: float) -> None:
    """Implement ``Operating.pause``."""
    session.execute(
        "UPDATE destination SET paused_reason = %s, paused_fingerprint = %s, paused_at = coalesce(paused_at, %s)"
        " WHERE name = %s",
        (plain(reason), fingerprint, now, name),
    )


def drain(session: Session, name: str, reason: str, now: float) -> None:
    """Implement ``Operating.drain``."""
    session.execute(
        "UPDATE destination SET drain_reason = %s, drained_at = coalesce(drained_at, %s) WHERE name = %s",
        (plain(reason), now, name),
    )


def resume(session: Session, name: str, now: float) -> None:
    """Implement ``Operating.resume``."""
    session.execute(
        "UPDATE destination SET drain_reason = NULL, drained_at = NULL,"
        " paused_reason = NULL, paused_fingerprint = NULL, paused_at = NULL,"
        " resumed_at = CASE WHEN paused_at IS NULL THEN resumed_at ELSE %s END WHERE name = %s",
        (now, name),
    )


def draining(session: Session) -> dict[str, str]:
    """Implement ``Operating.draining``."""
    return dict(session.execute("SELECT name, drain_reason FROM destination WHERE drained_at IS NOT NULL").fetchall())


def know(session: Session, destinations: Iterable[str], formerly: Mapping[str, str]) -> None:
    """Implement ``Store.know``."""
    for new, old in formerly.items():
        session.execute(
            "UPDATE destination SET name = %s WHERE name = %s"
            " AND NOT EXISTS (SELECT 1 FROM destination WHERE name = %s)",
            (new, old, new),
        )
    # Asked first: a number is used up by every INSERT, also by one that has nothing to do.
    known = {name for (name,) in session.execute("SELECT name FROM destination")}
    for name in sorted(set(destinations) - known):
        session.execute("INSERT INTO destination (name) VALUES (%s) ON CONFLICT (name) DO NOTHING", (name,))


def unfinished(session: Session) -> list[tuple[str, int]]:
    """Return each destination that is owed something, with the number of its unfinished deliveries."""
    return session.execute(_UNFINISHED).fetchall()
