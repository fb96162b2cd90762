"""A call as any CRM wants to hear of it, out of a delivery. Pure."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from router import clock, phone
from router.phone import Number

#: In seconds: by as much the clocks of phone system, router and CRM may differ.
CLOCKS_DIFFER = 3600.0


@dataclass(frozen=True, slots=True)
class CallFacts:
    """The call as it stands at the attempt: a late or replayed event moves nothing backwards."""

    #: The call's id, told apart from those of other sources.
    key: str
    #: ``inbound``, ``outbound``, or None: nobody knows.
    direction: str | None
    #: ``setup``, ``ringing`` or ``answered`` while the call goes on; then None.
    state: str | None
    #: answered, no_answer, busy, cancelled, rejected, failed, machine or unknown once it is over; before, None.
    outcome: str | None
    answered: bool
    missed: bool
    #: The outside party; None when withheld, no number, or one of our own.
    customer: Number | None
    #: Our own end of the call (E.164), and its country.
    line: str | None
    home: str | None
    #: Both numbers, E.164 where they are numbers, else as the sender wrote them.
    from_: str
    to: str
    #: When the call started, on the wall clock of config.yaml's ``timezone``.
    started: datetime
    #: No record of the call is older than this, by any clock; in UTC.
    since: datetime
    #: Whole seconds somebody talked; 0 when nobody did, or not yet.
    talked: int


def facts_of(call: Mapping[str, Any], facts: Mapping[str, Any], accepted_at: float) -> CallFacts:
    """Return the facts of *call* (as ``Delivery.call`` has it), with what *facts* know of its numbers.

    *accepted_at* is when the event was, in seconds since 1970.
    """
    direction = call["direction"] or facts.get("direction")
    ours, over = "from" if direction == "outbound" else "to", call["state"] == "ended"
    customer = facts.get("customer_number")
    return CallFacts(
        key=f"{call['source']}:{call['uuid']}",
        direction=direction,
        state=None if over else call["state"],
        outcome=call["outcome"] if over else None,
        answered=bool(call["answered"]),
        missed=bool(call["missed"]),
        customer=phone.parse(customer, None) if customer else None,
        line=facts.get(f"{ours}_number") if direction else None,
        home=facts.get(f"{ours}_country") if direction else None,
        from_=facts.get("from_number") or call["from"] or "",
        to=facts.get("to_number") or call["to"] or "",
        started=clock.local(clock.parse(call["started_at"] or call["first_event_at"]), _zone(facts.get("timezone"))),
        since=clock.local(min(clock.parse(call["first_event_at"]), accepted_at) - CLOCKS_DIFFER, UTC),
        talked=round(call["talk_seconds"] or 0),
    )


def _zone(name: str | None) -> tzinfo:
    try:
        return zoneinfo.ZoneInfo(name) if name else UTC
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        return UTC
