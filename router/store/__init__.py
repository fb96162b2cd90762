"""The store: what has been routed, what is owed to whom, and how it ended.

Two contracts. ``Store`` is for the worker, the one writer: everything it calls inside one ``transaction`` is
one durable step; ``Upkeep`` is the part of it that forgets. ``Reading`` is for everybody else: read-only, brief and
paged, never in the writer's way.
tests/store is the law for both, whatever the database.

A *line* is the unfinished ordered deliveries of one call to one destination, by id. Its first one is READY, LEASED or
HELD, all others are WAITING; when it ends, the next becomes the first. A dead letter with a smaller id in the same call
and destination keeps a first one that was added with ``held_by_dead_letter`` HELD; it goes on when no such dead
letter is left: each was replayed, and then ended as anything but DEAD. A replayed delivery takes its old place in its
line: what is behind it waits again, except one that is LEASED, which is ended first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from router.calls import Call, Incoming
from router.errors import Fault
from router.store.alerting import AlertStore, Concern, Waiting
from router.store.operating import Operating
from router.store.operator import CommandRow, SilenceRow
from router.store.reading import (
    AnswerRow,
    AttemptRow,
    Counted,
    DeliveryRow,
    DestinationRow,
    EventRow,
    Filter,
    HistoryRow,
    QuarantineRow,
    Reading,
)
from router.store.state import FINISHED, State, delivery_key
from router.store.upkeep import Forgotten, Upkeep

__all__ = [
    "FINISHED",
    "AlertStore",
    "AnswerRow",
    "Attempt",
    "AttemptRow",
    "Claim",
    "CommandRow",
    "Concern",
    "Counted",
    "DeliveryRow",
    "DestinationRow",
    "EventRow",
    "Filter",
    "Forgotten",
    "HistoryRow",
    "Lapsed",
    "NewDelivery",
    "NewEvent",
    "Operating",
    "Owed",
    "QuarantineRow",
    "Reading",
    "SilenceRow",
    "State",
    "Store",
    "Upkeep",
    "Waiting",
    "delivery_key",
]


@dataclass(slots=True)
class NewEvent:
    """One routed event, about to be kept."""

    #: Unique for what counts as the same event; time-ordered, because a random key costs 3.4 times as much.
    key: bytes
    source: str
    call_id: str
    event_type: str
    event_time: float
    received_at: float
    #: The sender's own bytes, or the JSON of an event of our own.
    body: bytes
    facts: Mapping[str, Any]
    #: Older than an event of its call that was already seen.
    late: bool
    config_version: str
    rules: Sequence[str]
    unmatched: bool
    #: False for ``call_ended``, ``call_corrected`` and ``alert``, which callrouter itself makes.
    from_sender: bool = True


@dataclass(slots=True)
class NewDelivery:
    """One delivery that an event asks for."""

    destination: str
    rule: str | None
    #: True: one after the other within the call. False: as soon as due.
    ordered: bool
    #: True: a dead letter of the same call before it keeps this one back (state HELD).
    held_by_dead_letter: bool = False
    #: CANCELLED or SILENCED where it has ended before it was tried, with the ``reason``.
    ended: State | None = None
    reason: str | None = None
    #: The silence that caught it.
    silence: int | None = None


class Owed(NamedTuple):
    """How long a delivery has been owed, and how often in vain. A replay begins both anew."""

    #: When its event was accepted, or when an operator had it replayed; it expires counted from here.
    since: float
    #: The same, or when the last pause of its destination ended; it is given up counted from here.
    tried_since: float
    #: Attempts before its last replay.
    earlier_attempts: int = 0
    #: Attempts since then whose answer was lost.
    unknowns: int = 0
    #: When it was due for the attempt it was claimed for; None where it was not claimed.
    due_at: float | None = None


@dataclass(slots=True)
class Claim:
    """One delivery taken for an attempt, with all a sender needs: it never opens the store."""

    delivery_id: int
    #: This attempt's number, 1 for the first. With ``owner`` it fences every later change.
    attempt: int
    destination: str
    rule: str | None
    key: str
    source: str
    received_at: float
    body: bytes
    #: JSON, as it was kept: only who uses it should pay for reading it.
    facts: str
    #: The call as it stands now.
    call: Call
    #: JSON, or None where there is none.
    receipt: str | None
    event_id: int
    event_type: str
    call_id: str
    owed: Owed
    #: It must not share an attempt with others.
    alone: bool = False


@dataclass(slots=True)
class Attempt:
    """How one attempt ended and what becomes of its delivery: the worker's verdict, ready to be recorded."""

    delivery_id: int
    attempt: int
    owner: str
    #: READY (again at ``due_at``), DELIVERED, DEAD or EXPIRED.
    state: State
    #: delivered, failed, unknown, refused, unusable, expired or released: one word for tables and metrics.
    outcome: str
    reason: str | None
    status: int | None
    started_at: float
    ended_at: float
    due_at: float | None = None
    receipt: Mapping[str, Any] | None = None
    #: False gives the attempt back uncounted (the sender never began it).
    counts: bool = True
    #: Delivered in plain words, because a template could not be filled in. The store keeps the ``reason`` alone.
    unfilled: bool = False
    #: What is kept of the destination's answer, as an ``AnswerRow`` has it but for ``attempt``; it replaces the one
    #: kept of this delivery's earlier attempts, whether the attempt counts or not.
    answer: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A delivery whose sender or worker went away in the middle of an attempt."""

    delivery_id: int
    attempt: int
    owner: str
    destination: str
    leased_at: float
    received_at: float
    owed: Owed
    event_type: str


class Store(AlertStore, Operating, Upkeep, Protocol):
    """What the worker needs of a database; what operators do with it is in ``Operating``, alerts in ``AlertStore``.

    What is forgotten is in ``Upkeep``. All moments are seconds since 1970, given by the caller.
    """

    def transaction(self) -> AbstractContextManager[None]:
        """Make everything inside one durable step: on disk when the block is left, or not done at all.

        Raises StoreError when the database refuses; nothing of the block has happened then. A method called
        outside any such block is a step of its own.
        """

    def know(self, destinations: Iterable[str], formerly: Mapping[str, str]) -> None:
        """Give each name its lasting number; ``formerly`` maps a new name to the one it replaces.

        A rename to a name that the store already has changes nothing.
        """

    def unknown_destinations(self, destinations: Iterable[str]) -> dict[str, int]:
        """Return name → unfinished deliveries, where there are any, of those that *destinations* no longer names."""

    def expect(
        self,
        *,
        attempts: Iterable[int] = (),
        calls: Iterable[tuple[str, str]] = (),
        keys: Iterable[bytes] = (),
    ) -> None:
        """Take in what the transaction is about to ask for, so that a store across a network can fetch it at once.

        *attempts* are deliveries that will be recorded, *calls* are sources and ids, *keys* are those of events.
        Nothing depends on it but the time it takes.
        """

    # The inbox -------------------------------------------------------------------------------------------

    def cursors(self) -> dict[str, int]:
        """Return segment name → id of the last inbox entry routed from it; ``commands`` is one of the names."""

    def move_cursor(self, segment: str, position: int | None) -> None:
        """Remember that everything up to *position* has been routed; None forgets a segment that is gone."""

    # Route -----------------------------------------------------------------------------------------------

    def call(self, source: str, call_id: str) -> Call | None:
        """Return the call as last kept."""

    def keep_call(self, call: Call) -> None:
        """Insert or replace the call of the same source and id."""

    def keep_incoming(self, call: Call, coming: Incoming | None) -> None:
        """Keep the call as ``keep_call`` does, and as what it counts from now on; None: as nothing."""

    def earlier_calls(self, coming: Incoming) -> tuple[int, int]:
        """Return how many other calls that count with *coming* began before it or with it, and how many are missed.

        Missed as they stand. At most ``MOST_COUNTED`` - 1 are looked at, so that it costs the same however many calls
        are kept.
        """

    def calls_to_end(self, now: float, stale_before: float, limit: int) -> list[Call]:
        """Return calls whose ``end_due_at`` has come, and open calls silent since before *stale_before*."""

    def add_event(self, event: NewEvent, deliveries: Sequence[NewDelivery], *, now: float) -> int | None:
        """Keep the event and its deliveries; return its id, or None, changing nothing, when its key is known.

        A delivery that is first in its line, or not ordered, is READY, due at *now* (or HELD, as said above); one
        behind others is WAITING; one that has ``ended`` has no place in a line. Raises StoreError for a destination
        that ``know`` was never told of.
        """

    def quarantine(self, source: str, body: bytes, faults: Sequence[Fault], received_at: float, remote: str) -> int:
        """Keep a body that its source may not send, for an operator to look at; return its id."""

    def refused(self, quarantine_id: int) -> QuarantineRow | None:
        """Return the body kept in quarantine under this id."""

    def readmitted(self, quarantine_id: int, now: float) -> None:
        """Remember that the body became an event after all."""

    def pass_on(self, source: str, call_id: str, body: bytes, received_at: float) -> bool:
        """Leave an event to the node that routes its call; return False, doing nothing, where that is this one."""

    # Deliver ---------------------------------------------------------------------------------------------

    def claim(
        self, destination: str, *, now: float, owner: str, lease_until: float, limit: int, retries: int | None = None
    ) -> list[Claim]:
        """Lease up to *limit* deliveries of *destination* that are READY and due, oldest due time first.

        At most *retries* of them (None: any number) were attempted before; however many of those wait, they are not
        in the way of the others. A paused destination yields nothing.
        """

    def record(self, attempt: Attempt) -> bool:
        """Record the attempt, its receipt, its answer and the delivery's new state.

        Return False, changing nothing, when it is no longer leased to ``attempt.owner`` at ``attempt.attempt``.

        When it is finished, the next of its line becomes READY, due at ``ended_at``, or HELD. When it is READY again
        and a replayed one has taken a place before it, it waits for that one, and still for its own ``due_at``.
        """

    def renew(self, owner: str, lease_until: float) -> None:
        """Extend all leases of *owner* to *lease_until*."""

    def lapsed(self, now: float, limit: int, *, owners: str | None = None) -> list[Lapsed]:
        """Return leased deliveries whose lease ran out before *now*; the caller records their end.

        With *owners*, only those of owners whose name begins so.
        """

    def next_due(self) -> float | None:
        """Return when the next thing falls due; None when nothing waits.

        That is the earliest READY delivery of a destination that is not paused, or ``end_due_at`` of a call.
        """

    def get_ready(self, now: float) -> None:
        """Make what the days to come need, where the store keeps days apart. Raises StoreError."""

    def close(self) -> None:
        """Release the database; the store is not used afterwards."""
