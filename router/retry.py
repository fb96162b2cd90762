"""How long to wait before the next attempt, and when to stop: tenacity's strategies, asked for a number alone.

tenacity's own loop sleeps in memory; a delivery's due time lives in the store and outlasts any process.
"""

from __future__ import annotations

from dataclasses import dataclass

import tenacity

#: Jitter adds at most this part of a wait, so that what failed together does not come back together.
_JITTER = 0.1


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
        state = tenacity.RetryCallState(_NO_RETRYING, None, (), {})
        state.attempt_number = attempt
        state.start_time = 0.0
        state.outcome_timestamp = since_accepted
        wait = tenacity.wait_exponential(multiplier=self.first, exp_base=self.factor, max=self.max)(state)
        wait = max(wait, retry_after or 0.0)
        wait += tenacity.wait_random(0, wait * _JITTER)(state)
        state.upcoming_sleep = wait
        stop: tenacity.stop.stop_base = tenacity.stop_before_delay(self.give_up_after)
        if self.attempts is not None:
            stop |= tenacity.stop_after_attempt(self.attempts)
        return None if stop(state) else wait


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """The ``breaker:`` block of a destination. Seconds everywhere.

    It opens when attempts at ``failures`` different deliveries have failed ``within`` so long, with no other answer
    in between.
    """

    failures: int = 10
    within: float = 60.0
    pause: float = 5.0
    max: float = 300.0

    def next_pause(self, opened: int) -> float:
        """Return how long nothing is tried after it opened for the *opened*-th time in a row (1 is the first)."""
        state = tenacity.RetryCallState(_NO_RETRYING, None, (), {})
        state.attempt_number = opened
        return float(tenacity.wait_exponential(multiplier=self.pause, exp_base=2, max=self.max)(state))


#: A state wants the loop it belongs to; the strategies never look at it.
_NO_RETRYING = tenacity.Retrying()
