"""How accepted events get into the inbox that nodes share: a whole group commit is one statement."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from router.inbox import NewEntry
from router.location import PostgresAt
from router.shares import share_of
from router.store.postgres import clock
from router.store.postgres.connection import connect, refusal
from router.store.postgres.rows import Rows
from router.store.postgres.session import Session

#: Seconds an event's sender may wait, less what it takes to answer: a database that takes longer is away.
PATIENCE = 0.8
#: Seconds between two looks at the database's clock, by which events are stamped.
FOLLOW = 5.0
#: Seconds to wait for a connection; libpq counts whole ones, two at least.
CONNECT = 2

_ENTRY = Rows(
    share="smallint", received_at="float8", source="text", remote="text", faults="text", body="bytea"
)  # fmt: skip
_INSERT = f"INSERT INTO inbox ({_ENTRY.names}) SELECT * FROM {_ENTRY.source}"  # noqa: S608 - our own names


class SharedShelf:
    """Implements ``Shelf`` in table ``inbox``. The connection is made when it is needed, and again when it was lost.

    Where it was lost while a commit was on its way, nobody knows whether its events are there. Their sender is told
    that they are not, and sends them again: an event is known by its key, and routed once.
    """

    lost = False

    def __init__(self, at: PostgresAt, node: str) -> None:
        self._at, self._node = at, node
        self._watchdog = Watchdog()
        self._session: Session | None = None
        self._next_follow = 0.0

    def append(self, entries: Sequence[NewEntry]) -> None:
        """Implement ``Shelf``."""
        put(self.session(), entries, self._watchdog)
        if (now := time.monotonic()) >= self._next_follow:
            self._next_follow = now + FOLLOW
            clock.follow(self.session().execute)

    def session(self) -> Session:
        """Return the session, with a connection; raises StoreError."""
        if self._session is None:
            self._session = ingest_session(self._at, self._node)
        return self._session

    def until_renewal(self) -> None:
        """Implement ``Shelf``."""

    def renew(self) -> bool:
        """A connection that was lost is made again when it is needed."""
        return False

    def close(self) -> None:
        """Implement ``Shelf``."""
        self._watchdog.close()
        if self._session is not None:
            self._session.close()


def ingest_session(at: PostgresAt, node: str) -> Session:
    """Return a session that gives up within the time a sender waits; raises StoreError."""
    return Session(
        lambda: connect(at, role="ingest", node=node, statement_timeout=PATIENCE, connect_timeout=CONNECT),
        lambda ex: refusal(ex, at),
    )


def put(session: Session, entries: Sequence[NewEntry], watchdog: Watchdog) -> None:
    """Keep *entries* in the inbox, on disk on return; raise StoreError when they are not known to be."""
    arrays = _ENTRY.arrays(map(_row, entries))
    with watchdog.limit(session, PATIENCE):
        session.execute(_INSERT, arrays)


def _row(entry: NewEntry) -> tuple[Any, ...]:
    faults = json.dumps([[fault.path, fault.text] for fault in entry.faults]) if entry.faults else None
    return (share_of(entry.source, entry.call_id), entry.received_at, entry.source, entry.remote, faults, entry.body)


class Watchdog:
    """Breaks off a connection on which a statement takes too long.

    A server that stands still, or a network that was cut, says nothing: who waits for it waits for minutes.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._watched: tuple[float, int] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    @contextmanager
    def limit(self, session: Session, seconds: float) -> Iterator[None]:
        """Break off the connection of *session*, unless the block is left within so many *seconds*."""
        with self._changed:
            self._watched = (self._monotonic() + seconds, session.descriptor)
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._watched = None

    def close(self) -> None:
        """Watch no more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _watch(self) -> None:
        with self._changed:
            while not self._closed:
                if self._watched is None:
                    self._changed.wait()
                elif (left := self._watched[0] - self._monotonic()) > 0:
                    self._changed.wait(left)
                else:
                    _break_off(self._watched[1])
                    self._watched = None


def _break_off(descriptor: int) -> None:
    # Not closed: the connection's own code finds out by itself that there is nothing more to come.
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as other:
        other.shutdown(socket.SHUT_RDWR)
