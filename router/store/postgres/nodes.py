"""A worker's place among the nodes: which shares of all calls it routes, and its part of every limit.

A share is routed by who holds its advisory lock, in the session in which it routes: the lock is gone with the session,
and with it every step that was not committed. So no share is ever routed by two, whatever anybody believes.

Limits are divided by what is believed, and the sum of all parts is never more than the whole because of the order in
which it changes: see ``Place.part`` and ``Heartbeat.enter``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from router.errors import StoreError
from router.shares import WAITING, Place, split
from router.store.nodes import NodeRow
from router.store.postgres.heartbeat import BEAT, Heartbeat, NameTaken, members
from router.store.postgres.locks import LEADER, LOCKS

#: Seconds between two looks at who is there.
LOOK = 0.5
#: A node that was not heard for this part of the time after which the others take it for gone claims nothing.
_TRUSTED = 2 / 3


class Held(Protocol):
    """What is needed of the store."""

    @property
    def session(self) -> Any:
        """The connection in which it routes; its ``generation`` grows when it is made again."""

    def hold(self, shares: Iterable[int]) -> None:
        """Take in that the present session holds the locks of *shares*."""


class Nodes:
    """Implements ``Membership`` on PostgreSQL. Used from the worker's thread, between its transactions."""

    def __init__(
        self, store: Held, heartbeat: Heartbeat, *, gone: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Work on *store*; the others take this node for *gone* when it was not heard for so many seconds."""
        self._store, self._session = store, store.session
        self._heartbeat = heartbeat
        self._gone = gone
        self._monotonic = monotonic
        self._generation = self._session.generation
        self._held: frozenset[int] = frozenset()
        self._leads = False
        self._place = WAITING
        self._answered_at = monotonic()
        self._next_look = self._next_beat = 0.0
        #: Why it is not one of the nodes, though it lives.
        self.refused: NameTaken | None = None
        store.hold(())

    @property
    def name(self) -> str:
        """Implement ``Membership``."""
        return self._heartbeat.daemon.name

    @property
    def place(self) -> Place:
        """Implement ``Membership``."""
        return self._place

    @property
    def leads(self) -> bool:
        """Implement ``Membership``."""
        return self._leads and self._generation == self._session.generation

    @property
    def silence(self) -> float:
        """Implement ``Membership``."""
        return self._monotonic() - self._answered_at

    @property
    def may_claim(self) -> bool:
        """Implement ``Membership``."""
        return self._monotonic() - self._heartbeat.said_at < self._gone * _TRUSTED

    @property
    def until_next(self) -> float:
        """Implement ``Membership``."""
        return max(0.0, self._next_look - self._monotonic())

    @property
    def shares(self) -> frozenset[int]:
        """The shares that are routed here."""
        return self._held if self._generation == self._session.generation else frozenset()

    @property
    def rows(self) -> list[NodeRow]:
        """All nodes, as they were when last looked at."""
        return self._heartbeat.rows

    def tend(self, about: Mapping[str, Any], *, settled: bool) -> bool:
        """Implement ``Membership``."""
        now = self._monotonic()
        if now < self._next_look and self._generation == self._session.generation:
            return False
        self._next_look = now + LOOK
        self._mind_the_session()
        said = {
            **about,
            "shares": len(self._held),
            "leads": self._leads,
            "place": [self._place.index, self._place.count],
        }
        if self._heartbeat.joined is None or now >= self._next_beat or not self.may_claim:
            self._next_beat = now + BEAT
            if self._heartbeat.joined is None or not self._heartbeat.beat(said):
                self._join(said)
        self._heartbeat.look()
        self._answered_at = self._monotonic()
        self._divide(said, settled=settled)
        return self._share()

    def stand_down(self) -> None:
        """Implement ``Membership``."""
        self._heartbeat.leaving = True
        self._share()
        # The others hear of it at their next look, and not only of the locks that are free.
        self._next_look = self._next_beat = 0.0

    def leave(self) -> None:
        """Implement ``Membership``."""
        self._place = WAITING
        if self._heartbeat.joined is not None:
            self._heartbeat.leave()

    def _join(self, about: Mapping[str, Any]) -> None:
        # Whatever part of a limit it had belongs to others now.
        self._place = WAITING
        try:
            self._heartbeat.join(about)
        except NameTaken as ex:
            self.refused = ex
        else:
            self.refused = None

    def _mind_the_session(self) -> None:
        """Where it is another by now, what was locked in the one before belongs to nobody."""
        if self._generation != self._session.generation:
            self._generation = self._session.generation
            self._held, self._leads = frozenset(), False
            self._store.hold(())

    # Limits ----------------------------------------------------------------------------------------------

    def _divide(self, about: Mapping[str, Any], *, settled: bool) -> None:
        mine, there = self._heartbeat.joined, members(self._heartbeat.rows)
        if mine is None or mine not in there:
            self._place = WAITING
            return
        if not self._heartbeat.among:
            # What is still out was claimed with the part it had when it was one of them before.
            if settled and self._heartbeat.enter():
                self._place = Place.among(mine, sorted(self._heartbeat.among))
            return
        place = Place.among(mine, sorted(there))
        # What is out may be more than its part is now: only once it is back, who has joined may count on the rest.
        unchanged, self._place = place == self._place, place
        if there != self._heartbeat.among and unchanged and settled:
            self._heartbeat.publish(there, {**about, "place": [place.index, place.count]})

    # Shares ----------------------------------------------------------------------------------------------

    def _share(self) -> bool:
        try:
            return self._take_shares()
        except StoreError:
            # Nobody can say which locks it has by now: with the connection all are gone.
            self._session.close()
            raise

    def _take_shares(self) -> bool:
        """Let go of what belongs to others, and take what is this node's where it is free; return whether any was."""
        self._mind_the_session()
        wanted = self._wanted()
        if others := self._held - wanted:
            self._held &= wanted
            # Not routed from here on, even where they are still locked when this fails.
            self._store.hold(self._held)
            self._session.execute(
                "SELECT pg_advisory_unlock(%s, number) FROM unnest(%s::integer[]) AS number", (LOCKS, sorted(others))
            )
            self._mind_the_session()
        gained = self._try(sorted(wanted - self._held))
        self._held |= gained
        self._store.hold(self._held)
        leads = self._heartbeat.joined is not None and not self._heartbeat.leaving
        if leads and not self.leads:
            self._leads = bool(self._try([LEADER]))
        elif self._leads and not leads:
            self._leads = False
            self._session.execute("SELECT pg_advisory_unlock(%s, %s)", (LOCKS, LEADER))
        return bool(gained)

    def _wanted(self) -> frozenset[int]:
        if self._heartbeat.leaving or self._heartbeat.joined is None:
            return frozenset()
        rows = self._heartbeat.rows
        routing = [row.joined for row in rows if row.delivers and row.lives and not row.leaving]
        return split(routing).get(self._heartbeat.joined, frozenset())

    def _try(self, locks: list[int]) -> frozenset[int]:
        if not locks:
            return frozenset()
        rows = self._session.execute(
            "SELECT number FROM unnest(%s::integer[]) AS number WHERE pg_try_advisory_lock(%s, number)", (locks, LOCKS)
        )
        found = frozenset(number for (number,) in rows.fetchall())
        # Where the connection was made again for this very statement, whatever it held before is gone.
        self._mind_the_session()
        return found
