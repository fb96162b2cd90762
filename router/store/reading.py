"""What everybody but the worker may ask of the store, and the rows that answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from router.calls import Call
from router.errors import Fault
from router.store.operator import CommandRow, SilenceRow
from router.store.state import State


@dataclass(frozen=True, slots=True)
class EventRow:
    """One routed event, for tables."""

    id: int
    source: str
    call_id: str
    event_type: str
    event_time: float
    received_at: float
    body: bytes
    facts: dict[str, Any]
    late: bool
    config_version: str
    rules: list[str]
    unmatched: bool


class HistoryRow(NamedTuple):
    """One event as its sender sent it, to be read again."""

    id: int
    source: str
    received_at: float
    body: bytes


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One delivery, for tables."""

    id: int
    event_id: int
    source: str
    call_id: str
    event_type: str
    destination: str
    rule: str | None
    state: State
    attempts: int
    due_at: float | None
    received_at: float
    ended_at: float | None
    reason: str | None
    status: int | None
    key: str


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt, for tables."""

    number: int
    outcome: str
    reason: str | None
    status: int | None
    started_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """The last answer kept of a destination to one delivery: to which attempt, after how many seconds, and its words.

    ``cut`` says that the body went on.
    """

    attempt: int
    status: int
    seconds: float
    headers: dict[str, str]
    body: str
    cut: bool


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """One refused body, for tables. ``readmitted_at`` is set once it has become an event after all."""

    id: int
    source: str
    received_at: float
    remote: str
    faults: list[Fault]
    body: bytes
    readmitted_at: float | None


@dataclass(frozen=True, slots=True)
class DestinationRow:
    """Where one destination stands. ``counts`` has deliveries by state; ``oldest_due_at`` is of the READY ones."""

    name: str
    paused_reason: str | None
    paused_at: float | None
    paused_fingerprint: str | None
    oldest_due_at: float | None
    #: Why it takes nothing new, and since when; None while it does.
    drain_reason: str | None = None
    drained_at: float | None = None
    counts: dict[State, int] = field(default_factory=dict)
    #: How the READY delivery that is tried again first has failed; None where none is tried again.
    retry_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows to return: every given field must hold. ``before_id`` pages, newest first.

    ``since`` and ``until`` (not included) are about the time of receipt. ``rule`` of an event is any that matched, of a
    delivery the one that asked. ``unfinished``, and ``silence`` (the number of the one that caught it), are said of
    deliveries alone.
    """

    source: str | None = None
    call_id: str | None = None
    event_type: str | None = None
    event_id: int | None = None
    destination: str | None = None
    rule: str | None = None
    state: State | None = None
    since: float | None = None
    until: float | None = None
    unmatched: bool | None = None
    unfinished: bool = False
    silence: int | None = None
    before_id: int | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """How many deliveries of one destination in one state there are, with the ids of the first and the last."""

    destination: str
    state: State
    number: int
    first: int
    last: int


class Reading(Protocol):
    """What everybody but the worker may ask of the store; every method is one short read transaction.

    Raises StoreError when the database refuses, or when a question takes so long that it would hinder the writer.
    """

    def events(self, where: Filter, limit: int) -> list[EventRow]:
        """Return events, newest first."""

    def history(self, since: float, until: float, after: HistoryRow | None, limit: int) -> list[HistoryRow]:
        """Return what senders sent, in order of receipt, received from *since* on and before *until*.

        *after* is the last row of the page before. What callrouter says itself is left out.
        """

    def calls(self, where: Filter, limit: int) -> list[Call]:
        """Return calls, the one heard of last first. What is said of deliveries, and ``before_id``, is a ValueError."""

    def call_ids(self, beginning: str, limit: int) -> list[str]:
        """Return the ids of calls that begin so, in their order."""

    def deliveries(self, where: Filter, limit: int, *, after: int | None = None) -> list[DeliveryRow]:
        """Return deliveries, newest first; oldest first, and beyond that id, where *after* is given."""

    def count(self, where: Filter, after: int, to: int) -> list[Counted]:
        """Count the deliveries beyond id *after*, up to *to*: the nearer, the shorter the question."""

    def attempts(self, delivery_id: int) -> list[AttemptRow]:
        """Return the attempts of one delivery, first to last."""

    def answer(self, delivery_id: int) -> AnswerRow | None:
        """Return the last answer kept of one delivery; None where none came, or none was kept."""

    def quarantined(self, limit: int, before_id: int | None = None) -> list[QuarantineRow]:
        """Return refused bodies, newest first."""

    def destinations(self) -> list[DestinationRow]:
        """Return every destination the store knows, by name."""

    def last_events(self) -> dict[str, float]:
        """Return source → when its newest event was received, not counting what callrouter says itself."""

    def oldest_event(self) -> float | None:
        """Return when the oldest event that is still kept was received; None where there is none."""

    def unrouted(self) -> tuple[int, float | None]:
        """Return how many accepted events this store itself still has to route, and when the oldest was received.

        0 and None where the inbox is elsewhere. Counted up to some thousands.
        """

    def cursors(self) -> dict[str, int]:
        """Return inbox segment → id of the last entry routed from it; ``commands`` is one of the names."""

    def command_position(self) -> int:
        """Return the id of the last operator command that was begun."""

    def commands(self, numbers: Sequence[int]) -> dict[int, CommandRow]:
        """Return how far each of these commands has come; one that was not begun is left out."""

    def silences(self, now: float | None = None) -> list[tuple[SilenceRow, int]]:
        """Return every silence with how many deliveries it has caught, by id; with *now*, those that have not ended."""

    def close(self) -> None:
        """Release the database."""
