"""One node's turns on a shared store, without a worker: events in, deliveries claimed, outcomes recorded.

As a worker does, a turn records what the one before has claimed, takes events in and claims, all in one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from multiprocessing import get_context
from typing import NamedTuple

from router.calls import Call, CallState
from router.errors import StoreError
from router.store import Attempt, Claim, NewDelivery, NewEvent, State
from tests.bench.database import DESTINATION, opened
from tests.bench.memory import waiting_events
from tests.harness.waiting import pause

AT_ONCE = 100
_LEASE = 120.0


class Work(NamedTuple):
    """What one node is to do. Calls of different nodes have different numbers."""

    url: str
    node: str
    first_call: int
    turns: int
    #: On the monotonic clock: all nodes begin together.
    start_at: float


class Done(NamedTuple):
    """When one node had done it, on the monotonic clock, and what it took."""

    ended_at: float
    delivered: int
    statements: int


@dataclass
class Turns:
    """One node. ``claims`` is the seconds that each claim took."""

    url: str
    node: str = "n1"
    first_call: int = 0
    rates: list[float] = field(default_factory=list)
    claims: list[float] = field(default_factory=list)
    delivered: int = 0
    #: Statements of all rounds.
    asked: int = 0

    def __post_init__(self) -> None:
        self.store = opened(self.url, self.node)
        self._news = waiting_events(1_000_000, self.first_call)
        self._claimed: list[Claim] = []

    def round(self, turns: int) -> None:
        """Take so many turns, as fast as they go."""
        events = self.ahead(turns)
        # The server ends a session that was silent for long; the next statement begins another.
        with suppress(StoreError):
            self.store.next_due()
        self.store.next_due()
        asked, delivered = self.store.session.statements, self.delivered
        began = time.perf_counter()
        for batch in events:
            self.turn(batch)
        self.rates.append((self.delivered - delivered) / (time.perf_counter() - began))
        self.asked += self.store.session.statements - asked

    def ahead(self, turns: int) -> list[list[NewEvent]]:
        """Return the events of so many turns."""
        return [list(islice(self._news, AT_ONCE)) for _ in range(turns)]

    def turn(self, events: Sequence[NewEvent], at_once: int = AT_ONCE) -> None:
        """Record what was claimed in the last turn, take *events* in and claim up to *at_once* deliveries."""
        store, now, claimed = self.store, time.time(), self._claimed
        with store.transaction():
            store.expect(
                attempts=[claim.delivery_id for claim in claimed],
                calls=[(event.source, event.call_id) for event in events],
                keys=[event.key for event in events],
            )
            for one in claimed:
                self.delivered += store.record(
                    Attempt(one.delivery_id, one.attempt, self.node, State.DELIVERED, "delivered", None, 200, now, now)
                )
            for event in events:
                known = store.call(event.source, event.call_id) or _call(event)
                store.keep_call(replace(known, events=known.events + 1))
                store.add_event(event, [NewDelivery(DESTINATION, "all-inbound", ordered=True)], now=now)
            store.write()
            began = time.perf_counter()
            self._claimed = store.claim(DESTINATION, now=now, owner=self.node, lease_until=now + _LEASE, limit=at_once)
            self.claims.append(time.perf_counter() - began)


def _call(new: NewEvent) -> Call:
    return Call(new.source, new.call_id, CallState.ENDED, "inbound", last_received_at=new.received_at, ends_told=1)


def work(what: Work) -> Done:
    """Do it; for a process of its own."""
    turns = Turns(what.url, what.node, what.first_call)
    events = turns.ahead(what.turns)
    pause(max(0.0, what.start_at - time.monotonic()))
    statements = turns.store.session.statements
    for batch in events:
        turns.turn(batch)
    while turns._claimed:
        turns.turn([])
    done = Done(time.monotonic(), turns.delivered, turns.store.session.statements - statements)
    turns.store.close()
    return done


def together(url: str, nodes: int, turns: int, first_call: int = 0) -> tuple[float, float]:
    """Have *nodes* processes share *turns* turns; return deliveries a second of all, and statements for each."""
    start_at = time.monotonic() + 3.0 + nodes
    each = turns // nodes
    todo = [Work(url, f"n{one + 1}", first_call + one * 100_000, each, start_at) for one in range(nodes)]
    with ProcessPoolExecutor(nodes, mp_context=get_context("spawn")) as pool:
        done = list(pool.map(work, todo))
    delivered = sum(one.delivered for one in done)
    assert delivered == nodes * each * AT_ONCE, f"{delivered} were delivered"
    return delivered / (max(one.ended_at for one in done) - start_at), sum(one.statements for one in done) / delivered
