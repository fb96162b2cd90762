"""What an operator, or its own answer, has done to a destination, in SQLite: paused, drained, resumed."""

from __future__ import annotations

import sqlite3


def pause(db: sqlite3.Connection, name: str, reason: str, fingerprint: str, now: float) -> None:
    """Implement ``Operating.pause``."""
    db.execute(
        "UPDATE destination SET paused_reason = ?, paused_fingerprint = ?, paused_at = coalesce(paused_at, ?)"
        " WHERE name = ?",
        (reason, fingerprint, now, name),
    )


def drain(db: sqlite3.Connection, name: str, reason: str, now: float) -> None:
    """Implement ``Operating.drain``."""
    db.execute(
        "UPDATE destination SET drain_reason = ?, drained_at = coalesce(drained_at, ?) WHERE name = ?",
        (reason, now, name),
    )


def resume(db: sqlite3.Connection, name: str, now: float) -> None:
    """Implement ``Operating.resume``."""
    db.execute("UPDATE destination SET drain_reason = NULL, drained_at = NULL WHERE name = ?", (name,))
    db.execute(
        "UPDATE destination SET paused_reason = NULL, paused_fingerprint = NULL, paused_at = NULL, resumed_at = ?"
        " WHERE name = ? AND paused_at IS NOT NULL",
        (now, name),
    )


def draining(db: sqlite3.Connection) -> dict[str, str]:
    """Implement ``Operating.draining``."""
    return dict(db.execute("SELECT name, drain_reason FROM destination WHERE drained_at IS NOT NULL").fetchall())
