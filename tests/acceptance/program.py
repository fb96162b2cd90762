"""callrouter, broken on purpose or with a short lease: ``python -m tests.acceptance.program callrouter run …``.

A test that proves a promise must fail when the promise is broken. ``BREAKAGE`` in the environment names one of the
breakages below; ``LEASE`` sets the seconds of a lease, ``GONE`` those after which a node that was not heard of is gone.
What is broken here is broken in this process and in all that it forks; production code knows nothing of it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import sqlite3
import sys
import time
from collections.abc import Callable
from typing import Any

from router.cli import main
from router.errors import StoreError
from router.event import CallEvent
from router.inbox.room import Room
from router.inbox.segment import Segment
from router.inbox.writer import InboxWriter
from router.sender.lanes import Lane
from router.store import State
from router.store.sqlite.line import Line
from router.store.sqlite.store import SqliteStore
from router.worker import claiming, loop
from router.worker.clockwatch import ClockWatch
from router.worker.limits import Bucket


def _replace(owner: type, name: str, by: Any) -> None:
    assert name in vars(owner), f"{owner.__name__} has no {name} any more: this breakage breaks nothing"
    setattr(owner, name, by)


def _in_sql(changes: dict[str, str]) -> None:
    """Let every statement that says one thing say the other."""

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            for old, new in changes.items():
                sql = sql.replace(old, new)
            return super().execute(sql, *parameters)

    sqlite3.connect = functools.partial(sqlite3.connect, factory=Connection)


def acknowledgement() -> None:
    """Answer 200 a moment before the commit."""

    def too_late(writer: InboxWriter, segment: Segment) -> None:
        batch = writer._in_hand
        writer._report(None)
        writer._in_hand = batch[:0]
        time.sleep(0.05)  # the breakage itself: long enough for a kill to fall between the two
        segment.append([waiting.entry for waiting in batch])
        writer._bell.ring()

    _replace(InboxWriter, "_commit", too_late)


def synchronous() -> None:
    """Flush nothing but checkpoints: what ``synchronous = NORMAL`` means with a write-ahead log."""
    _in_sql({f"synchronous = {word}": "synchronous = normal" for word in ("full", "FULL")})


def errors_ignored() -> None:
    """Take a commit that failed for one that did not."""
    append = Segment.append

    def hopeful(segment: Segment, entries: Any) -> None:
        with contextlib.suppress(StoreError):
            append(segment, entries)

    _replace(Segment, "append", hopeful)


def room() -> None:
    """Take events until the disk is full, and what no longer fits for kept."""
    _replace(Room, "check", lambda _: None)
    errors_ignored()


def order() -> None:
    """Let no delivery wait for the one before it."""
    _replace(Line, "place_at_end", lambda *_: State.READY)


def promotion() -> None:
    """Let the next delivery of a call wait for ever."""
    _replace(Line, "go_on", lambda *_: None)


def fencing() -> None:
    """Take every outcome, also of an attempt that nobody waits for any more."""
    _in_sql({"AND state = 1 AND owner = ? AND attempts = ?": "AND ? IS NOT NULL AND ? IS NOT NULL"})


def rate() -> None:
    """Forget the rate."""
    _replace(Bucket, "allowed", lambda *_: 1_000_000)


def clock() -> None:
    """Believe any clock."""
    _replace(ClockWatch, "believes", lambda *_: True)


def lanes() -> None:
    """Make all attempts of a sender one after the other."""

    def put(lane: Lane, jobs: Any) -> None:
        attempt = lane._attempts()
        for job in jobs:
            lane._report(attempt(job))

    _replace(Lane, "put", put)


def recognition() -> None:
    """Take the same event for another one each time."""
    _replace(CallEvent, "key", property(lambda _: secrets.token_bytes(24)))


def checkpoint() -> None:
    """Let the write-ahead log grow for ever."""
    _in_sql({"PRAGMA journal_size_limit = 67108864": "PRAGMA wal_autocheckpoint = 0"})


def renewal() -> None:
    """Let leases lapse under attempts that go on."""
    _replace(SqliteStore, "renew", lambda *_: None)


BREAKAGES: dict[str, Callable[[], None]] = {
    made.__name__: made
    for made in (
        acknowledgement, synchronous, errors_ignored, room, order, promotion, fencing, rate, clock, lanes, recognition,
        checkpoint, renewal,
    )
}  # fmt: skip

if __name__ == "__main__":
    for name in filter(None, os.environ.get("BREAKAGE", "").split(",")):
        BREAKAGES[name]()
    if lasts := os.environ.get("LEASE"):
        # What is not there any more shortens nothing.
        assert {"lease"} <= vars(claiming).keys()
        assert {"RENEW_EVERY"} <= vars(loop).keys()
        claiming.lease, loop.RENEW_EVERY = lambda _: float(lasts), float(lasts) / 4
    if gone := os.environ.get("GONE"):
        from router.store.postgres import heartbeat, store

        assert {"GONE"} <= vars(heartbeat).keys()
        assert {"IDLE"} <= vars(store).keys()
        heartbeat.GONE, store.IDLE = float(gone), max(1.0, float(gone) * 0.8)
    # The name stands on the command line because `status` tells by it that a process is a callrouter.
    assert sys.argv.pop(1) == "callrouter"
    raise SystemExit(main())
