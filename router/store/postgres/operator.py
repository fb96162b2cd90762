"""What operators did, in PostgreSQL: silences, drains, and how far commands have come."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from router.store import CommandRow, Filter, SilenceRow
from router.store.postgres.filter import belonging, deliveries, of_delivery
from router.store.postgres.rows import plain
from router.store.postgres.session import Session

_SILENCE = "id, matchers, why, who, began_at, ends_at, ended_by"
_COMMAND = "id, began_at, ended_at, result, progress"

_KEEP_SILENCE = f"""
INSERT INTO silence ({_SILENCE}) VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET matchers = excluded.matchers, why = excluded.why, who = excluded.who,
    began_at = excluded.began_at, ends_at = excluded.ends_at, ended_by = excluded.ended_by
"""  # noqa: S608 - our own names
_KEEP_COMMAND = f"""
INSERT INTO command ({_COMMAND}) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET began_at = excluded.began_at, ended_at = excluded.ended_at, result = excluded.result,
    progress = excluded.progress
"""  # noqa: S608 - our own names


def window(asked: Filter, after: int, to: int) -> tuple[str, list[Any]]:
    """Return FROM and WHERE, with their values, of the deliveries beyond *after*, up to *to*, that *asked* names."""
    terms, values = of_delivery(asked)
    terms += ["delivery.id > %s", "delivery.id <= %s"]
    return f"FROM {deliveries(asked)} {belonging(asked)} WHERE {' AND '.join(terms)}", [*values, after, to]


def choose(session: Session, asked: Filter, after: int, to: int, limit: int) -> list[int]:
    """Implement ``Operating.choose``."""
    said, values = window(asked, after, to)
    rows = session.execute(f"SELECT delivery.id {said} ORDER BY delivery.id LIMIT %s", [*values, limit])
    return [number for (number,) in rows]


def silences(session: Session, now: float | None) -> list[SilenceRow]:
    """Return silences by id; with *now*, those that have not ended then."""
    rows = session.execute(
        f"SELECT {_SILENCE} FROM silence WHERE %(now)s::float8 IS NULL OR ends_at > %(now)s ORDER BY id",  # noqa: S608 - our own names
        {"now": now},
    )
    return [_silence(row) for row in rows]


def caught(session: Session, numbers: Sequence[int]) -> dict[int, int]:
    """Return silence → how many deliveries it has caught, of those of *numbers* that have caught any."""
    rows = session.execute(
        "SELECT silence, count(*) FROM silenced WHERE silence = ANY(%s::bigint[]) GROUP BY silence", (list(numbers),)
    )
    return dict(rows.fetchall())


def keep_silence(session: Session, row: SilenceRow) -> None:
    """Implement ``Operating.silence``."""
    ended_by = None if row.ended_by is None else plain(row.ended_by)
    session.execute(
        _KEEP_SILENCE,
        (row.id, json.dumps(row.matchers), plain(row.why), plain(row.who), row.began_at, row.ends_at, ended_by),
    )


def end_silence(session: Session, silence: int, who: str, now: float) -> bool:
    """Implement ``Operating.end_silence``."""
    cursor = session.execute(
        "UPDATE silence SET ends_at = %(now)s, ended_by = %(who)s WHERE id = %(id)s AND ends_at > %(now)s",
        {"now": now, "who": plain(who), "id": silence},
    )
    return cursor.rowcount > 0


def keep_command(session: Session, row: CommandRow) -> None:
    """Implement ``Operating.note_command``."""
    result = None if row.result is None else plain(row.result)
    session.execute(_KEEP_COMMAND, (row.id, row.began_at, row.ended_at, result, json.dumps(dict(row.progress))))


def under_way(session: Session) -> list[CommandRow]:
    """Implement ``Operating.commands_under_way``."""
    rows = session.execute(f"SELECT {_COMMAND} FROM command WHERE ended_at IS NULL ORDER BY id")  # noqa: S608 - our own names
    return [_command(row) for row in rows]


def commands(session: Session, numbers: Sequence[int]) -> dict[int, CommandRow]:
    """Implement ``Reading.commands``."""
    rows = session.execute(
        f"SELECT {_COMMAND} FROM command WHERE id = ANY(%s::bigint[])",  # noqa: S608 - our own names
        (list(numbers),),
    )
    return {row[0]: _command(row) for row in rows}


def _silence(row: Sequence[Any]) -> SilenceRow:
    number, matchers, *columns = row
    return SilenceRow(number, tuple(json.loads(matchers)), *columns)


def _command(row: Sequence[Any]) -> CommandRow:
    *columns, progress = row
    return CommandRow(*(*columns, json.loads(progress)))
