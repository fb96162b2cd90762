"""Bring a store's tables up to date: numbered .sql files, each applied once."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from router.errors import StoreError

SQLITE = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Migration:
    """One step from one format of the store to the next."""

    number: int
    name: str
    sql: str


def migrations(folder: Path = SQLITE) -> list[Migration]:
    """Return the steps in *folder*, first to last; files are named ``NNNN_name.sql`` and counted from 1."""
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)", path.stem)
        if match is None or int(match[1]) != len(found) + 1:
            raise ValueError(f"{path.name} is not the migration that follows number {len(found)}")
        found.append(Migration(int(match[1]), match[2], path.read_text("utf-8")))
    return found


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
    steps = migrations() if steps is None else steps
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


def refuse_newer(found: int, known: int) -> None:
    """Raise StoreError when format number *found* is newer than the *known* one."""
    if found > known:
        raise StoreError(
            f"the store has format {found} and this callrouter knows formats up to {known}: "
            "a newer callrouter has used it; install that version again"
        )
