"""A Teams workflow: it says 202 to everything that is JSON, and posts only what is a card within the limits.

Cards: https://adaptivecards.io/explorer/. Limits:
https://learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema

from tests.harness.recording import Received, Reply

_BLOCK = {
    "type": "object",
    "required": ["type", "text"],
    "additionalProperties": False,
    "properties": {
        "type": {"const": "TextBlock"},
        "text": {"type": "string", "minLength": 1},
        "weight": {"enum": ["default", "lighter", "bolder"]},
        "size": {"enum": ["default", "small", "medium", "large", "extraLarge"]},
        "color": {"enum": ["default", "dark", "light", "accent", "good", "warning", "attention"]},
        "spacing": {"enum": ["none", "small", "default", "medium", "large", "extraLarge", "padding"]},
        "isSubtle": {"type": "boolean"},
        "wrap": {"type": "boolean"},
    },
}
_CARD = {
    "type": "object",
    "required": ["type", "version", "body"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string"},
        "type": {"const": "AdaptiveCard"},
        "version": {"enum": ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5"]},
        "msteams": {"type": "object", "properties": {"width": {"const": "Full"}}},
        "fallbackText": {"type": "string"},
        "body": {"type": "array", "items": _BLOCK},
    },
}


class Workflow:
    """Keeps the cards that were posted, and counts the ones that failed after the 202."""

    def __init__(self, *replies: Reply) -> None:
        self.cards: list[dict[str, Any]] = []
        self.failed: list[str] = []
        self._replies = list(replies)

    def __call__(self, received: Received) -> Reply:
        if self._replies:
            return self._replies.pop(0)
        message = json.loads(received.body)
        [attachment] = message["attachments"]
        faults = [error.message for error in jsonschema.Draft202012Validator(_CARD).iter_errors(attachment["content"])]
        if len(received.body) > 28_000:
            faults.append("RequestEntityTooLarge")
        if message["type"] != "message" or attachment["contentType"] != "application/vnd.microsoft.card.adaptive":
            faults.append("not a card")
        self.failed += faults
        if not faults:
            self.cards.append(attachment["content"])
        return Reply(202, b"")


def read(card: dict[str, Any]) -> str:
    """Return what a card says, line by line, without the small print."""
    return "\n".join(block["text"] for block in card["body"] if not block.get("isSubtle"))
