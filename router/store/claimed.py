"""Claimed and lapsed deliveries out of the rows of a database, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.calls import Call
from router.store import Claim, Lapsed, Owed, delivery_key

#: In a row of what was claimed, the columns of the call begin here.
CALL = 15


def _owed(
    received_at: float,
    unknowns: int,
    replayed_at: float | None,
    earlier_attempts: int,
    resumed_at: float | None,
    *,
    due_at: float | None = None,
) -> Owed:
    since = received_at if replayed_at is None else replayed_at
    return Owed(since, since if resumed_at is None else max(since, resumed_at), earlier_attempts, unknowns, due_at)


def lapsed_of(row: Sequence[Any]) -> Lapsed:
    """Return the lapsed delivery in *row*, whose columns both stores select in this order."""
    delivery, attempt, owner, destination, leased_at, received_at, event_type, *history = row
    owed = _owed(received_at, *history)
    return Lapsed(delivery, attempt, owner, destination, leased_at, received_at, owed, event_type)


def claim_of(name: str, destination: int, resumed_at: float | None, row: Sequence[Any], call: Call) -> Claim:
    """Return the claim in *row*, whose first columns both stores select in this order; the others hold *call*."""
    delivery, attempt, unknowns, replayed_at, earlier, replay, rule, event, key, event_type, received_at = row[:11]
    body, facts, receipt, due_at = row[11:CALL]
    return Claim(
        delivery_id=delivery,
        attempt=attempt,
        destination=name,
        rule=rule,
        key=delivery_key(key, destination, replay),
        source=call.source,
        received_at=received_at,
        body=body,
        facts=facts,
        call=call,
        receipt=receipt,
        event_id=event,
        event_type=event_type,
        call_id=call.call_id,
        owed=_owed(received_at, unknowns, replayed_at, earlier, resumed_at, due_at=due_at),
    )
