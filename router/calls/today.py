"""How often a customer called on one day: which calls count together, and their count in memory. Pure."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Set
from datetime import tzinfo
from operator import attrgetter
from typing import Any, NamedTuple

from router import phone
from router.calls.facts import wall_clock
from router.calls.state import Call, copied, is_own

#: Counting stops here: a machine that dials a thousand times a day must not cost more with every call.
MOST_COUNTED = 100


class Incoming(NamedTuple):
    """An inbound call of a known customer: it counts with the others of its ``source``, ``number`` and ``date``."""

    source: str
    call_id: str
    #: E.164.
    number: str
    #: The day on which it began, in the zone of the configuration that routed it.
    date: str
    #: When it began, in seconds since 1970.
    at: float


#: Of an incoming call: how many others that count with it began before it, and how many of those are missed as they
#: stand.
Earlier = Callable[[Incoming], tuple[int, int]]

_ITS_CUSTOMER: Callable[[Call], Any] = attrgetter("direction", "from_", "started_at", "first_event_at")


def incoming(call: Call, *, zone: tzinfo, region: str | None, own_numbers: Set[str]) -> Incoming | None:
    """Return *call* as it counts; None when it is not inbound, or from nobody whose number is known, or from us."""
    if call.direction != "inbound" or is_own(call.from_, own_numbers, region):
        return None
    number = phone.parse(call.from_, region)
    if number is None:
        return None
    at = call.began_at
    return Incoming(call.source, call.call_id, number.e164, wall_clock(at // 60, zone)[2], at)


def counts_as_before(known: Call | None, call: Call) -> bool:
    """Return whether *call* is sure to be the same ``Incoming`` as when it was *known*; cheap, for every event."""
    return known is not None and bool(_ITS_CUSTOMER(known) == _ITS_CUSTOMER(call))


def counted(call: Call, coming: Incoming | None, earlier: Earlier) -> Call:
    """Return *call* with ``calls_today`` and ``missed_today``; both are None where it is no incoming one.

    They count the calls of its customer on its day up to itself.
    """
    calls, missed = (None, None) if coming is None else earlier(coming)
    call = copied(call)
    call.calls_today = None if calls is None else calls + 1
    call.missed_today = None if missed is None else missed + call.missed
    return call


class Customers:
    """Remembers incoming calls by their customer and day."""

    def __init__(self) -> None:
        #: Source, number and date → when each call began, and its id, in this order.
        self._calls: dict[tuple[str, str, str], list[tuple[float, str]]] = {}

    def move(self, before: Incoming | None, after: Incoming | None) -> None:
        """Put a call where it counts now; None: nowhere."""
        if before is not None:
            calls = self._calls[before.source, before.number, before.date]
            calls.remove((before.at, before.call_id))
            if not calls:
                del self._calls[before.source, before.number, before.date]
        if after is not None:
            insort(self._calls.setdefault((after.source, after.number, after.date), []), (after.at, after.call_id))

    def earlier(self, coming: Incoming) -> list[str]:
        """Return the ids of the other calls that count with *coming* and began before it, or with it."""
        calls = self._calls.get((coming.source, coming.number, coming.date), [])
        last = bisect_right(calls, coming.at, key=lambda one: one[0])
        others = (call_id for _, call_id in calls[: min(last, MOST_COUNTED)])
        return [call_id for call_id in others if call_id != coming.call_id][: MOST_COUNTED - 1]
