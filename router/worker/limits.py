"""How many deliveries of a destination may be claimed now: its share of the senders, and its rate."""

from __future__ import annotations

from dataclasses import dataclass

from router.units import Rate

#: Beyond what is being sent, this many deliveries wait with the senders, so that none of them idles for a turn.
AHEAD = 256


def room(concurrency: int, in_hand: int) -> int:
    """Return how many more deliveries may be handed over when *in_hand* are out already."""
    return max(0, concurrency + min(AHEAD, concurrency * 4) - in_hand)


@dataclass(slots=True)
class Bucket:
    """A token bucket: never more than ``rate.count`` in ``rate.seconds``, spread evenly after the first burst."""

    rate: Rate
    tokens: float
    at: float

    @classmethod
    def full(cls, rate: Rate, now: float) -> Bucket:
        """Return a bucket that allows one tenth of its count at once, so that a backlog does not become a burst."""
        return cls(rate, max(1.0, rate.count / 10), now)

    def allowed(self, now: float) -> int:
        """Return how many may be taken now."""
        most = max(1.0, self.rate.count / 10)
        self.tokens = min(most, self.tokens + max(0.0, now - self.at) * self.rate.count / self.rate.seconds)
        self.at = now
        return int(self.tokens)

    def take(self, count: int) -> None:
        """Use up *count* tokens."""
        self.tokens -= count

    def next_at(self) -> float:
        """Return when one more will be allowed."""
        return self.at + max(0.0, 1.0 - self.tokens) * self.rate.seconds / self.rate.count
