"""Bring the tables in a database up to date: the same numbered .sql files as on SQLite, each applied once.

Nodes are upgraded one after the other: the first new one brings the tables up to date, and the old ones go on beside
it. So each step says in a line ``-- Works with format N and later.`` which code can still use the tables after it;
without such a line, none that is older than the step. A step that adds tables, columns with defaults and indexes works
with the code before it.
"""

from __future__ import annotations

import re
from pathlib import Path

from router.errors import StoreError
from router.store.migration import Migration, migrations, refuse_newer
from router.store.postgres.locks import LOCKS, MIGRATING
from router.store.postgres.session import Session

_TABLE = """
CREATE TABLE callrouter_migration (number integer PRIMARY KEY, name text NOT NULL, works_with integer NOT NULL)
"""
_WORKS_WITH = re.compile(r"^-- Works with format (\d+) and later\.$", re.MULTILINE)

FOLDER = Path(__file__).parent / "migrations"


def known() -> list[Migration]:
    """Return the steps of this version, first to last."""
    return migrations(FOLDER)


def version(session: Session) -> int:
    """Return the number of the last step applied; 0 for a database without tables of ours. Raises StoreError."""
    tables = {
        name
        for (name,) in session.execute(
            "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'p') AND n.nspname = current_schema()"
        )
    }
    if "callrouter_migration" in tables:
        row = session.execute("SELECT coalesce(max(number), 0) FROM callrouter_migration").fetchone()
        return int(row[0]) if row else 0
    if tables:
        raise StoreError(
            "this database holds the tables of another program: give callrouter a database, or a schema "
            "(?options=-csearch_path%3DNAME), of its own"
        )
    return 0


def migrate(session: Session, steps: list[Migration] | None = None) -> tuple[int, int]:
    """Apply every step that the database has not had, all or none; return the numbers before and after.

    One node does so at a time, the others wait for it. Raises StoreError, changing nothing, when a newer callrouter has
    changed the tables so that this one cannot use them.
    """
    steps = known() if steps is None else steps
    if (done := version(session)) >= len(steps):
        usable(session, done, len(steps))
        return done, done
    with session.transaction():
        session.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCKS, MIGRATING))
        done = version(session)
        usable(session, done, len(steps))
        for step in steps[done:]:
            if step.number == 1:
                session.execute(_TABLE)
            session.script(step.sql)
            session.execute(
                "INSERT INTO callrouter_migration VALUES (%s, %s, %s)", (step.number, step.name, works_with(step))
            )
    return done, max(done, len(steps))


def usable(session: Session, found: int, known: int) -> None:
    """Raise StoreError when code of format *known* cannot use the tables, which have format *found*."""
    if found <= known:
        return
    row = session.execute("SELECT max(works_with) FROM callrouter_migration").fetchone()
    if row is None or row[0] > known:
        refuse_newer(found, known)


def works_with(step: Migration) -> int:
    """Return the oldest format whose code can use the tables after *step*."""
    match = _WORKS_WITH.search(step.sql)
    return int(match[1]) if match else step.number
