"""Deliveries whose sender or worker went away in the middle of an attempt."""

from __future__ import annotations

from collections.abc import Callable

from router.config import Config
from router.sender import Outcome
from router.store import Attempt, Claim, Owed, Store
from router.worker import report
from router.worker.alerting import terms
from router.worker.verdict import judge

#: Lapsed deliveries that are looked at in one turn.
_MOST = 400
_REASON = "callrouter was interrupted during this attempt; whether it arrived is not known"


def settle(
    store: Store,
    config: Config,
    before: float,
    now: float,
    *,
    owners: str | None,
    believed: Callable[[Owed, float], Owed],
) -> list[tuple[Claim, Attempt]]:
    """Record the end of attempts whose lease ran out before *before*, in the open transaction; return them.

    With *owners*, only those of owners whose name begins so. *believed* says how long something was really owed.
    """
    settled = []
    for lapsed in store.lapsed(before, _MOST, owners=owners):
        destination = config.destinations.get(lapsed.destination)
        if destination is None:
            continue
        outcome = Outcome(lapsed.delivery_id, lapsed.attempt, "unknown", _REASON, None, None, lapsed.leased_at, now)
        attempt, _ = judge(
            outcome,
            owed=believed(lapsed.owed, now),
            destination=terms(destination, lapsed.event_type),
            owner=lapsed.owner,
            now=now,
        )
        if store.record(attempt):
            settled.append((report.claim_of(lapsed), attempt))
    return settled
