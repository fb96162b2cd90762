"""Whole realistic calls, to play against a daemon, in tests and in the manual.

Their numbers are from the ranges that Ofcom, the British regulator, keeps for fiction.
"""

from __future__ import annotations

import uuid as uuids
from dataclasses import dataclass
from typing import Any

from router import clock

#: A customer's mobile, and the number customers dial.
CUSTOMER = "+447700900123"
OFFICE = "+442079460958"

#: The sender's documentation shows this event, times that contradict each other included:
#: https://docs.wavix.com/api-reference/call-webhooks/on-call-event
_DOCUMENTED = b"""{
  "uuid": "5dccb6b0-f35c-488c-867b-86fb012c4415",
  "event_type": "call_setup",
  "event_time": "2025-09-22T12:56:38.547Z",
  "event_payload": {
    "type": "audio",
    "payload": {
      "status": "completed",
      "playback_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    }
  },
  "from": "+18045961058",
  "to": "17653889567",
  "call_started": "2025-09-22T12:56:38.547Z",
  "call_answered": "2023-11-07T05:31:56Z",
  "call_completed": "2023-11-07T05:31:56Z",
  "machine_detected": false,
  "tag": "marketing-campaign",
  "direction": "inbound"
}"""


@dataclass(frozen=True, slots=True)
class Timed:
    """One event of a sample call: the JSON object to post, ``after`` seconds from the start of the call."""

    after: float
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Sample:
    direction: str
    tag: str
    #: Type, seconds from the start, payload of an on_call_event.
    events: tuple[tuple[str, float, dict[str, Any] | None], ...]


def _digits(status: str, digits: str) -> dict[str, Any]:
    return {"type": "collect", "payload": {"digits": digits, "status": status}}


_SAMPLES = {
    "answered": _Sample(
        "inbound",
        "",
        (("call_setup", 0.0, None), ("ringing", 0.412, None), ("answered", 7.905, None), ("completed", 168.905, None)),
    ),
    # The sender has no event for a call that rang out: it ends as ``completed``, never answered.
    "missed": _Sample(
        "inbound",
        "",
        (("call_setup", 0.0, None), ("ringing", 0.388, None), ("completed", 18.388, None)),
    ),
    "busy": _Sample(
        "outbound",
        "sales-callback",
        (("call_setup", 0.0, None), ("busy", 2.731, None)),
    ),
    "cancelled": _Sample(
        "outbound",
        "sales-callback",
        (("call_setup", 0.0, None), ("ringing", 1.644, None), ("early_media", 1.702, None), ("cancelled", 11.96, None)),
    ),
    "rejected": _Sample(
        "inbound",
        "",
        (("call_setup", 0.0, None), ("ringing", 0.401, None), ("rejected", 4.217, None)),
    ),
    "dtmf": _Sample(
        "inbound",
        "",
        (
            ("call_setup", 0.0, None),
            ("ringing", 0.395, None),
            ("answered", 1.12, None),
            ("on_call_event", 6.48, _digits("started", "")),
            ("on_call_event", 9.873, _digits("completed", "2")),
            ("completed", 95.341, None),
        ),
    ),
}

_ENDS = {"completed", "busy", "cancelled", "rejected"}


def names() -> list[str]:
    """Return the names that ``play`` knows."""
    return list(_SAMPLES)


def play(
    name: str, *, started_at: float, uuid: str | None = None, from_: str | None = None, to: str | None = None
) -> list[Timed]:
    """Return the events of the sample call *name*, in order, as its sender would post them.

    *started_at* is when the call begins, in seconds since 1970. Without *uuid* it is a call of its own each time.
    *from_* and *to* replace its numbers. Raises KeyError when there is no such sample.
    """
    sample = _SAMPLES[name]
    caller, callee = (CUSTOMER, OFFICE) if sample.direction == "inbound" else (OFFICE, CUSTOMER)
    call_id, started = uuid or str(uuids.uuid4()), clock.text(started_at)
    answered: str | None = None
    played = []
    for kind, after, payload in sample.events:
        time = clock.text(started_at + after)
        answered = time if kind == "answered" else answered
        event = {
            "uuid": call_id,
            "event_type": kind,
            "event_time": time,
            "event_payload": payload,
            "from": from_ or caller,
            "to": to or callee,
            "call_started": started,
            "call_answered": answered,
            "call_completed": time if kind in _ENDS else None,
            "machine_detected": False,
            "tag": sample.tag,
            "direction": sample.direction,
        }
        played.append(Timed(after, event))
    return played


def documented() -> bytes:
    """Return the sample event of the sender's documentation, byte for byte."""
    return _DOCUMENTED
