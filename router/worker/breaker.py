"""Leaves an ill destination alone: after many failures in a row only one delivery at a time tries whether it is back.

It lives in memory; a worker that starts anew believes every destination to be well.
"""

from __future__ import annotations

from collections import OrderedDict

from router.retry import BreakerPolicy
from router.sender import Outcome

#: Words for what the breaker lets through, as logs, ``status`` and metrics have them.
CLOSED, HALF_OPEN, OPEN = "closed", "half-open", "open"

#: "I was too slow" and "not so fast": below 500 these alone speak of the destination and not of the delivery.
_ILL = {408, 429}


def says_it_is_ill(outcome: Outcome) -> bool | None:
    """Return whether *outcome* shows its destination to be ill (True) or well (False); None: it shows neither.

    Ill are no connection, no answer in time, a broken one, 408, 429 and 5xx. Whoever refuses one delivery is well.
    """
    status = outcome.status
    match outcome.kind:
        case "unknown":
            return True
        case "temporary":
            return status is None or status in _ILL or status >= 500
        case "delivered":
            return False
    return False if outcome.kind == "permanent" and status is not None else None


class Breaker:
    """The breaker of one destination."""

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        #: The deliveries that failed since the last good answer, each with the time it last did, oldest first.
        self._failed: OrderedDict[int, float] = OrderedDict()
        #: When it opened; None while it is closed.
        self.since: float | None = None
        #: When the next one may try.
        self.until = 0.0
        #: What the last failure said.
        self.reason = ""
        self._opened = 0
        self._trying: int | None = None
        #: Whether what has waited too long is to be ended: a try has shown that the destination is still ill.
        self.clears = False

    @property
    def state(self) -> str:
        """Whether it is closed, open, or half-open: somebody tries."""
        if self.since is None:
            return CLOSED
        return OPEN if self._trying is None else HALF_OPEN

    def room(self, now: float) -> int | None:
        """Return how many deliveries may be claimed: any number (None), none, or the one that tries."""
        if self.since is None:
            return None
        return int(self._trying is None and now >= self.until)

    def tries(self, delivery_id: int) -> None:
        """Remember that this delivery is the one that tries."""
        self._trying = delivery_id

    def let_go(self, delivery_id: int) -> None:
        """Let another one try if this one did: its attempt was not made, or told nothing."""
        if self._trying == delivery_id:
            self._trying = None

    def failed(self, delivery_id: int, reason: str, now: float, retry_after: float | None = None) -> bool:
        """Take in that an attempt at this delivery found the destination ill; return whether the breaker opened now.

        While it is open only the one that tries counts: the others began before.
        """
        if self.since is None:
            self._failed[delivery_id] = now
            self._failed.move_to_end(delivery_id)
            while self._failed and next(iter(self._failed.values())) < now - self.policy.within:
                self._failed.popitem(last=False)
            if len(self._failed) < self.policy.failures:
                return False
            self.since = now
        elif self._trying != delivery_id:
            return False
        else:
            self.clears = True
        first = self._opened == 0
        self._opened += 1
        self._trying = None
        self.reason = reason
        pause = self.policy.next_pause(self._opened)
        self.until = now + max(pause, min(retry_after or 0.0, self.policy.max))
        return first

    def answered(self) -> float | None:
        """Take in that the destination is well; return since when the breaker was open, None where it was not."""
        since, self.since = self.since, None
        self._failed.clear()
        self._opened, self._trying, self.clears = 0, None, False
        return since
