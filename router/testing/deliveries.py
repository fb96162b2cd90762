"""Deliveries as plugins are given them, complete and with a test's own fields in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from router import event as events
from router.plugin import Delivery

_EVENT: dict[str, Any] = {
    "uuid": "5dccb6b0-f35c-488c-867b-86fb012c4415",
    "event_type": "call_ended",
    "event_time": "2026-03-02T14:05:18.388Z",
    "event_payload": {},
    "from": "+447700900123",
    "to": "442079460958",
    "call_started": "2026-03-02T14:05:00.000Z",
    "call_answered": None,
    "call_completed": "2026-03-02T14:05:18.388Z",
    "machine_detected": False,
    "tag": "",
    "direction": "inbound",
}

_ALERT: dict[str, Any] = {
    "event_payload": {
        "what": "dead_letter",
        "destination": "crm",
        "source": None,
        "count": 1,
        "since": "2026-03-02T14:05:18.388Z",
        "over": False,
        "reason": "crm.example answered 422 Unprocessable Content",
        "sentence": "1 dead letter at crm: crm.example answered 422 Unprocessable Content. "
        "See: callrouter deliveries --state dead --destination crm",
        "todo": "callrouter deliveries --state dead --destination crm",
    },
    **dict.fromkeys(("from", "to", "call_started", "call_completed", "machine_detected", "tag", "direction")),
}

FACTS = {
    "first": False,
    "late": False,
    "answered": False,
    "ring_seconds": 18.0,
    "talk_seconds": None,
    "direction": "inbound",
    "from_number": "+447700900123",
    "to_number": "+442079460958",
    "customer_number": "+447700900123",
    "from_number_international": "+44 7700 900123",
    "to_number_international": "+44 20 7946 0958",
    "customer_number_international": "+44 7700 900123",
    "from_country": "GB",
    "to_country": "GB",
    "customer_country": "GB",
    "local_time": "2026-03-02T14:05+00:00",
    "weekday": "mon",
    "date": "2026-03-02",
    "timezone": "Europe/London",
}

_CALL = {
    "source": "test",
    "uuid": _EVENT["uuid"],
    "state": "ended",
    "direction": "inbound",
    "from": "+447700900123",
    "to": "442079460958",
    "tag": None,
    "started_at": "2026-03-02T14:05:00.000Z",
    "answered_at": None,
    "ended_at": "2026-03-02T14:05:18.388Z",
    "answered": False,
    "machine": False,
    "outcome": "no_answer",
    "missed": True,
    "ring_seconds": 18.0,
    "talk_seconds": None,
    "calls_today": 1,
    "missed_today": 1,
    "first_event_at": "2026-03-02T14:05:00.000Z",
    "last_event_at": "2026-03-02T14:05:18.388Z",
    "events": 3,
}

#: What is different of a call that is not over.
_GOING_ON: dict[str, Any] = {"ended_at": None, "outcome": None, "missed": False}
_GOING_ON |= dict.fromkeys(("ring_seconds", "calls_today", "missed_today"))
_STATES = {"call_setup": "setup", "ringing": "ringing", "early_media": "ringing", "answered": "answered"}

#: What a caller may have put into a name or a tag, each against another kind of destination.
HOSTILE = (
    "<!channel> <@U123> <https://evil.example|click>",
    "{{ 7 * 7 }} {% for i in range(9) %}x{% endfor %}",
    "line\r\nX-Injected: yes\r\n\r\nbody",
    '"}, "injected": {"a": "',
    '", "injected": "yes',
    "\x1b[2J\x1b]0;title\x07\u202e\ud7ff",
    "\u202egnp.exe\u202c \u200f\u2066 @everyone @here *_~`|| [x](https://evil.example) <script>alert(1)</script> <b>",
    "../../admin?x=1&y=2#z %2e%2e%2f",
    "日本語 😀 👨‍👩‍👧 é",
    "x" * 20_000,
)


def make_delivery(
    event_type: str = "call_ended",
    *,
    event: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Delivery:
    """Return a delivery as callrouter would hand it over: a missed call, unless told otherwise.

    Of type ``alert`` it is callrouter's own news about itself: what is known of calls is null.
    *event* and *facts* replace single fields; *changes* replaces anything else of the delivery (``receipt=…``).
    """
    alert = event_type == events.ALERT
    fields = {**_EVENT, "event_type": event_type, **(_ALERT if alert else {}), **(event or {})}
    body = json.dumps(fields).encode()
    known: dict[str, Any] = dict.fromkeys(FACTS) if alert else dict(FACTS)
    if event_type in ("call_ended", "call_corrected"):
        known |= {"ended": True, "missed": True, "outcome": "no_answer", "calls_today": 1, "missed_today": 1}
    delivery = Delivery(
        key="2f1c7c52",
        attempt=1,
        destination="test",
        rule="missed-calls",
        event=events.read(body, "test", 1772460319.0).fields,
        body=body,
        call=_call(event_type, fields),
        facts={**known, **(facts or {})},
        receipt=None,
        accepted_at=1772460319.0,
        attempted_at=1772460319.0,
    )
    return replace(delivery, **changes)


def _call(event_type: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the call after that one event."""
    told = {"from": fields["from"] or "", "to": fields["to"] or "", "tag": fields["tag"]}
    state = _STATES.get(event_type)
    return {**_CALL, **told, **({"state": state, **_GOING_ON} if state else {})}
