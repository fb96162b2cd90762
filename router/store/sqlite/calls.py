"""Calls in and out of table ``call``, whose columns are the fields of ``Call``."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from router.calls import MOST_COUNTED, Call, CallState, Incoming

_FIELDS = [field.name for field in fields(Call)]
_ALL = attrgetter(*_FIELDS)
_FIRED = _FIELDS.index("fired")
_STATE = _FIELDS.index("state")
_TRUTHS = [_FIELDS.index(name) for name in ("answered", "machine", "missed", "told_missed")]

_QUOTED = [f'"{name}"' for name in _FIELDS]

#: For SELECT lists and for the order of ``values``.
COLUMNS = ", ".join(f"call.{name}" for name in _QUOTED)
WIDTH = len(_FIELDS)
INSERT = f"INSERT INTO call ({', '.join(_QUOTED)}) VALUES ({', '.join('?' * WIDTH)})"  # noqa: S608 - our own names
_SET = ", ".join(f"{name} = ?" for name in _QUOTED[2:])
#: Takes ``values`` without the first two, then the row's number.
UPDATE = f"UPDATE call SET {_SET} WHERE id = ?"  # noqa: S608 - our own names
_INCOMING = "customer_number = ?, called_on = ?, called_at = ?"
_UPDATE_INCOMING = f"UPDATE call SET {_SET}, {_INCOMING} WHERE id = ?"  # noqa: S608 - our own names


def values(call: Call) -> list[Any]:
    """Return *call* as one row, in the order of ``COLUMNS``; source and id come first."""
    row = list(_ALL(call))
    row[_FIRED] = json.dumps(sorted(call.fired)) if call.fired else "[]"
    return row


def call_of(columns: Sequence[Any]) -> Call:
    """Return the call in *columns*, selected as ``COLUMNS``."""
    row = list(columns)
    row[_STATE] = CallState(row[_STATE])
    for truth in _TRUTHS:
        row[truth] = row[truth] == 1
    row[_FIRED] = frozenset(json.loads(row[_FIRED])) if row[_FIRED] != "[]" else frozenset()
    return Call(*row)


def to_end(db: sqlite3.Connection, now: float, stale_before: float, limit: int) -> list[Call]:
    """Return at most *limit* calls whose end is due at *now*, then those silent since before *stale_before*."""
    select = f"SELECT {COLUMNS} FROM call WHERE"  # noqa: S608 - our own names
    due = db.execute(f"{select} end_due_at <= ? ORDER BY end_due_at LIMIT ?", (now, limit)).fetchall()
    stale = db.execute(
        f"{select} ends_told = 0 AND last_received_at < ? AND end_due_at IS NULL ORDER BY last_received_at LIMIT ?",
        (stale_before, limit - len(due)),
    )
    return [call_of(row) for row in (*due, *stale)]


def keep_incoming(db: sqlite3.Connection, number: int, call: Call, coming: Incoming | None) -> None:
    """Write *call* into row *number*, and as what it counts: that is in an index, which no other event is to touch."""
    of = (None, None, None) if coming is None else (coming.number, coming.date, coming.at)
    db.execute(_UPDATE_INCOMING, (*values(call)[2:], *of, number))


def earlier(db: sqlite3.Connection, coming: Incoming) -> tuple[int, int]:
    """Return how many other calls that count with *coming* began before it or with it, and how many are missed."""
    calls, missed = db.execute(
        "SELECT count(*), total(missed) FROM (SELECT missed FROM call WHERE called_on = ? AND customer_number = ?"
        " AND source = ? AND called_at <= ? AND call_id <> ? LIMIT ?)",
        (coming.date, coming.number, coming.source, coming.at, coming.call_id, MOST_COUNTED - 1),
    ).fetchone()
    return calls, int(missed)
