"""A Discord channel behind its webhook: https://docs.discord.com/developers/resources/webhook."""

from __future__ import annotations

import json
from typing import Any

import jsonschema

from tests.harness.recording import Received, Reply

URL = "https://discord.com/api/webhooks/1100000000000000001/s3cret-Token_x"
_PLACE = "https://discord.com/api/v10/webhooks/1100000000000000001/s3cret-Token_x"
_SCHEMA = {
    "type": "object",
    "required": ["content", "allowed_mentions"],
    "additionalProperties": False,
    "properties": {
        "content": {"type": "string", "minLength": 1, "maxLength": 2000},
        "allowed_mentions": {"const": {"parse": []}},
        "flags": {"const": 4},
    },
}


class DiscordChannel:
    """Keeps its messages by id; ``replies`` are given first, one by one."""

    def __init__(self, *replies: Reply) -> None:
        self.messages: dict[str, str] = {}
        self.replies = list(replies)

    def __call__(self, received: Received) -> Reply:
        if self.replies:
            return self.replies.pop(0)
        if not received.path.startswith(_PLACE):
            return error(404, "Unknown Webhook", 10015)
        said = json.loads(received.body)
        if not jsonschema.Draft202012Validator(_SCHEMA).is_valid(said):
            return error(400, "Invalid Form Body", 50035)
        if received.method == "POST":
            assert received.path == f"{_PLACE}?wait=true"
            made = str(1_200_000_000_000_000_000 + len(self.messages))
        else:
            assert received.method == "PATCH"
            made = received.path.removeprefix(f"{_PLACE}/messages/")
            if made not in self.messages:
                return error(404, "Unknown Message", 10008)
        self.messages[made] = said["content"]
        return _answer(200, {"id": made, "type": 0, "content": said["content"], "channel_id": "1"})


def error(status: int, message: str, code: int) -> Reply:
    """Return an error as Discord has them."""
    return _answer(status, {"message": message, "code": code})


def limited(seconds: float, headers: dict[str, str]) -> Reply:
    """Return what is said to who asks too often."""
    said = {"message": "You are being rate limited.", "retry_after": seconds, "global": False}
    return Reply(429, json.dumps(said).encode(), headers)


def _answer(status: int, said: Any) -> Reply:
    return Reply(status, json.dumps(said).encode())
