"""``Store`` on PostgreSQL.

A transaction's writes are collected and sent as one statement per table: when something is read that they could change,
and at the end. So a turn of the worker costs the same few statements whether it is about one event or about hundreds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from router.calls import Call, Incoming
from router.errors import Fault, StoreError
from router.location import PostgresAt
from router.shares import ALL, share_of
from router.store import (
    Attempt,
    Claim,
    CommandRow,
    Filter,
    Forgotten,
    Lapsed,
    NewDelivery,
    NewEvent,
    QuarantineRow,
    SilenceRow,
)
from router.store.alerting import Concern, Waiting
from router.store.postgres import days, operator, quarantine
from router.store.postgres import destinations as places
from router.store.postgres.alerts import Alerts
from router.store.postgres.calls import Calls
from router.store.postgres.connection import connect, refusal
from router.store.postgres.deliveries import Deliveries
from router.store.postgres.events import Events
from router.store.postgres.line import Lines
from router.store.postgres.migrate import migrate
from router.store.postgres.outcomes import Outcomes
from router.store.postgres.owing import Owed, Owing
from router.store.postgres.retention import Retention
from router.store.postgres.session import Session
from router.store.postgres.step import question, step
from router.store.postgres.tally import Tally

#: Seconds after which the server ends a worker's silent session, and with it its hold on its shares.
IDLE = 12.0
#: Seconds a statement of a worker may take.
STATEMENT = 30.0


class PostgresStore:
    """Implements ``Store``, for one node. Used from the thread that opened it."""

    def __init__(self, session: Session, node: str, *, shares: frozenset[int] = ALL) -> None:
        """Work on *session*, whose tables are up to date, as *node*; ``hold`` says which shares are this node's."""
        self.session = session
        self.node = node
        self._shares = shares
        self._held_under = session.generation
        tally = Tally(session, node)
        self._tally = tally
        self._calls = Calls(session)
        self._events = Events(session, node)
        self._lines = Lines(session, tally)
        self._outcomes = Outcomes(session, tally, self._lines)
        self._owing = Owing(session, tally)
        self._deliveries = Deliveries(session, tally, self._lines, self._outcomes, self._owing)
        self._alerts = Alerts(session)
        self._retention = Retention(session, tally)
        #: Whether a transaction is open.
        self.in_step = False
        #: Destination name → its number, when its last pause ended; of one transaction, for any node may change it.
        self._destinations: dict[str, tuple[int, float | None]] | None = None
        self._paused: set[str] = set()

    @classmethod
    def open(cls, at: PostgresAt, *, node: str) -> PostgresStore:
        """Return the store in the database *at*, its tables made or brought up to date when need be.

        Raises StoreError when it cannot be used.
        """
        session = Session(
            lambda: connect(at, role="worker", node=node, statement_timeout=STATEMENT, idle=IDLE),
            lambda ex: refusal(ex, at),
        )
        try:
            migrate(session)
        except BaseException:
            session.close()
            raise
        return cls(session, node)

    @property
    def shares(self) -> frozenset[int]:
        """The shares of calls whose locks this node holds: none once their session was lost."""
        return self._shares if self._held_under == self.session.generation else frozenset()

    def hold(self, shares: Iterable[int]) -> None:
        """Take in that the present session holds the locks of *shares*."""
        self._shares, self._held_under = frozenset(shares), self.session.generation

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self.in_step:
            raise RuntimeError("a transaction inside another would not be a durable step of its own")
        self.in_step = True
        try:
            with self.session.transaction():
                yield
                self.write()
                self._tally.write()
                self._events.write_heard()
        finally:
            self.in_step = False
            self._forget()

    @question
    def know(self, destinations: Iterable[str], formerly: Mapping[str, str]) -> None:
        places.know(self.session, destinations, formerly)
        self._destinations = None

    @question
    def unknown_destinations(self, destinations: Iterable[str]) -> dict[str, int]:
        self._tally.write()
        known = set(destinations)
        return {name: n for name, n in places.unfinished(self.session) if name not in known}

    @step
    def expect(
        self,
        *,
        attempts: Iterable[int] = (),
        calls: Iterable[tuple[str, str]] = (),
        keys: Iterable[bytes] = (),
    ) -> None:
        deliveries = list(attempts)
        lines = self._outcomes.lines_of(deliveries) if deliveries else []
        self._lines.lock([*lines, *self._calls.foresee(calls)])
        if deliveries:
            self._outcomes.foresee(deliveries)
        self._events.foresee(keys)

    # The inbox -------------------------------------------------------------------------------------------

    @step
    def cursors(self) -> dict[str, int]:
        return dict(self.session.execute("SELECT segment, position FROM cursor").fetchall())

    @step
    def move_cursor(self, segment: str, position: int | None) -> None:
        if position is None:
            self.session.execute("DELETE FROM cursor WHERE segment = %s", (segment,))
        else:
            self.session.execute(
                "INSERT INTO cursor VALUES (%s, %s) ON CONFLICT (segment) DO UPDATE SET position = excluded.position",
                (segment, position),
            )

    # Route -----------------------------------------------------------------------------------------------

    @step
    def call(self, source: str, call_id: str) -> Call | None:
        return self._calls.find(source, call_id)

    @step
    def keep_call(self, call: Call) -> None:
        self._calls.keep(call)

    @step
    def keep_incoming(self, call: Call, coming: Incoming | None) -> None:
        self._calls.count_as(call, coming)

    @step
    def earlier_calls(self, coming: Incoming) -> tuple[int, int]:
        if (found := self._calls.foretold(coming)) is not None:
            return found
        self.write()
        return self._calls.earlier(coming)

    @question
    def calls_to_end(self, now: float, stale_before: float, limit: int) -> list[Call]:
        calls = self._calls.to_end(self.shares, now, stale_before, limit)
        free = self._lines.try_lock(self._calls.foresee((call.source, call.call_id) for call in calls))
        # Another node is ending a delivery of the others just now: they end a turn later.
        return [call for call in calls if self._calls.number(call.source, call.call_id) in free]

    @step
    def add_event(self, event: NewEvent, deliveries: Sequence[NewDelivery], *, now: float) -> int | None:
        numbers = [self._number(delivery.destination) for delivery in deliveries]
        if self._events.known(event.key):
            return None
        call = self._calls.number(event.source, event.call_id)
        new = self._calls.is_new(call, event.source, event.call_id)
        if not new and any(delivery.ordered for delivery in deliveries):
            self._lines.lock([call])
        event_id = self._events.add(event, call)
        for number, delivery in zip(numbers, deliveries, strict=True):
            line = call if delivery.ordered else None
            held = delivery.held_by_dead_letter
            owed = Owed(event_id, event.received_at, number, line, new, delivery.rule, held, now)
            if delivery.ended is None:
                self._owing.add(owed)
            else:
                self._owing.add_ended(delivery, owed)
        return event_id

    @step
    def quarantine(self, source: str, body: bytes, faults: Sequence[Fault], received_at: float, remote: str) -> int:
        return quarantine.keep(self.session, source, body, faults, received_at=received_at, remote=remote)

    @step
    def refused(self, quarantine_id: int) -> QuarantineRow | None:
        return quarantine.find(self.session, quarantine_id)

    @step
    def readmitted(self, quarantine_id: int, now: float) -> None:
        quarantine.readmitted(self.session, quarantine_id, now)

    # Deliver ---------------------------------------------------------------------------------------------

    @question
    def claim(
        self, destination: str, *, now: float, owner: str, lease_until: float, limit: int, retries: int | None = None
    ) -> list[Claim]:
        number = self._number(destination)
        if destination in self._paused:
            return []
        return self._deliveries.claim(
            destination,
            number,
            resumed_at=self._known[destination][1],
            now=now,
            owner=owner,
            lease_until=lease_until,
            limit=limit,
            retries=limit if retries is None else min(limit, retries),
        )

    @step
    def record(self, attempt: Attempt) -> bool:
        return self._outcomes.record(attempt)

    @question
    def renew(self, owner: str, lease_until: float) -> None:
        self._deliveries.renew(owner, lease_until)

    @question
    def lapsed(self, now: float, limit: int, *, owners: str | None = None) -> list[Lapsed]:
        return self._deliveries.lapsed(now, limit, owners)

    @question
    def next_due(self) -> float | None:
        return self._deliveries.next_due(self.shares)

    # The operator ----------------------------------------------------------------------------------------

    @question
    def replay(self, deliveries: Iterable[int], now: float, *, due_from: float | None = None, apart: float = 0) -> int:
        return self._deliveries.replay(deliveries, now, due_from=due_from, apart=apart)

    @question
    def cancel(self, deliveries: Iterable[int], reason: str, now: float) -> int:
        return self._deliveries.cancel(deliveries, reason, now)

    @question
    def give_up(self, destination: str, now: float, limit: int) -> int:
        found = self._known.get(destination)
        return 0 if found is None else self._deliveries.give_up(found[0], now, limit)

    @question
    def choose(self, where: Filter, after: int, to: int, limit: int) -> list[int]:
        return operator.choose(self.session, where, after, to, limit)

    @step
    def pause(self, destination: str, reason: str, fingerprint: str, now: float) -> None:
        places.pause(self.session, destination, reason, fingerprint, now)
        self._destinations = None

    @step
    def drain(self, destination: str, reason: str, now: float) -> None:
        places.drain(self.session, destination, reason, now)

    @step
    def resume(self, destination: str, now: float) -> None:
        places.resume(self.session, destination, now)
        self._destinations = None

    @step
    def draining(self) -> dict[str, str]:
        return places.draining(self.session)

    @step
    def silences(self, now: float) -> list[SilenceRow]:
        return operator.silences(self.session, now)

    @step
    def silence(self, silence: SilenceRow) -> None:
        operator.keep_silence(self.session, silence)

    @step
    def end_silence(self, silence: int, who: str, now: float) -> bool:
        return operator.end_silence(self.session, silence, who, now)

    @step
    def commands_under_way(self) -> list[CommandRow]:
        return operator.under_way(self.session)

    @step
    def note_command(self, command: CommandRow) -> None:
        operator.keep_command(self.session, command)

    # Alerts ----------------------------------------------------------------------------------------------

    @step
    def concerns(self) -> list[Concern]:
        return self._alerts.concerns()

    @step
    def keep_concern(self, concern: Concern) -> None:
        self._alerts.keep(concern)

    @step
    def forget_concern(self, concern: Concern) -> None:
        self._alerts.forget(concern)

    @question
    def waiting(self) -> dict[str, Waiting]:
        return self._alerts.waiting()

    @step
    def paused(self) -> dict[str, str]:
        return self._alerts.paused()

    # Upkeep ----------------------------------------------------------------------------------------------

    @question
    def forget_events(self, before: float, dead_before: float, place: int, limit: int) -> Forgotten:
        return self._retention.events(before, dead_before, place, limit)

    @question
    def forget_receipts(self, before: float, place: int, limit: int) -> Forgotten:
        return self._retention.receipts(before, place, limit)

    @question
    def forget_calls(self, before: float, place: int, limit: int) -> Forgotten:
        return self._retention.calls(before, place, limit)

    @question
    def forget_quarantine(self, before: float, place: int, limit: int) -> Forgotten:
        return self._retention.quarantine(before, place, limit)

    @question
    def forget_commands(self, before: float, place: int, limit: int) -> Forgotten:
        return self._retention.commands(before, place, limit)

    @step
    def pass_on(self, source: str, call_id: str, body: bytes, received_at: float) -> bool:
        share = share_of(source, call_id)
        if share in self.shares:
            return False
        self.session.execute(
            "INSERT INTO inbox (share, received_at, source, remote, body) VALUES (%s, %s, %s, %s, %s)",
            (share, received_at, source, "callrouter", body),
        )
        return True

    @step
    def get_ready(self, now: float) -> None:
        # Tables that are in use now are made at the next time; until then what comes is kept beside the days.
        with suppress(days.Busy):
            days.make(self.session, now)

    def close(self) -> None:
        self.session.close()

    def write(self) -> None:
        """Write everything that was collected: what has ended first, so that what is added finds its place."""
        self._outcomes.write()
        self._calls.write()
        self._events.write()
        self._owing.write()

    def _forget(self) -> None:
        self._destinations = None
        for part in (self._tally, self._calls, self._events, self._lines, self._outcomes, self._owing):
            part.forget()

    @property
    def _known(self) -> dict[str, tuple[int, float | None]]:
        if self._destinations is None:
            rows = self.session.execute("SELECT name, id, paused_at, resumed_at FROM destination").fetchall()
            self._destinations = {name: (number, resumed_at) for name, number, _, resumed_at in rows}
            self._paused = {name for name, _, paused_at, _ in rows if paused_at is not None}
        return self._destinations

    def _number(self, destination: str) -> int:
        try:
            return self._known[destination][0]
        except KeyError:
            raise StoreError(f'the store was never told of destination "{destination}"') from None
