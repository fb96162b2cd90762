"""What is taken along: for each table of the one store, which table of the other, and the types of its columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from router.store.postgres.calls import INCOMING, TYPES
from router.store.postgres.rows import CONVERTERS

#: Unfinished, and dead letters; everything else has left the hot table.
_HOT = "state < 10 OR state = 11"

_DELIVERY = {
    "id": "bigint", "event_id": "bigint", "received_at": "float8", "destination_id": "integer", "call": "bigint",
    "state": "smallint", "due_at": "float8", "attempts": "integer", "unknowns": "integer", "replay": "integer",
    "replayed_at": "float8", "earlier_attempts": "integer", "held_by_dead_letter": "boolean", "rule": "text",
    "owner": "text", "lease_until": "float8", "leased_at": "float8", "ended_at": "float8", "reason": "text",
    "status": "integer",
}  # fmt: skip
_OF_DELIVERY = ", ".join("event.received_at" if name == "received_at" else f"delivery.{name}" for name in _DELIVERY)


@dataclass(frozen=True, slots=True)
class Copy:
    """One table's rows on their way."""

    #: In words, for people.
    kind: str
    #: Where they go, and their columns with types.
    table: str
    types: Mapping[str, str]
    #: What gives them, in the source's SQL; None where ``Sources`` has a way of its own.
    select: str | None
    #: Which rows of the table they are.
    where: str = "true"

    @property
    def names(self) -> str:
        """The columns, as SQL lists them."""
        return ", ".join(f'"{name}"' for name in self.types)


class Sum:
    """How many rows there were, and what they add up to, in whatever order they came."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, row: Iterable[Any]) -> None:
        """Count one more row, converted."""
        self.rows += 1
        digest = hashlib.blake2b(repr(tuple(row)).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        self._sum = (self._sum + int.from_bytes(digest, "big")) % (1 << 128)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sum) and (self.rows, self._sum) == (other.rows, other._sum)

    __hash__ = None  # type: ignore[assignment] # it changes


def converted(row: Sequence[Any], types: Mapping[str, str]) -> list[Any]:
    """Return *row* as PostgreSQL keeps it: truths for numbers, and no U+0000 in a text."""
    return [None if value is None else CONVERTERS[kind](value) for value, kind in zip(row, types.values(), strict=True)]


def _plain(kind: str, table: str, **types: str) -> Copy:
    columns = ", ".join(f'"{name}"' for name in types)
    return Copy(kind, table, types, f"SELECT {columns} FROM {table}")  # noqa: S608 - our own names


#: In the order in which they are moved.
COPIES = (
    _plain(
        "destinations", "destination", id="integer", name="text", paused_reason="text", paused_at="float8",
        paused_fingerprint="text", resumed_at="float8", drained_at="float8", drain_reason="text",
    ),
    Copy(
        "sources", "source", {"name": "text", "node": "text", "last_received_at": "float8"},
        "SELECT name, '', last_received_at FROM source",
    ),
    Copy("calls", "call", {"id": "bigint", "share": "smallint", **TYPES, **INCOMING}, None),
    _plain(
        "events", "event", id="bigint", received_at="float8", key="bytea", call="bigint", event_type="text",
        event_time="float8", from_sender="boolean", late="boolean", unmatched="boolean", config_version="text",
        rules="text", facts="text", body="bytea",
    ),
    Copy(
        "deliveries", "delivery", _DELIVERY,
        f"SELECT {_OF_DELIVERY} FROM delivery JOIN event ON event.id = event_id WHERE {_HOT}",  # noqa: S608 - our own names
    ),
    Copy(
        "deliveries", "ended", _DELIVERY,
        f"SELECT {_OF_DELIVERY} FROM delivery JOIN event ON event.id = event_id WHERE NOT ({_HOT})",  # noqa: S608 - our own names
    ),
    Copy(
        "attempts", "attempt",
        {"delivery_id": "bigint", "number": "integer", "received_at": "float8", "outcome": "text", "reason": "text",
         "status": "integer", "started_at": "float8", "ended_at": "float8"},
        "SELECT delivery_id, number, received_at, outcome, attempt.reason, attempt.status, started_at, attempt.ended_at"
        " FROM attempt JOIN delivery ON delivery.id = delivery_id JOIN event ON event.id = event_id",
    ),
    _plain("answers", "answer", delivery_id="bigint", attempt="integer", body="text"),
    _plain("receipts", "receipt", destination_id="integer", call="bigint", body="text", updated_at="float8"),
    _plain(
        "refused events", "quarantine", id="bigint", source="text", received_at="float8", remote="text", faults="text",
        body="bytea", readmitted_at="float8",
    ),
    _plain(
        "alerts", "alert", what="text", about="text", since="float8", last_at="float8", told_at="float8",
        untold="integer", reason="text", over="boolean",
    ),
    Copy(
        "commands", "asked",
        {"id": "bigint", "at": "float8", "who": "text", "action": "text", "arguments": "text"},
        None,
    ),
    _plain(
        "results of commands", "command", id="bigint", began_at="float8", ended_at="float8", progress="text",
        result="text",
    ),
    _plain(
        "silences", "silence", id="bigint", matchers="text", why="text", who="text", began_at="float8",
        ends_at="float8", ended_by="text",
    ),
    _plain("silenced deliveries", "silenced", silence="bigint", delivery_id="bigint"),
    Copy(
        "events not routed yet", "inbox",
        {"share": "smallint", "received_at": "float8", "source": "text", "remote": "text", "faults": "text",
         "body": "bytea"},
        None,
    ),
)  # fmt: skip
