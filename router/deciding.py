"""One event against its call and the rules: the whole decision, without a store. Pure; no clock, no I/O.

The worker decides with it, and so does everything that answers what would happen: both cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Any

from router.calls import OWN, Call, Earlier, Incoming, Step, advance, counted, ended_event, facts, incoming, subject
from router.event import CallEvent
from router.hours import Hours
from router.plugin import Delivery
from router.routes import Decision, Routes, Send


@dataclass(frozen=True, slots=True)
class Decided:
    """What one event means: to its call, in facts, and for whom."""

    event: CallEvent
    #: The call after the event.
    call: Call
    step: Step
    facts: Mapping[str, Any]
    decision: Decision

    @property
    def subject(self) -> Mapping[str, Any]:
        """What the rules were asked about."""
        return subject(self.event, self.facts)

    @property
    def following(self) -> Call:
        """The call as the next of its events will find it: ``once: call`` rules that fired now are used up."""
        fired = self.decision.fired
        return replace(self.call, fired=self.call.fired.union(fired)) if fired else self.call

    def delivery(self, destination: str, rule: str | None) -> Delivery:
        """Return the first attempt of what *destination* is owed, as its plugin would be handed it at once."""
        return Delivery(
            key=self.event.key.hex(),
            attempt=1,
            destination=destination,
            rule=rule,
            event=self.event.fields,
            body=self.event.body,
            call=self.call.as_mapping(),
            facts=self.facts,
            receipt=None,
            accepted_at=self.event.received_at,
            attempted_at=self.event.received_at,
        )


@dataclass(frozen=True, slots=True)
class Decider:
    """Everything in a configuration that a decision depends on."""

    routes: Routes
    zone: tzinfo
    region: str | None
    own_numbers: Set[str]
    #: Seconds after the first terminal event of an unanswered call before it is called over.
    settle: float
    hours: Mapping[str, Hours] = field(default_factory=dict)

    def decide(self, known: Call | None, event: CallEvent) -> Decided:
        """Return what *event* of the sender means; *known* is its call so far, None when it is the first event."""
        call, step = advance(known, event, own_numbers=self.own_numbers, region=self.region, settle=self.settle)
        return self._decided(event, call, step)

    def decide_end(self, call: Call, now: float) -> Decided:
        """Return what our own ``call_ended`` or ``call_corrected`` of *call* means, said at *now*.

        The call in it is unchanged: that its end was told is for ``calls.tell`` to say. Its customer's calls of the day
        must be ``counted`` before.
        """
        return self._decided(ended_event(call, now), call, OWN)

    def incoming(self, call: Call) -> Incoming | None:
        """Return *call* as it counts with others of its customer; None when it does not."""
        return incoming(call, zone=self.zone, region=self.region, own_numbers=self.own_numbers)

    def counted(self, call: Call, earlier: Earlier) -> Call:
        """Return *call* with how often its customer called on its day, *earlier* asked for the calls before it."""
        return counted(call, self.incoming(call), earlier)

    def asker(self, send: Send, decision: Decision) -> str:
        """Return in words who asked for *send*: ``by rule "missed-calls"``, ``by always:``, ``by unmatched:``."""
        if send.rule is not None:
            return f'by rule "{send.rule}"'
        unmatched = decision.unmatched and send.destination in self.routes.unmatched
        return "by unmatched:" if unmatched else "by always:"

    def _decided(self, event: CallEvent, call: Call, step: Step) -> Decided:
        found = facts(
            call, event, step, zone=self.zone, region=self.region, own_numbers=self.own_numbers, hours=self.hours
        )
        decision = self.routes.decide(subject(event, found), from_sender=not step.own, fired=call.fired)
        return Decided(event, call, step, found, decision)
