"""The claim step: what goes to the senders now, and everything that may hold a destination back.

Its breaker and its hours, its slots and its rate, and for a moment a reload.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from router.config import Config
from router.config.model import Destination
from router.sender.batches import TIMES_LONGER
from router.shares import WHOLE, Place
from router.store import Attempt, Claim, Owed, Store
from router.worker.alerting import terms
from router.worker.breaker import CLOSED, Breaker, says_it_is_ill
from router.worker.limits import Limits
from router.worker.senders import Ended, Senders
from router.worker.suspects import LATER, Suspects
from router.worker.verdict import expired_before_sending, given_back, given_up_unsent, put_off

#: Claims of one destination per turn.
MOST_CLAIMS = 200
#: Seconds. A lease outlives any attempt; it is renewed while its worker lives, and matters only when something is lost.
SHORTEST_LEASE, RENEW_EVERY = 120.0, 30.0

#: A delivery that ended without an attempt, and how.
Unmade = tuple[Claim, Attempt]


class Claiming:
    """Claims under one configuration; a reload makes a new one that goes on from the one *before*.

    *names* are the new names of destinations, by their old ones. What is claimed must be handed over by the caller.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        senders: Senders,
        suspects: Suspects,
        *,
        owner: str,
        count: int,
        now: float,
        before: Claiming | None = None,
        names: Mapping[str, str] | None = None,
        place: Place = WHOLE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._store, self._senders, self._suspects = config, store, senders, suspects
        self._owner = owner
        #: Seconds.
        self.lease = lease(config)
        self._monotonic = monotonic
        buckets = before.limits.buckets if before else {}
        new = names or {}
        self.limits: Limits = Limits(
            config,
            count,
            now,
            {new.get(name, name): bucket for name, bucket in buckets.items()},
            place=place,
            had=before.place if before else None,
        )
        #: Which part of every limit is this node's.
        self.place: Place = place
        #: Destination → its breaker, where it has one. The clock of breakers is the monotonic one.
        self.breakers = {name: Breaker(one.breaker) for name, one in config.destinations.items() if one.breaker}
        #: Breakers that opened, or closed after so many seconds, and were not told of yet.
        self.opened: list[str] = []
        self.closed: list[tuple[str, float]] = []
        #: Deliveries whose attempt may still be one with the settings before the last reload.
        self._earlier: set[int] = set()
        #: Destination → those of its deliveries that are out under other slots: until they are back, no other goes out.
        self._out: dict[str, set[int]] = {}
        if before:
            self._go_on(before, new)

    def _go_on(self, before: Claiming, names: Mapping[str, str]) -> None:
        old_names = {new: old for old, new in names.items()}
        in_hand = self._senders.claims()
        self._earlier = {*before._earlier}
        self.opened, self.closed = before.opened, before.closed
        for name, one in self._config.destinations.items():
            old_name = old_names.get(name, name)
            earlier = before._config.destinations.get(old_name)
            mine = {claim.delivery_id for claim in in_hand if claim.destination in (name, old_name)}
            if earlier is None or earlier.fingerprint != one.fingerprint:
                self._earlier |= mine
            elif name in self.breakers and old_name in before.breakers:
                self.breakers[name] = before.breakers[old_name]
            out = before._out.get(old_name, set())
            # Of fewer slots than now nothing is out that may not be.
            if any(
                had > has
                for had, has in zip(before.limits.slots.get(old_name, ()), self.limits.slots[name], strict=False)
            ):
                out = mine
            if out:
                self._out[name] = {*out}

    def claim(self, now: float, *, clock_is_right: bool) -> tuple[list[Claim], list[Unmade]]:
        """Return what is to be handed over, and what has ended because it waited too long, recorded already.

        While the clock is not right nothing is too old.
        """
        claims: list[Claim] = []
        unmade: list[Unmade] = []
        for name, destination in self._config.destinations.items():
            if destination.disabled or name in self._out or not self._senders.able(self.limits.shares[name]):
                continue
            if destination.open and not self._config.hours[destination.open].holds(now):
                continue
            breaker = self.breakers.get(name)
            free = None if breaker is None else breaker.room(self._monotonic())
            if breaker and breaker.clears and clock_is_right:
                unmade += self._clear(name, destination, breaker, now)
            found = self._claims(name, destination, now, MOST_CLAIMS if free is None else free)
            for claim in self._trusted(found, claims, now):
                expired = expired_before_sending(
                    claim, destination=terms(destination, claim.event_type), owner=self._owner, now=now
                )
                if expired is None or not clock_is_right:
                    claims.append(claim)
                    if breaker and free is not None:
                        breaker.tries(claim.delivery_id)
                elif self._store.record(expired):
                    unmade.append((claim, expired))
        return claims, unmade

    def _claims(self, name: str, destination: Destination, now: float, limit: int) -> list[Claim]:
        bucket = self.limits.buckets.get(name)
        if bucket:
            limit = min(limit, bucket.allowed(now))
        if limit <= 0:
            return []
        rooms = self.limits.rooms(
            self.limits.concurrency[name],
            self._senders.in_hand(name),
            self._senders.retries(name),
            batch=destination.plugin.batch_size,
        )
        retries = rooms.retries if self._senders.able(self.limits.retries[name]) else 0
        claims: list[Claim] = []
        if bucket and (first := min(bucket.for_first(limit), max(rooms.free, rooms.first))):
            claims += self._lease(name, now, first, 0)
        if (wanted := min(limit, rooms.free) - len(claims)) > 0:
            claims += self._lease(name, now, wanted, retries)
        first = sum(claim.attempt == 1 for claim in claims)
        # Where further attempts have taken all there was, the slots kept for first ones are still there.
        if len(claims) >= min(limit, rooms.free) and (more := min(limit - len(claims), rooms.first - first)) > 0:
            claims += (kept := self._lease(name, now, more, 0))
            first += len(kept)
        if bucket:
            bucket.take(len(claims), first)
        return claims

    def _lease(self, name: str, now: float, limit: int, retries: int) -> list[Claim]:
        return self._store.claim(
            name, now=now, owner=self._owner, lease_until=now + self.lease, limit=limit, retries=retries
        )

    def _trusted(self, found: list[Claim], claims: list[Claim], now: float) -> list[Claim]:
        """Return those of *found* that may go out beside *claims* and what is out; put off the others."""
        if not self._suspects:
            return found
        found, early = self._suspects.hold_back(found, (*claims, *self._senders.claims()))
        for claim in early:
            self._store.record(put_off(claim, owner=self._owner, now=now, until=now + LATER))
        return found

    def _clear(self, name: str, destination: Destination, breaker: Breaker, now: float) -> list[Unmade]:
        """End what has waited too long for a destination that is still ill: nobody would try it any more."""
        ended: list[Unmade] = []
        while len(ended) < MOST_CLAIMS:
            claims = self._lease(name, now, 1, 1)
            if not claims:
                breaker.clears = False
                break
            [claim] = claims
            claim.owed = self.patience(name, claim.owed)
            over = expired_before_sending(
                claim, destination=terms(destination, claim.event_type), owner=self._owner, now=now
            )
            over = over or given_up_unsent(
                claim, destination=destination, owner=self._owner, now=now, reason=breaker.reason
            )
            if over is None:
                self._store.record(given_back(claim, owner=self._owner, now=now))
                breaker.clears = False
                break
            self._store.record(over)
            ended.append((claim, over))
        return ended

    def patience(self, name: str, owed: Owed) -> Owed:
        """Return *owed* as it counts for this destination: nobody is impatient before it has opened once."""
        opening = self._config.next_open(name, owed.tried_since)
        return owed if opening in (None, owed.tried_since) else owed._replace(tried_since=opening)

    def learn(self, ended: Ended) -> bool:
        """Take in how an attempt ended; return whether it was made with the present settings of its destination."""
        claim, outcome = ended.claim, ended.outcome
        name, number = claim.destination, claim.delivery_id
        if out := self._out.get(name):
            out.discard(number)
            if not out:
                del self._out[name]
        present = number not in self._earlier
        self._earlier.discard(number)
        breaker = self.breakers.get(name)
        if breaker is None:
            return present
        ill = says_it_is_ill(outcome) if ended.told and present else None
        now = self._monotonic()
        if ill is None:
            breaker.let_go(number)
        elif ill:
            # A batch that failed as a whole is one failure, not as many as there are deliveries in it.
            if breaker.failed(outcome.batch or number, outcome.reason or "", now, outcome.retry_after):
                self.opened.append(name)
        elif (since := breaker.answered()) is not None:
            self.closed.append((name, now - since))
        return present

    @property
    def settled(self) -> bool:
        """Whether nothing is out that was claimed under other slots."""
        return not self._out

    def undo(self, claims: list[Claim]) -> None:
        """Take in that these were claimed in a transaction that was undone."""
        for claim in claims:
            if breaker := self.breakers.get(claim.destination):
                breaker.let_go(claim.delivery_id)

    def standings(self, now: float) -> dict[str, dict[str, object]]:
        """Return what others should know of breakers that are not closed, by destination; *now* is the wall clock's."""
        ahead = now - self._monotonic()
        return {
            name: {
                "state": breaker.state,
                "since": breaker.since + ahead,
                "next_try_at": breaker.until + ahead,
                "reason": breaker.reason,
            }
            for name, breaker in self.breakers.items()
            if breaker.state != CLOSED and breaker.since is not None
        }


def lease(config: Config) -> float:
    """Return the seconds for which a delivery is leased: more than any attempt of *config* can take."""
    longest = max((one.timeout for one in config.destinations.values()), default=0.0)
    return max(SHORTEST_LEASE, TIMES_LONGER * longest + RENEW_EVERY)
