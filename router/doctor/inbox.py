"""Whether every segment of the inbox can be read, and its cursor is one of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from router.doctor.finding import Finding, ok, problem
from router.inbox.segment import FORMAT

_KEEP = "keep it: what was accepted is in it"


def examine(data: Path, cursors: Mapping[str, int]) -> Iterator[Finding]:
    """Yield what is wrong with the segments; *cursors* says how far each has been routed."""
    paths = sorted((data / "inbox").glob("*.sqlite"))
    wrong = False
    for path in paths:
        try:
            fault = _fault(path, cursors.get(path.stem, 0))
        except (OSError, sqlite3.Error) as ex:
            # Routed and removed while we looked.
            fault = f"{path} cannot be read: {ex}" if path.exists() else None
        if fault:
            wrong = True
            yield problem("inbox", fault, _KEEP)
    if not wrong:
        yield ok("inbox", f"{len(paths)} segment{'' if len(paths) == 1 else 's'}, all readable")


def _fault(path: Path, cursor: int) -> str | None:
    where = f"file:{quote(str(path.absolute()))}?mode=ro"
    with closing(sqlite3.connect(where, uri=True, isolation_level=None, timeout=1.0)) as db:
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found > FORMAT:
            return f"{path} was written by a newer callrouter: run that version until it is routed"
        if found == 0:
            return None
        last = db.execute("SELECT max(id) FROM entry").fetchone()[0] or 0
        faults = [row[0] for row in db.execute("PRAGMA quick_check(1)")]
    if faults != ["ok"]:
        return f"{path} is damaged: {faults[0]}"
    if cursor > last:
        return f"{path} ends at {last}, and the store has routed it up to {cursor}: it is not the one that was routed"
    return None
