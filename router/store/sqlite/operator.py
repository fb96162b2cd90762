"""What operators did, in SQLite: silences, drains, and how far commands have come."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from router.store import CommandRow, Filter, SilenceRow, State
from router.store.sqlite.filter import of_delivery

_SILENCES = "SELECT id, matchers, why, who, began_at, ends_at, ended_by"
_COMMANDS = "SELECT id, began_at, ended_at, result, progress FROM command"

_WINDOW = """
CROSS JOIN event ON event.id = event_id
CROSS JOIN call ON call.id = event.call
WHERE delivery.id > ? AND delivery.id <= ?
"""


def window(asked: Filter, after: int, to: int) -> tuple[str, list[Any]]:
    """Return FROM and WHERE, with their values, of the deliveries beyond *after*, up to *to*, that *asked* names."""
    terms, values = of_delivery(asked)
    if asked.call_id is not None or asked.event_id is not None:
        way = ""
    elif asked.state is State.DEAD and asked.destination is not None:
        way = " INDEXED BY delivery_dead"
    else:
        # Along the ids: the window bounds what is looked at, and any index would have to be sorted.
        way = " NOT INDEXED"
    return " AND ".join([f"FROM delivery{way} {_WINDOW}", *terms]), [after, to, *values]


def choose(db: sqlite3.Connection, asked: Filter, after: int, to: int, limit: int) -> list[int]:
    """Implement ``Operating.choose``."""
    said, values = window(asked, after, to)
    rows = db.execute(f"SELECT delivery.id {said} ORDER BY delivery.id LIMIT ?", [*values, limit])
    return [number for (number,) in rows]


def silences(db: sqlite3.Connection, now: float | None) -> list[SilenceRow]:
    """Return silences by id; with *now*, those that have not ended then."""
    rows = db.execute(f"{_SILENCES} FROM silence WHERE ?1 IS NULL OR ends_at > ?1 ORDER BY id", (now,))
    return [_silence(row) for row in rows]


def caught(db: sqlite3.Connection, silence: int) -> int:
    """Return how many deliveries *silence* has caught."""
    return int(db.execute("SELECT count(*) FROM silenced WHERE silence = ?", (silence,)).fetchone()[0])


def keep_silence(db: sqlite3.Connection, row: SilenceRow) -> None:
    """Implement ``Operating.silence``."""
    db.execute(
        "INSERT OR REPLACE INTO silence (id, matchers, why, who, began_at, ends_at, ended_by)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (row.id, json.dumps(row.matchers), row.why, row.who, row.began_at, row.ends_at, row.ended_by),
    )


def end_silence(db: sqlite3.Connection, silence: int, who: str, now: float) -> bool:
    """Implement ``Operating.end_silence``."""
    cursor = db.execute(
        "UPDATE silence SET ends_at = ?1, ended_by = ?2 WHERE id = ?3 AND ends_at > ?1", (now, who, silence)
    )
    return cursor.rowcount > 0


def keep_command(db: sqlite3.Connection, row: CommandRow) -> None:
    """Implement ``Operating.note_command``."""
    db.execute(
        "INSERT OR REPLACE INTO command (id, began_at, ended_at, result, progress) VALUES (?, ?, ?, ?, ?)",
        (row.id, row.began_at, row.ended_at, row.result, json.dumps(dict(row.progress))),
    )


def under_way(db: sqlite3.Connection) -> list[CommandRow]:
    """Implement ``Operating.commands_under_way``."""
    return [_command(row) for row in db.execute(f"{_COMMANDS} WHERE ended_at IS NULL ORDER BY id")]


def commands(db: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, CommandRow]:
    """Implement ``Reading.commands``."""
    asked = json.dumps(list(numbers))
    rows = db.execute(f"{_COMMANDS} WHERE id IN (SELECT value FROM json_each(?))", (asked,))  # noqa: S608 - our own columns
    return {row[0]: _command(row) for row in rows}


def _silence(row: Sequence[Any]) -> SilenceRow:
    number, matchers, *columns = row
    return SilenceRow(number, tuple(json.loads(matchers)), *columns)


def _command(row: Sequence[Any]) -> CommandRow:
    *columns, progress = row
    return CommandRow(*(*columns, json.loads(progress)))
