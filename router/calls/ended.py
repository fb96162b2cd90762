"""The end of a call, told once: our own ``call_ended``, and ``call_corrected`` when later news changes it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from router.calls.state import Call, CallState, concluded, text_or_none
from router.event import CallEvent

CALL_ENDED = "call_ended"
CALL_CORRECTED = "call_corrected"


def fall_silent(call: Call, now: float) -> Call:
    """Return a call that was open too long, over with outcome unknown and its end due at *now*.

    An inbound one that was never answered is missed: nobody is known to have spoken to the caller.
    """
    return concluded(replace(call, state=CallState.ENDED), now)


def ended_event(call: Call, now: float) -> CallEvent:
    """Return our own event for a call that is over: ``call_ended`` the first time, ``call_corrected`` afterwards.

    It has the sender's field names. ``event_time`` is the end of the call where that is known, else its last event.
    ``event_payload`` carries the facts and a ``sequence`` that makes each telling an event of its own; a correction
    also says what was told before. *now* becomes ``received_at``.
    """
    ended_at = call.last_event_at if call.ended_at is None else call.ended_at
    fields: dict[str, Any] = {
        "uuid": call.call_id,
        "event_type": CALL_CORRECTED if call.ends_told else CALL_ENDED,
        "event_time": text_or_none(ended_at),
        "event_payload": _payload(call),
        "from": call.from_,
        "to": call.to,
        "call_started": text_or_none(call.started_at),
        "call_answered": text_or_none(call.answered_at),
        "call_completed": text_or_none(call.ended_at),
        "machine_detected": call.machine,
        "tag": call.tag,
        "direction": call.direction,
    }
    return CallEvent(
        source=call.source,
        call_id=call.call_id,
        event_type=fields["event_type"],
        event_time=ended_at,
        received_at=now,
        body=json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode(),
        fields={**fields, "source": call.source},
    )


def _payload(call: Call) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "sequence": call.ends_told + 1,
        "outcome": call.outcome,
        "missed": call.missed,
        "answered": call.answered,
        "ring_seconds": call.ring_seconds,
        "talk_seconds": call.talk_seconds,
        "calls_today": call.calls_today,
        "missed_today": call.missed_today,
    }
    if call.ends_told:
        payload |= {"previous_outcome": call.told_outcome, "previous_missed": call.told_missed}
    return payload


def tell(call: Call) -> Call:
    """Return *call* with its end told as it stands: nothing is due until outcome or missed change again."""
    return replace(
        call, ends_told=call.ends_told + 1, told_outcome=call.outcome, told_missed=call.missed, end_due_at=None
    )
