"""A call in HubSpot's words: https://developers.hubspot.com/docs/api/crm/calls. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC

from router.crm import CallFacts

_STATES = {"setup": "CONNECTING", "ringing": "RINGING", "answered": "IN_PROGRESS"}
_OUTCOMES = {"answered": "COMPLETED", "machine": "COMPLETED", "no_answer": "NO_ANSWER", "rejected": "NO_ANSWER",
             "busy": "BUSY", "cancelled": "CANCELED", "failed": "FAILED"}  # fmt: skip

#: The outcomes that every HubSpot account has: Connected, No answer, Busy.
CONNECTED = "f240bbac-87c9-4f6e-bf70-924b57d47db7"
NO_ANSWER = "73a0d17f-1163-4015-bdd5-ec830791da20"
BUSY = "9d9162e7-6cf3-4944-bf63-4dff82258764"
_DISPOSITIONS = {"answered": CONNECTED, "no_answer": NO_ANSWER, "rejected": NO_ANSWER, "busy": BUSY}


def properties(
    call: CallFacts, title: str, note: str, *, owner: str | None, outcomes: Mapping[str, str]
) -> dict[str, str]:
    """Return *call* for HubSpot, which wants every value as a text, and clears what is empty.

    Durations are milliseconds. *outcomes* are ids of the account's own outcomes by ours.
    """
    ended = _OUTCOMES.get(call.outcome or "", "COMPLETED" if call.answered else "NO_ANSWER")
    said = {
        "hs_timestamp": call.started.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "hs_call_title": title,
        "hs_call_body": note,
        "hs_call_from_number": call.from_,
        "hs_call_to_number": call.to,
        "hs_call_status": _STATES.get(call.state or "", ended),
        "hs_call_disposition": (_DISPOSITIONS | dict(outcomes)).get(call.outcome or "", ""),
        "hs_call_duration": str(call.talked * 1000) if call.outcome else "",
    }
    if call.direction:
        said["hs_call_direction"] = call.direction.upper()
    if owner:
        said["hubspot_owner_id"] = owner
    return said
