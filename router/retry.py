"""How long to wait before the next attempt, and when to stop: tenacity's strategies, asked for a number alone.

tenacity's own loop sleeps in memory; a delivery's due time lives in the store and outlasts any process.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The ``retry:`` block of a destination. Seconds everywhere."""

    first: float = 5.0
    factor: float = 3.0
    max: float = 14400.0
    give_up_after: float = 259200.0
    attempts: int | None = None

    def next_wait(self, attempt: int, *, since_accepted: float, retry_after: float | None = None) -> float | None:
        """Return seconds to wait after failed attempt number *attempt* (1 is the first), or None to give up.

        ``since_accepted`` is the delivery's age in seconds. Jitter only adds; ``retry_after`` is a floor. A wait
        that would end after ``give_up_after`` is None.
        """
        raise NotImplementedError
