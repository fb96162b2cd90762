"""How many deliveries of a destination may be claimed now: its share of the senders, and its rate."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from router.config import Config
from router.config.model import Destination
from router.sender import Share, kept
from router.shares import WHOLE, Place
from router.units import Rate

#: Beyond what is being sent, this many deliveries wait with the senders, so that none of them idles for a turn.
AHEAD = 256


#: Seconds within which a delivery that was claimed mostly leaves: two that were claimed a second apart may arrive so
#: much closer together.
LEAVES = 0.05

#: What was taken is kept in so many slices of the time that a rate is about.
SLICES = 200

#: Of a rate, this part is kept for first attempts while there are any.
KEPT = 0.25

#: By what this node's part of a rate grows, other nodes may just have used up: it waits for as long as the rate is
#: about, but no longer than so many seconds. Of a rate over a longer time they had taken evenly, give or take a tenth.
LONGEST_WAIT = 60.0


def room(concurrency: int, in_hand: int, batch: int = 1) -> int:
    """Return how many more deliveries may be handed over when *in_hand* are out already.

    A slot takes up to *batch* at once.
    """
    return max(0, concurrency + min(AHEAD, concurrency * max(4, batch)) - in_hand)


@dataclass(slots=True)
class Taken:
    """What was taken from *began* to *ended*; all of it counts as taken at the end."""

    began: float
    ended: float
    count: int


@dataclass(slots=True)
class Bucket:
    """A token bucket: never more than ``rate.count`` in any ``rate.seconds``, spread evenly after the first burst.

    Tokens alone would let the burst come on top of the rate, and what a vendor counts is the sum.
    """

    rate: Rate
    tokens: float
    at: float
    #: First attempts that are behind their part.
    behind: float = 0.0
    #: Of the last ``rate.seconds``.
    taken: deque[Taken] = field(default_factory=deque)

    @classmethod
    def full(cls, rate: Rate, now: float) -> Bucket:
        """Return a bucket that allows one tenth of its count at once, so that a backlog does not become a burst."""
        return cls(rate, max(1.0, rate.count / 10), now)

    def allowed(self, now: float) -> int:
        """Return how many may be taken now."""
        most = max(1.0, self.rate.count / 10)
        self.tokens = min(most, self.tokens + max(0.0, now - self.at) * self.rate.count / self.rate.seconds)
        if now < self.at:
            # A clock that was set back: what was taken would stand in the future, and count for long.
            for taken in self.taken:
                taken.began, taken.ended = taken.began - (self.at - now), taken.ended - (self.at - now)
        self.at = now
        while self.taken and self.taken[0].ended + self._window <= now:
            self.taken.popleft()
        return min(int(self.tokens), self._left)

    def for_first(self, allowed: int) -> int:
        """Return how many of the *allowed* tokens first attempts have a right to, before anything else."""
        return min(allowed, int(self.behind + allowed * KEPT))

    def take(self, count: int, first: int = 0) -> None:
        """Use up *count* tokens, *first* of them for first attempts."""
        self.tokens -= count
        if self.taken and self.at - self.taken[-1].began < self.rate.seconds / SLICES:
            self.taken[-1].ended = self.at
            self.taken[-1].count += count
        elif count:
            self.taken.append(Taken(self.at, self.at, count))
        self.behind = min(1.0, max(0.0, self.behind + count * KEPT - first))

    def next_at(self) -> float:
        """Return when one more will be allowed."""
        by_tokens = self.at + max(0.0, 1.0 - self.tokens) * self.rate.seconds / self.rate.count
        return by_tokens if self._left > 0 else max(by_tokens, self.taken[0].ended + self._window)

    @property
    def _window(self) -> float:
        return self.rate.seconds + LEAVES

    @property
    def _left(self) -> int:
        return max(0, int(self.rate.count) - sum(taken.count for taken in self.taken))

    def going_on(self, rate: Rate, now: float) -> Bucket:
        """Return the bucket that goes on with another *rate*: with no more than is in this one."""
        fresh = Bucket.full(rate, now)
        fresh.tokens = min(fresh.tokens, float(self.allowed(now)))
        fresh.taken = self.taken
        return fresh

    def taken_elsewhere(self, count: int, now: float) -> None:
        """Take in that another node may just have taken *count* of what is this one's from *now* on."""
        self.tokens = min(self.tokens, 0.0)
        at = now - max(0.0, self.rate.seconds - LONGEST_WAIT)
        self.taken = deque(sorted([*self.taken, Taken(at, at, count)], key=lambda taken: taken.ended))


class Rooms(NamedTuple):
    """How many more deliveries of a destination may be handed over."""

    free: int
    #: At most so many of them further attempts.
    retries: int
    #: For first attempts there is always so much.
    first: int


class Limits:
    """The shares and buckets of all destinations of a configuration."""

    def __init__(
        self,
        config: Config,
        senders: int,
        now: float,
        before: Mapping[str, Bucket] | None = None,
        *,
        place: Place = WHOLE,
        had: Place | None = None,
    ) -> None:
        """Begin with what is left in the buckets *before*, by the names that destinations have now.

        *place* says which part of every limit is this node's, and *had* which was until now; None: it just starts.
        """
        self._before = before or {}
        self._place, self._had = place, had
        #: Destination → how many attempts at once this node may make.
        self.concurrency: dict[str, int] = {}
        #: Destination → the senders that have a part in its concurrency.
        self.shares: dict[str, list[int]] = {}
        #: The same for attempts that are not first ones: some senders may keep all their slots for those.
        self.retries: dict[str, list[int]] = {}
        #: Destination → how many slots each sender has for it.
        self.slots: dict[str, list[int]] = {}
        shares = [Share(index, senders) for index in range(senders)]
        for name, destination in config.destinations.items():
            part = self.concurrency[name] = 0 if _nothing(destination, place) else place.part(destination.concurrency)
            slots = [one.threads(name, part) for one in shares]
            first = [one.kept(name, part) for one in shares]
            self.slots[name] = slots
            self.shares[name] = [index for index in range(senders) if slots[index]]
            self.retries[name] = [index for index in range(senders) if slots[index] > first[index]]
        self.buckets = {
            name: self._bucket(name, destination.rate, now)
            for name, destination in config.destinations.items()
            if destination.rate and self.concurrency[name]
        }

    def _bucket(self, name: str, whole: Rate, now: float) -> Bucket:
        rate, before = _part(whole, self._place), self._before.get(name)
        if before is not None and before.rate == rate:
            return before
        bucket = Bucket.full(rate, now) if before is None else before.going_on(rate, now)
        # Where there is no other node, and was none, nobody else has taken anything.
        if self._had is not None and max(self._had.count, self._place.count) > 1:
            grown = rate.count - self._had.part(whole.count)
            if grown > 0:
                bucket.taken_elsewhere(grown, now)
        return bucket

    def rooms(self, concurrency: int, in_hand: int, retries: int, *, batch: int = 1) -> Rooms:
        """Return what may be handed over when *in_hand*, *retries* of them further attempts, are out already."""
        free, first = room(concurrency, in_hand, batch), kept(concurrency)
        return Rooms(free, min(free, room(concurrency - first, retries, batch)), room(first, in_hand - retries, batch))

    def until_rate(self, now: float, most: float) -> float:
        """Return the seconds until a bucket allows more, *most* where none holds anything up."""
        return min((bucket.next_at() - now for bucket in self.buckets.values()), default=most)


def _part(rate: Rate, place: Place) -> Rate:
    return Rate(place.part(rate.count), rate.seconds)


def _nothing(destination: Destination, place: Place) -> bool:
    """Whether this node sends nothing to *destination*: it is off, or its rate is so low that others have all of it."""
    return destination.disabled is not None or bool(destination.rate and not place.part(destination.rate.count))
