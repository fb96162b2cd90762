"""What callrouter works out about an event, for rules, templates and plugins."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Set
from datetime import tzinfo
from types import MappingProxyType
from typing import Any

from router import clock, phone
from router.calls.state import Call, Step
from router.event import CallEvent
from router.hours import Hours, names_that_hold
from router.phone import Number

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

#: Facts that hold on ``call_ended`` and ``call_corrected`` alone.
_OF_THE_END = ("ended", "missed", "outcome", "calls_today", "missed_today")


def facts(
    call: Call,
    event: CallEvent,
    step: Step,
    *,
    zone: tzinfo,
    region: str | None,
    own_numbers: Set[str] = frozenset(),
    hours: Mapping[str, Hours] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the derived facts of *event*, JSON values only; *call* is the call after it.

    - ``first``, ``late``: the first event of its call; older than one already seen.
    - ``answered``, ``ring_seconds``, ``talk_seconds``, ``direction``: as the call stands after the event.
    - ``from_number``, ``to_number``: E.164; None when the text is no number.
    - ``customer_number``: the outside party, ``from`` of an inbound and ``to`` of an outbound call; None when that is
      one of *own_numbers* or the direction is unknown.
    - each of the three also with ``_international`` in place of ``_number``'s spelling, and as ``_country``.
    - ``local_time``, ``timezone``: ``event_time`` on the wall clock of *zone*, to the minute.
    - ``weekday``, ``date``: the day in *zone* on which the call started, or had its first event where that is not
      known, so that all events of a call agree.
    - ``hours``: the names of all *hours* that held then, sorted; absent where there are none at all.
    - ``ended``, ``missed``, ``outcome``, ``calls_today``, ``missed_today``: on ``call_ended`` and ``call_corrected``
      only; the last two as ``Call`` has them.
    """
    from_ = phone.parse(event.fields.get("from") or call.from_, region)
    to = phone.parse(event.fields.get("to") or call.to, region)
    customer = {"inbound": from_, "outbound": to}.get(call.direction or "")
    if customer and customer.e164 in own_numbers:
        customer = None
    _, weekday, date = wall_clock(call.began_at // 60, zone)
    found: dict[str, Any] = {
        "first": step.first,
        "late": step.late,
        "answered": call.answered,
        "ring_seconds": call.ring_seconds,
        "talk_seconds": call.talk_seconds,
        "direction": call.direction,
        **_numbers(from_, to, customer),
        "local_time": wall_clock(event.event_time // 60, zone)[0],
        "weekday": weekday,
        "date": date,
        "timezone": str(zone),
    }
    if hours:
        found["hours"] = names_that_hold(hours, call.began_at)
    if step.own:
        found |= {"ended": True, "missed": call.missed, "outcome": call.outcome}
        found |= {"calls_today": call.calls_today, "missed_today": call.missed_today}
    return found


# Many events are of one minute, and a wall clock is slow to ask.
@functools.lru_cache(maxsize=4096)
def wall_clock(minutes: float, zone: tzinfo) -> tuple[str, str, str]:
    """Return the time, the weekday and the date on the wall clock of *zone*, so many minutes after 1970 began."""
    local = clock.local(minutes * 60, zone)
    return local.isoformat(timespec="minutes"), _WEEKDAYS[local.weekday()], local.date().isoformat()


def _numbers(from_: Number | None, to: Number | None, customer: Number | None) -> dict[str, Any]:
    return {
        "from_number": from_ and from_.e164,
        "to_number": to and to.e164,
        "customer_number": customer and customer.e164,
        "from_number_international": from_ and from_.international,
        "to_number_international": to and to.international,
        "customer_number_international": customer and customer.international,
        "from_country": from_ and from_.country,
        "to_country": to and to.country,
        "customer_country": customer and customer.country,
    }


def subject(event: CallEvent, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the one flat mapping that rules see: the sender's fields under their own names, overlaid by *facts*.

    ``from`` and ``to`` stay as the sender wrote them. A sender cannot state what only the end of a call can.
    """
    seen = {**event.fields, **facts}
    if "ended" not in facts:
        for name in _OF_THE_END:
            seen.pop(name, None)
    return seen
