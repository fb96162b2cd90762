"""Events played through a decider in order of receipt, as the worker would route them, without a store. Pure.

A call ends when its end is due by the time of receipt of what follows; no clock is looked at.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from router.calls import Call, Customers, Incoming, counts_as_before, fall_silent, tell
from router.deciding import Decided, Decider
from router.event import CallEvent

#: Seconds for which a call whose end was told is remembered after its last event: news later than this is a new call.
#: The longest day has so many, and its calls are counted.
REMEMBERED = 90000.0

_NEVER = float("inf")


@dataclass(slots=True)
class _Known:
    call: Call
    keys: set[bytes] = field(default_factory=set)
    #: When something may have to be done about it; the entry of ``Player._looks`` that counts.
    look_at: float = _NEVER


class Player:
    """Remembers calls from event to event. Its memory is that of the calls heard of within ``REMEMBERED``.

    *stale_after* is in seconds. Where *distinct* is True no event comes twice, and none is compared with earlier ones.
    """

    def __init__(self, decider: Decider, *, stale_after: float, distinct: bool = False) -> None:
        self._decider = decider
        self._stale_after = stale_after
        self._distinct = distinct
        self._calls: dict[tuple[str, str], _Known] = {}
        self._looks: list[tuple[float, tuple[str, str]]] = []
        self._customers = Customers()

    def hear(self, event: CallEvent) -> list[Decided]:
        """Return what the next event means, after every end that was due before it was received.

        The last of what is returned is the event's own, unless it was heard before: then it changes nothing.
        """
        decided = self.until(event.received_at)
        key = (event.source, event.call_id)
        known = self._calls.get(key)
        if not self._distinct:
            if known is not None and event.key in known.keys:
                return decided
            own = event.key
        made = self._decider.decide(known.call if known else None, event)
        if not counts_as_before(known.call if known else None, made.call):
            before = self._decider.incoming(known.call) if known else None
            self._customers.move(before, self._decider.incoming(made.call))
        if known is None:
            known = self._calls[key] = _Known(made.following)
        else:
            known.call = made.following
        if not self._distinct:
            known.keys.add(own)
        self._schedule(key, known)
        decided.append(made)
        return decided

    def until(self, moment: float) -> list[Decided]:
        """Return the ends of calls that were due before *moment*, in the order in which they were."""
        told: list[Decided] = []
        while self._looks and self._looks[0][0] < moment:
            at, key = heapq.heappop(self._looks)
            known = self._calls.get(key)
            if known is not None and known.look_at == at:
                known.look_at = _NEVER
                told += self._look(key, known, at)
        return told

    def finish(self) -> list[Decided]:
        """Return the ends that are still due, at whatever time. A call that is not over stays so."""
        due = sorted(
            (known.call.end_due_at, key) for key, known in self._calls.items() if known.call.end_due_at is not None
        )
        return [self._told(self._calls[key], at) for at, key in due]

    def _look(self, key: tuple[str, str], known: _Known, now: float) -> list[Decided]:
        call, told = known.call, []
        if call.end_due_at is not None:
            if call.end_due_at <= now:
                told.append(self._told(known, now))
        elif not call.ends_told and call.last_received_at + self._stale_after <= now:
            known.call = fall_silent(call, now)
            told.append(self._told(known, now))
        elif call.ends_told and call.last_received_at + REMEMBERED <= now:
            del self._calls[key]
            self._customers.move(self._decider.incoming(call), None)
            return told
        self._schedule(key, known)
        return told

    def _told(self, known: _Known, now: float) -> Decided:
        decided = self._decider.decide_end(self._decider.counted(known.call, self._earlier), now)
        known.call = tell(decided.following)
        return decided

    def _earlier(self, coming: Incoming) -> tuple[int, int]:
        calls = self._customers.earlier(coming)
        return len(calls), sum(self._calls[coming.source, call_id].call.missed for call_id in calls)

    def _schedule(self, key: tuple[str, str], known: _Known) -> None:
        call = known.call
        if call.end_due_at is not None:
            at = call.end_due_at
        else:
            at = call.last_received_at + (REMEMBERED if call.ends_told else self._stale_after)
        # An earlier look finds out by itself that it came too early.
        if at < known.look_at:
            known.look_at = at
            heapq.heappush(self._looks, (at, key))


def play(decider: Decider, events: Iterable[CallEvent], *, stale_after: float) -> Iterator[Decided]:
    """Yield every decision that *events*, in order of receipt, lead to, with those of our own events in between."""
    player = Player(decider, stale_after=stale_after)
    for event in events:
        yield from player.hear(event)
    yield from player.finish()
