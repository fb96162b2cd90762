"""Whether the store is whole, and says the same wherever it says something twice. Reads, and changes nothing."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from router.doctor.finding import Finding, note, ok, problem
from router.errors import StoreError
from router.store.migration import refuse_newer
from router.store.sqlite.file import NAME, open_for_reading, refusal
from router.store.sqlite.migrate import known, version

#: Steps of SQLite between two looks at the time.
_LOOK = 10_000
_STOP = "stop callrouter, keep a copy of the whole data folder, and restore a backup"
_LONGER = "give it longer: --patience 10m"
_TELL = "keep a copy of the data folder and report it: this is a mistake in callrouter"

#: What never holds in a store that is right, each with the number of rows for which it does.
_NEVER = {
    "deliveries wait behind nobody, and would wait for ever": """
        SELECT count(*) FROM (
            SELECT destination_id, call FROM delivery INDEXED BY delivery_line WHERE state < 10
            GROUP BY destination_id, call HAVING sum(state = 2) > 0 AND (call IS NULL OR sum(state <> 2) = 0)
        )""",
    "lines have two deliveries that are first": """
        SELECT count(*) FROM (
            SELECT destination_id, call FROM delivery INDEXED BY delivery_line WHERE state < 10 AND call IS NOT NULL
            GROUP BY destination_id, call HAVING sum(state <> 2) > 1
        )""",
    "deliveries are held by a dead letter that is not there": """
        SELECT count(*) FROM delivery AS held WHERE held.state < 10 AND held.state = 3 AND NOT EXISTS (
            SELECT 1 FROM delivery AS dead INDEXED BY delivery_dead_line
            WHERE dead.destination_id = held.destination_id AND dead.call = held.call AND dead.state = 11
            AND dead.id < held.id
        )""",
    "deliveries are ready and have no due time": "SELECT count(*) FROM delivery WHERE state = 0 AND due_at IS NULL",
    "deliveries are leased to nobody": "SELECT count(*) FROM delivery WHERE state = 1 AND owner IS NULL",
}
_TALLY = """
SELECT count(*) FROM (
    SELECT destination_id, state, count(*) AS n FROM delivery GROUP BY destination_id, state
    EXCEPT SELECT destination_id, state, n FROM tally
) UNION ALL SELECT count(*) FROM (
    SELECT destination_id, state, n FROM tally WHERE n <> 0
    EXCEPT SELECT destination_id, state, count(*) FROM delivery GROUP BY destination_id, state
)
"""


def examine(data: Path, *, patience: float) -> Iterator[Finding]:
    """Yield what is found in the store of *data*; each question may take *patience* seconds."""
    yield _version_of_sqlite(sqlite3.sqlite_version_info)
    path = data / NAME
    if not path.exists():
        yield note("store", f"there is no store in {data} yet", "callrouter run makes it")
        return
    try:
        with closing(open_for_reading(path)) as db:
            found = version(db)
            refuse_newer(found, len(known()))
            if found < len(known()):
                yield note("store", f"it has format {found}", "callrouter run brings it up to date")
                return
            yield from _whole(db, path, patience)
            yield from _consistent(db, path, patience)
    except StoreError as ex:
        yield problem("store", str(ex), "mend that first, and ask again")
    except sqlite3.Error as ex:
        damaged = getattr(ex, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        yield problem("store", str(refusal(ex, path)), _STOP if damaged else "mend that first, and ask again")


def _whole(db: sqlite3.Connection, path: Path, patience: float) -> Iterator[Finding]:
    faults = _ask(db, "PRAGMA integrity_check(5)", patience)
    if faults is None:
        yield note("store", f"its integrity was not proved within {patience:g} s", _LONGER)
    elif [row[0] for row in faults] != ["ok"]:
        yield problem("store", f"{path} is damaged: {faults[0][0]}", _STOP)
    else:
        yield ok("store", "every page and every index is whole")
    stranded = _ask(db, "PRAGMA foreign_key_check", patience)
    if stranded:
        tables = ", ".join(sorted({str(row[0]) for row in stranded}))
        yield problem("store", f"{len(stranded)} rows belong to something that is gone ({tables})", _TELL)
    elif stranded is None:
        yield note("store", f"whether every row has what it belongs to was not proved within {patience:g} s", _LONGER)
    else:
        yield ok("store", "every row has what it belongs to")


def _consistent(db: sqlite3.Connection, path: Path, patience: float) -> Iterator[Finding]:
    answers = {sentence: _ask(db, question, patience) for sentence, question in _NEVER.items()}
    wrong = {sentence: rows[0][0] for sentence, rows in answers.items() if rows and rows[0][0]}
    for sentence, count in wrong.items():
        yield problem("store", f"{count} {sentence}", _TELL)
    if None in answers.values():
        yield note("store", f"whether a delivery is stranded was not proved within {patience:g} s", _LONGER)
    elif not wrong:
        yield ok("store", "no delivery is stranded")
    differ = _ask(db, _TALLY, patience)
    if differ is None:
        yield note("store", f"the counts were not proved within {patience:g} s", _LONGER)
    elif any(row[0] for row in differ):
        yield problem("store", "the counts that status shows are not those of the deliveries", _TELL)
    else:
        yield ok("store", "the counts are right")
    sizes = _ask(db, "SELECT name, sum(pgsize) FROM dbstat WHERE aggregate GROUP BY name ORDER BY 2 DESC", patience)
    if sizes:
        largest = ", ".join(f"{name} {size / (1 << 20):.1f} MiB" for name, size in sizes[:4])
        yield ok("store", f"{path.stat().st_size / (1 << 20):.1f} MiB; the most of it: {largest}")


def _ask(db: sqlite3.Connection, question: str, patience: float) -> list[tuple[Any, ...]] | None:
    """Return the rows, or None when they took longer than *patience* or cannot be asked for here."""
    deadline = time.monotonic() + patience
    db.set_progress_handler(lambda: time.monotonic() > deadline, _LOOK)
    try:
        return db.execute(question).fetchall()
    except sqlite3.OperationalError as ex:
        # Not every SQLite is built with dbstat.
        if ex.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT or "dbstat" in str(ex):
            return None
        raise


def _version_of_sqlite(numbers: tuple[int, int, int]) -> Finding:
    text = f"SQLite {'.'.join(map(str, numbers))}"
    mended = numbers >= (3, 51, 3) or (3, 50, 7) <= numbers < (3, 51) or (3, 44, 6) <= numbers < (3, 45)
    if mended or numbers < (3, 7, 0):
        return ok("store", text)
    return note(
        "store",
        f"{text} can damage a database when two programs write to it and one of them resets its write-ahead log; "
        "callrouter has one writing connection, and is safe by itself",
        "let no other program write to the files in data/; 3.51.3, 3.50.7 and 3.44.6 have it mended",
    )
