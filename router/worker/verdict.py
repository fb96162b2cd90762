"""What follows from how an attempt ended: again, never, or delivered. Pure; the store is told by others."""

from __future__ import annotations

from dataclasses import dataclass, replace

from router import units
from router.config.model import Destination
from router.sender import Outcome
from router.store import Attempt, Claim, Owed, State

#: An outcome's kind in the word that tables and metrics have for it.
_WORDS = {
    "delivered": "delivered",
    "temporary": "failed",
    "bug": "failed",
    "unknown": "unknown",
    "permanent": "refused",
    "unusable": "unusable",
    "released": "released",
}

#: With ``unknown: retry``, so many lost answers are forgiven where repeating is not safe.
_FORGIVEN_UNKNOWNS = 1


@dataclass(frozen=True, slots=True)
class _Next:
    """What becomes of a delivery."""

    state: State
    reason: str | None
    due_at: float | None = None
    counts: bool = True


def judge(
    outcome: Outcome, *, owed: Owed, destination: Destination, owner: str, now: float
) -> tuple[Attempt, str | None]:
    """Return the attempt to record, and why *destination* must be paused (None: it need not be).

    *owed* is that of the claim the outcome belongs to. An attempt that found the destination
    unusable, or that was never begun, is not counted: neither says anything about the delivery.
    """
    following = _next(outcome, owed, destination, now)
    attempt = Attempt(
        delivery_id=outcome.delivery_id,
        attempt=outcome.attempt,
        owner=owner,
        state=following.state,
        outcome=_WORDS[outcome.kind],
        reason=following.reason,
        status=outcome.status,
        started_at=outcome.started_at or now,
        ended_at=outcome.ended_at or now,
        due_at=following.due_at,
        receipt=outcome.receipt,
        counts=following.counts,
        unfilled=outcome.unfilled,
        answer=outcome.answer,
    )
    return attempt, (outcome.reason or "it cannot be used") if outcome.kind == "unusable" else None


def expired_before_sending(claim: Claim, *, destination: Destination, owner: str, now: float) -> Attempt | None:
    """Return the end of a claimed delivery whose news is too old to be sent, or None while it is not."""
    if destination.expire is None or now <= claim.owed.since + destination.expire:
        return None
    reason = f"older than {units.spell(destination.expire)} (expire) before it could be sent"
    return _unmade(claim, State.EXPIRED, "expired", reason, owner=owner, now=now)


def given_up_unsent(claim: Claim, *, destination: Destination, owner: str, now: float, reason: str) -> Attempt | None:
    """Return the end of a claimed delivery that the breaker kept back for too long, or None while it may wait.

    *reason* is why the breaker opened.
    """
    tried = now - claim.owed.tried_since
    if tried <= destination.retry.give_up_after:
        return None
    attempts = claim.attempt - 1 - claim.owed.earlier_attempts
    tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    text = f"gave up after {tries} over {units.spell(tried)}, with the breaker open: {reason}"
    return _unmade(claim, State.DEAD, "failed", text, owner=owner, now=now)


def given_back(claim: Claim, *, owner: str, now: float) -> Attempt:
    """Return what puts a claimed delivery back as it was."""
    return replace(_unmade(claim, State.READY, "released", None, owner=owner, now=now), due_at=claim.owed.due_at)


def _unmade(claim: Claim, state: State, outcome: str, reason: str | None, *, owner: str, now: float) -> Attempt:
    return Attempt(
        delivery_id=claim.delivery_id,
        attempt=claim.attempt,
        owner=owner,
        state=state,
        outcome=outcome,
        reason=reason,
        status=None,
        started_at=now,
        ended_at=now,
        counts=False,
    )


def _next(outcome: Outcome, owed: Owed, destination: Destination, now: float) -> _Next:
    match outcome.kind:
        case "delivered":
            return _Next(State.DELIVERED, outcome.reason)
        case "permanent":
            return _Next(State.DEAD, outcome.reason)
        case "unusable" | "released":
            # Its old place: what is given back must not wait behind what fell due since.
            return _Next(State.READY, outcome.reason, due_at=now if owed.due_at is None else owed.due_at, counts=False)
        case "unknown" if not destination.plugin.repeatable:
            if destination.unknown == "hold":
                return _Next(State.DEAD, f"{outcome.reason}; not sent again because of unknown: hold")
            if owed.unknowns >= _FORGIVEN_UNKNOWNS:
                return _Next(State.DEAD, f"{outcome.reason}; not sent again after {owed.unknowns + 1} lost answers")
    return _again(outcome, owed, destination, now)


def _again(outcome: Outcome, owed: Owed, destination: Destination, now: float) -> _Next:
    tried, age = max(now - owed.tried_since, 0.0), max(now - owed.since, 0.0)
    attempts = outcome.attempt - owed.earlier_attempts
    wait = destination.retry.next_wait(attempts, since_accepted=tried, retry_after=outcome.retry_after)
    if destination.expire is not None and age + (wait or 0.0) > destination.expire:
        return _Next(
            State.EXPIRED, f"older than {units.spell(destination.expire)} (expire) before another try: {outcome.reason}"
        )
    if wait is None:
        tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        asked = f" (it asked to wait {units.spell(outcome.retry_after)})" if outcome.retry_after else ""
        return _Next(State.DEAD, f"gave up after {tries} over {units.spell(tried)}: {outcome.reason}{asked}")
    return _Next(State.READY, outcome.reason, due_at=now + wait)
