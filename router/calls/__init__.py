"""What is known of a call: a state that only moves forward, and the facts rules and templates can use. Pure."""

from __future__ import annotations

from router.calls.ended import CALL_CORRECTED, CALL_ENDED, ended_event, fall_silent, tell
from router.calls.facts import facts, subject
from router.calls.state import OWN, Call, CallState, Step, advance
from router.calls.today import MOST_COUNTED, Customers, Earlier, Incoming, counted, counts_as_before, incoming

__all__ = [
    "CALL_CORRECTED",
    "CALL_ENDED",
    "MOST_COUNTED",
    "OWN",
    "Call",
    "CallState",
    "Customers",
    "Earlier",
    "Incoming",
    "Step",
    "advance",
    "counted",
    "counts_as_before",
    "ended_event",
    "facts",
    "fall_silent",
    "incoming",
    "subject",
    "tell",
]
