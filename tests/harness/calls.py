"""Events of one inbound call, and the call that follows from them."""

from __future__ import annotations

import json

from router import clock, samples
from router.calls import Call, advance
from router.event import CallEvent

START = 1_758_545_798.5
OURS = "+442079460958"
THEIRS = "+442079460001"
SETTLE = 5.0


def make_event(event_type: str = "ringing", after: float = 0.0, **fields: object) -> CallEvent:
    """One event of an inbound call, *after* seconds from its start; received when it happened."""
    body = {
        "uuid": "c1",
        "event_type": event_type,
        "event_time": clock.text(START + after),
        "event_payload": None,
        "from": THEIRS,
        "to": OURS,
        "call_started": clock.text(START),
        "call_answered": None,
        "call_completed": None,
        "machine_detected": False,
        "tag": "",
        "direction": "inbound",
        "source": "wavix",
    } | fields
    return CallEvent("wavix", "c1", event_type, START + after, START + after, json.dumps(body).encode(), body)


def follow(*events: CallEvent, call: Call | None = None, own_numbers: frozenset[str] = frozenset()) -> Call:
    """The call after all *events*."""
    for event in events:
        call, _ = advance(call, event, own_numbers=own_numbers, region="GB", settle=SETTLE)
    assert call is not None
    return call


def step_of(*events: CallEvent):
    """What the last of *events* meant to the call of the others."""
    call = follow(*events[:-1]) if len(events) > 1 else None
    return advance(call, events[-1], own_numbers=frozenset(), region=None, settle=SETTLE)[1]


def played(name: str) -> list[CallEvent]:
    """The events of a sample call."""
    return [make_event(**timed.event, after=timed.after) for timed in samples.play(name, started_at=START, uuid="c1")]
