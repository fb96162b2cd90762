"""What is known of a call: a state that only moves forward, and the facts rules and templates can use. Pure."""

from __future__ import annotations

from router.calls.ended import CALL_CORRECTED, CALL_ENDED, ended_event, fall_silent, tell
from router.calls.facts import facts, subject
from router.calls.state import OWN, Call, CallState, Step, advance

__all__ = [
    "CALL_CORRECTED",
    "CALL_ENDED",
    "OWN",
    "Call",
    "CallState",
    "Step",
    "advance",
    "ended_event",
    "facts",
    "fall_silent",
    "subject",
    "tell",
]
