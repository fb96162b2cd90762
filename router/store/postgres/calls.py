"""Calls in and out of table ``call``: kept in memory for the length of a transaction, and written as many at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from router.calls import MOST_COUNTED, Call, CallState, Incoming
from router.shares import share_of
from router.store.postgres.rows import Rows, plain
from router.store.postgres.session import Session

#: A call: its source and its id.
Key = tuple[str, str]

_FIELDS = [field.name for field in fields(Call)]
_ALL = attrgetter(*_FIELDS)
_FIRED = _FIELDS.index("fired")
_STATE = _FIELDS.index("state")

_KINDS = {
    "state": "smallint", "started_at": "float8", "answered_at": "float8", "ended_at": "float8", "answered": "boolean",
    "machine": "boolean", "missed": "boolean", "ring_seconds": "float8", "talk_seconds": "float8",
    "first_event_at": "float8", "last_event_at": "float8", "last_received_at": "float8", "events": "integer",
    "end_due_at": "float8", "ends_told": "integer", "told_missed": "boolean", "calls_today": "integer",
    "missed_today": "integer",
}  # fmt: skip
#: Column → its type, in the order of ``COLUMNS``.
TYPES = {name: _KINDS.get(name, "text") for name in _FIELDS}
#: As what a call counts.
INCOMING = {"customer_number": "text", "called_on": "text", "called_at": "float8"}

#: For SELECT lists.
COLUMNS = ", ".join(f'call."{name}"' for name in _FIELDS)

_WANTED = Rows(call_id="text", source="text")
_NEW = Rows(id="bigint", share="smallint", **TYPES, **INCOMING)
_MOVED = Rows(id="bigint", **TYPES)
_COUNTED = Rows(id="bigint", **INCOMING)

# Locked, so that nobody forgets a call of which an event is just coming in.
_FIND = f"""
SELECT call.id, {COLUMNS} FROM {_WANTED.source} JOIN call USING (call_id, source)
ORDER BY call.id FOR KEY SHARE OF call
"""  # noqa: S608 - our own names
_INSERT = f"INSERT INTO call ({_NEW.names}) SELECT * FROM {_NEW.source}"  # noqa: S608 - our own names
_SET = ", ".join(f'"{name}" = given."{name}"' for name in _FIELDS[2:])
_UPDATE = f"UPDATE call SET {_SET} FROM {_MOVED.source} WHERE call.id = given.id"  # noqa: S608 - our own names
# Apart: what a call counts as is in an index, which no other event is to touch.
_COUNT = f"""
UPDATE call SET customer_number = given.customer_number, called_on = given.called_on, called_at = given.called_at
FROM {_COUNTED.source} WHERE call.id = given.id
"""  # noqa: S608 - our own names

_EARLIER = f"""
SELECT count(*), count(*) FILTER (WHERE missed) FROM (
    SELECT missed FROM call AS other
    WHERE other.called_on = {{on}} AND other.customer_number = {{number}} AND other.source = {{source}}
      AND other.called_at <= {{at}} AND other.call_id <> {{call_id}}
    LIMIT {MOST_COUNTED - 1}
) AS found
"""  # noqa: S608 - our own names
_EARLIER_OF_ROW = _EARLIER.format(
    on="call.called_on",
    number="call.customer_number",
    source="call.source",
    at="call.called_at",
    call_id="call.call_id",
)
_EARLIER_OF = _EARLIER.format(
    on="%(date)s", number="%(number)s", source="%(source)s", at="%(at)s", call_id="%(call_id)s"
)
# What came before each is counted once it is known which ones they are.
_TO_END = f"""
SELECT {COLUMNS}, customer_number, called_on, called_at, before.*
FROM (SELECT * FROM call WHERE share = ANY(%s) AND {{0}} ORDER BY {{1}} LIMIT %s) AS call
CROSS JOIN LATERAL ({_EARLIER_OF_ROW}) AS before ORDER BY {{1}}
"""  # noqa: S608 - our own names
_DUE = _TO_END.format("end_due_at <= %s", "end_due_at")
_STALE = _TO_END.format("ends_told = 0 AND last_received_at < %s AND end_due_at IS NULL", "last_received_at")


class Calls:
    """What one transaction knows of calls, and has changed in them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[Key, tuple[int, Call] | None] = {}
        self._kept: dict[Key, Call] = {}
        self._counts: dict[Key, Incoming | None] = {}
        #: Calls that have a number and no row yet.
        self._new: set[Key] = set()
        #: Numbers that were taken from the sequence and not used yet.
        self._spare: list[int] = []
        #: What was found beside calls that are to end: as what each counts, and what was before it.
        self._earlier: dict[Incoming, tuple[int, int]] = {}

    def foresee(self, keys: Iterable[Key]) -> list[int]:
        """Look up *keys*; return the numbers of those that exist."""
        asked = {key_of(*key) for key in keys}
        if wanted := sorted(asked - self._known.keys()):
            self._known.update(dict.fromkeys(wanted))
            rows = [(call_id, source) for source, call_id in wanted]
            for number, *columns in self._session.execute(_FIND, _WANTED.arrays(rows)):
                call = call_of(columns)
                self._known[call.source, call.call_id] = (number, call)
            missing = sum(self._known[key] is None for key in wanted)
            self._take_numbers(missing - len(self._spare))
        return [found[0] for key in asked if (found := self._known[key]) is not None]

    def find(self, source: str, call_id: str) -> Call | None:
        """Return the call as it is in this transaction."""
        key = key_of(source, call_id)
        if (kept := self._kept.get(key)) is not None:
            return kept
        found = self._find(key)
        return None if found is None else found[1]

    def number(self, source: str, call_id: str) -> int:
        """Return the number of a call; one that is not known yet is kept, with nothing known of it."""
        key = key_of(source, call_id)
        found = self._find(key)
        if found is not None:
            return found[0]
        return self._begin(key, Call(source, call_id))

    def is_new(self, number: int, source: str, call_id: str) -> bool:
        """Whether the call began in this transaction, so that nothing can stand in its lines but what this one adds."""
        key = key_of(source, call_id)
        found = self._known.get(key)
        return key in self._new and found is not None and found[0] == number

    def keep(self, call: Call) -> None:
        """Keep *call* in place of what was known of it."""
        key = key_of(call.source, call.call_id)
        found = self._find(key)
        if found is None:
            self._begin(key, call)
        else:
            self._known[key] = (found[0], call)
        self._kept[key] = call

    def count_as(self, call: Call, coming: Incoming | None) -> None:
        """Keep *call*, and as what it counts."""
        self.keep(call)
        self._counts[key_of(call.source, call.call_id)] = coming

    def write(self) -> None:
        """Put what was kept into the table."""
        if not self._kept:
            return
        new, moved, counted = [], [], []
        for key, call in self._kept.items():
            number = self._number(key)
            row = _row(call)
            coming = self._counts.get(key)
            if key in self._new:
                new.append((number, share_of(*key), *row, *_incoming(coming)))
            else:
                moved.append((number, *row))
                if key in self._counts:
                    counted.append((number, *_incoming(coming)))
        if new:
            self._session.execute(_INSERT, _NEW.arrays(new))
        if moved:
            # By number, like every lock that is taken of many rows at once.
            self._session.execute(_UPDATE, _MOVED.arrays(sorted(moved)))
        if counted:
            self._session.execute(_COUNT, _COUNTED.arrays(sorted(counted)))
        self._kept.clear()
        self._counts.clear()
        self._new.clear()

    def forget(self) -> None:
        """Forget everything: the transaction is over. Numbers that were not used are used by the next one."""
        self._known.clear()
        self._kept.clear()
        self._counts.clear()
        self._new.clear()
        self._earlier.clear()

    def to_end(self, shares: Iterable[int], now: float, stale_before: float, limit: int) -> list[Call]:
        """Return up to *limit* calls of *shares* whose end is due at *now*, then those silent before *stale_before*."""
        mine = sorted(shares)
        rows = self._session.execute(_DUE, (mine, now, limit)).fetchall()
        if len(rows) < limit and stale_before > float("-inf"):
            rows += self._session.execute(_STALE, (mine, stale_before, limit - len(rows))).fetchall()
        calls = []
        for row in rows:
            call = call_of(row[: len(_FIELDS)])
            number, date, at, earlier, missed = row[len(_FIELDS) :]
            if number is not None:
                self._earlier[Incoming(call.source, call.call_id, number, date, at)] = (earlier, missed)
            calls.append(call)
        self.foresee((call.source, call.call_id) for call in calls)
        return calls

    def foretold(self, coming: Incoming) -> tuple[int, int] | None:
        """Return what ``earlier`` would, where ``to_end`` has found it already."""
        return self._earlier.get(coming)

    def earlier(self, coming: Incoming) -> tuple[int, int]:
        """Return how many calls that count with *coming* began before it, and how many of them are missed."""
        row = self._session.execute(_EARLIER_OF, coming._asdict()).fetchone()
        return (0, 0) if row is None else (row[0], row[1])

    def _find(self, key: Key) -> tuple[int, Call] | None:
        if key not in self._known:
            self.foresee([key])
        return self._known[key]

    def _number(self, key: Key) -> int:
        found = self._known[key]
        assert found is not None, "whatever is kept has a number"  # noqa: S101 - for the type checker
        return found[0]

    def _begin(self, key: Key, call: Call) -> int:
        self._take_numbers(1 - len(self._spare))
        number = self._spare.pop()
        self._known[key] = (number, call)
        self._kept[key] = call
        self._new.add(key)
        return number

    def _take_numbers(self, count: int) -> None:
        if count > 0:
            taken = self._session.execute("SELECT nextval('call_id_seq') FROM generate_series(1, %s)", (count,))
            self._spare = [number for (number,) in taken][::-1] + self._spare


def key_of(source: str, call_id: str) -> Key:
    """Return the key of a call as the database has it."""
    return plain(source), plain(call_id)


def call_of(columns: Sequence[Any]) -> Call:
    """Return the call in *columns*, selected as ``COLUMNS``."""
    row = list(columns)
    row[_STATE] = CallState(row[_STATE])
    row[_FIRED] = frozenset(json.loads(row[_FIRED])) if row[_FIRED] != "[]" else frozenset()
    return Call(*row)


def _row(call: Call) -> list[Any]:
    row = list(_ALL(call))
    row[_FIRED] = json.dumps(sorted(call.fired)) if call.fired else "[]"
    return row


def _incoming(coming: Incoming | None) -> tuple[str | None, str | None, float | None]:
    return (None, None, None) if coming is None else (coming.number, coming.date, coming.at)
