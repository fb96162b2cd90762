"""Events on their way into the tables of their day: known by their keys, numbered, and written as many at once."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from pydantic_core import to_json

from router.store import NewEvent
from router.store.postgres.rows import Rows, plain
from router.store.postgres.session import Session

_EVENT = Rows(
    id="bigint", received_at="float8", key="bytea", call="bigint", event_type="text", event_time="float8",
    from_sender="boolean", late="boolean", unmatched="boolean", config_version="text", rules="text", facts="text",
    body="bytea",
)  # fmt: skip
_INSERT = f"""
WITH given AS MATERIALIZED (SELECT * FROM {_EVENT.source}),
     known AS (INSERT INTO event_key (key, event_id, received_at) SELECT key, id, received_at FROM given)
INSERT INTO event ({_EVENT.names}) SELECT * FROM given
"""  # noqa: S608 - our own names
_HEARD = Rows(name="text", node="text", last_received_at="float8")
_HEAR = f"""
INSERT INTO source (name, node, last_received_at) SELECT * FROM {_HEARD.source}
ON CONFLICT (name, node) DO UPDATE SET last_received_at = greatest(source.last_received_at, excluded.last_received_at)
"""  # noqa: S608 - our own names


class Events:
    """What one transaction adds."""

    def __init__(self, session: Session, node: str) -> None:
        self._session = session
        self._node = node
        #: Key → whether there is an event of it.
        self._known: dict[bytes, bool] = {}
        self._numbers: list[int] = []
        self._added: list[tuple[NewEvent, int, int]] = []
        #: Source → newest time of receipt.
        self._heard: dict[str, float] = {}

    def foresee(self, keys: Iterable[bytes]) -> None:
        """Look up which of *keys* are known, and take as many numbers as may be needed."""
        wanted = list(set(keys) - self._known.keys())
        if not wanted:
            return
        self._known.update(dict.fromkeys(wanted, False))
        for (key,) in self._session.execute("SELECT key FROM event_key WHERE key = ANY(%s)", (wanted,)):
            self._known[key] = True
        self._take_numbers(len(wanted) - sum(self._known[key] for key in wanted))

    def known(self, key: bytes) -> bool:
        """Whether there is an event of this key, be it one that this transaction adds."""
        if key not in self._known:
            self.foresee([key])
        return self._known[key]

    def add(self, event: NewEvent, call: int) -> int:
        """Add an event that is not known, of the call with number *call*; return its id."""
        if not self._numbers:
            self._take_numbers(1)
        number = self._numbers.pop(0)
        self._known[event.key] = True
        self._added.append((event, number, call))
        if event.from_sender:
            self._heard[event.source] = max(event.received_at, self._heard.get(event.source, 0.0))
        return number

    def write(self) -> None:
        """Put what was added into the tables."""
        if self._added:
            self._session.execute(_INSERT, _EVENT.arrays(_row(*one) for one in self._added))
            self._added.clear()

    def write_heard(self) -> None:
        """Remember when each source was last heard of."""
        if self._heard:
            rows = [(source, self._node, at) for source, at in sorted(self._heard.items())]
            self._session.execute(_HEAR, _HEARD.arrays(rows))
            self._heard.clear()

    def forget(self) -> None:
        """Forget everything: the transaction is over.

        Numbers go too: those that another node takes later must be greater than all that were given before.
        """
        self._known.clear()
        self._numbers.clear()
        self._added.clear()
        self._heard.clear()

    def _take_numbers(self, count: int) -> None:
        if count:
            taken = self._session.execute("SELECT nextval('event_id') FROM generate_series(1, %s)", (count,))
            self._numbers += [number for (number,) in taken]


def _row(event: NewEvent, number: int, call: int) -> tuple[object, ...]:
    return (
        number,
        event.received_at,
        event.key,
        call,
        event.event_type,
        event.event_time,
        event.from_sender,
        event.late,
        event.unmatched,
        event.config_version,
        _rules(tuple(event.rules)),
        plain(to_json(dict(event.facts)).decode()),
        event.body,
    )


@functools.lru_cache(1024)
def _rules(names: tuple[str, ...]) -> str:
    return to_json(list(names)).decode()
