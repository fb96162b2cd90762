"""Bring a store's tables up to date: numbered .sql files, each applied once."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from router.errors import StoreError
from router.store.migration import Migration, migrations, refuse_newer

SQLITE = Path(__file__).parent / "migrations"


def known() -> list[Migration]:
    """Return the steps of this version, first to last."""
    return migrations(SQLITE)


def version(db: sqlite3.Connection) -> int:
    """Return the number of the last step applied to *db*; 0 for a new, empty database.

    Raises StoreError when its tables are not ours.
    """
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "migration" in tables:
        return int(db.execute("SELECT coalesce(max(number), 0) FROM migration").fetchone()[0])
    if tables:
        raise StoreError("this SQLite database belongs to another program: callrouter keeps its store in its own file")
    return 0


def migrate(db: sqlite3.Connection, steps: list[Migration] | None = None) -> None:
    """Apply every step that *db* has not had; each is on disk with the record of it, or not done at all.

    Raises StoreError, changing nothing, when a newer callrouter has been here.
    """
    steps = known() if steps is None else steps
    done = version(db)
    refuse_newer(done, len(steps))
    for step in steps[done:]:
        try:
            # executescript() takes no parameters; number and name come from a file name that was checked.
            db.executescript(
                "BEGIN IMMEDIATE;\n"
                "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL);\n"
                f"{step.sql}\n"
                f"INSERT INTO migration VALUES ({step.number}, '{step.name}');\n"
                "COMMIT;"
            )
        except sqlite3.Error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
