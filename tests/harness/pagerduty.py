"""PagerDuty's Events API v2 with one integration: https://developer.pagerduty.com/docs/send-alert-event."""

from __future__ import annotations

import json
from typing import Any

import jsonschema

from tests.harness.recording import Received, Reply

KEY = "0123456789abcdef0123456789abcdef"

_TEXT = {"type": "string"}
_SCHEMA = {
    "type": "object",
    "required": ["routing_key", "event_action", "dedup_key"],
    "additionalProperties": False,
    "properties": {
        "routing_key": {"type": "string", "minLength": 32, "maxLength": 32},
        "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
        "dedup_key": {"type": "string", "minLength": 1, "maxLength": 255},
        "client": _TEXT,
        "client_url": _TEXT,
        "payload": {
            "type": "object",
            "required": ["summary", "source", "severity"],
            "additionalProperties": False,
            "properties": {
                "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
                "source": {"type": "string", "minLength": 1},
                "severity": {"enum": ["critical", "error", "warning", "info"]},
                "timestamp": _TEXT,
                "component": _TEXT,
                "group": _TEXT,
                "class": _TEXT,
                "custom_details": {"type": "object"},
            },
        },
    },
}


class PagerDutyApi:
    """Keeps incidents by their key; ``replies`` are given first, one by one."""

    def __init__(self, *replies: Reply) -> None:
        self.incidents: dict[str, list[str]] = {}
        self.replies = list(replies)

    @property
    def open(self) -> int:
        """How many incidents wait for somebody."""
        return sum(actions[-1] != "resolve" for actions in self.incidents.values())

    def __call__(self, received: Received) -> Reply:
        if self.replies:
            return self.replies.pop(0)
        assert received.path in (
            "https://events.pagerduty.com/v2/enqueue",
            "https://events.eu.pagerduty.com/v2/enqueue",
        )
        event = json.loads(received.body)
        faults = [error.message for error in jsonschema.Draft202012Validator(_SCHEMA).iter_errors(event)]
        if event.get("event_action") == "trigger" and "payload" not in event:
            faults.append("'payload' is missing or blank")
        if len(received.body) > 512_000 or faults:
            return invalid(*faults)
        if event["routing_key"] != KEY:
            return invalid("Invalid routing key")
        actions = self.incidents.get(event["dedup_key"], [])
        # A resolve of what is not open changes nothing.
        if event["event_action"] == "trigger" or (actions and actions[-1] != "resolve"):
            self.incidents[event["dedup_key"]] = [*actions, event["event_action"]]
        return _answer(202, status="success", message="Event processed", dedup_key=event["dedup_key"])


def invalid(*errors: str) -> Reply:
    """What is answered to an event that is not one."""
    return _answer(400, status="invalid event", message="Event object is invalid", errors=list(errors))


def _answer(code: int, /, **fields: Any) -> Reply:
    return Reply(code, json.dumps(fields).encode())
