"""A Slack workspace with one channel and one bot, behind its Web API: errors are told with status 200.

https://docs.slack.dev/reference/methods/chat.postMessage and chat.update; arguments as in slackapi/slack-api-specs.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from tests.harness.recording import Received, Reply
from tests.harness.slack import faults

CHANNEL, TOKEN = "C0123456789", "xoxb-1-s3cret"

_POST = {"channel", "text", "blocks", "thread_ts", "unfurl_links", "unfurl_media", "metadata"}
_UPDATE = {"channel", "text", "blocks", "ts"}


class SlackApi:
    """Keeps what was posted; ``refuse`` is the error of every further call, ``limit`` answers 429 that often."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, Any]] = {}
        self.refuse: str | None = None
        self.limit = 0
        self.may_look = True

    @property
    def channel(self) -> list[str]:
        """What stands in the channel itself, from top to bottom."""
        return [message["text"] for message in self.messages.values() if "thread_ts" not in message]

    def thread(self) -> list[str]:
        """What stands in threads."""
        return [message["text"] for message in self.messages.values() if "thread_ts" in message]

    def __call__(self, received: Received) -> Reply:
        if self.limit:
            self.limit -= 1
            return Reply(429, b"", {"Retry-After": "7"})
        method = received.path.removeprefix("https://slack.com/api/")
        if received.headers.get("authorization") != f"Bearer {TOKEN}":
            return _no("invalid_auth")
        if self.refuse:
            return _no(self.refuse)
        if method == "conversations.history":
            return self._history(parse_qs(received.body.decode()))
        if "json" not in received.headers.get("content-type", ""):
            return _no("invalid_post_type")
        said = json.loads(received.body)
        if said.get("channel") != CHANNEL:
            return _no("channel_not_found")
        if faults(said) or not said.get("text"):
            return _no("invalid_blocks")
        return {"chat.postMessage": self._post, "chat.update": self._update}[method](said)

    def _post(self, said: dict[str, Any]) -> Reply:
        assert set(said) <= _POST, set(said) - _POST
        if said.get("thread_ts") and said["thread_ts"] not in self.messages:
            return _no("thread_not_found")
        ts = f"1772460300.{len(self.messages) + 100:06}"
        self.messages[ts] = said
        return _yes(channel=CHANNEL, ts=ts)

    def _update(self, said: dict[str, Any]) -> Reply:
        assert set(said) <= _UPDATE, set(said) - _UPDATE
        if said["ts"] not in self.messages:
            return _no("message_not_found")
        self.messages[said["ts"]].update(text=said["text"], blocks=said["blocks"])
        return _yes(channel=CHANNEL, ts=said["ts"])

    def _history(self, asked: dict[str, list[str]]) -> Reply:
        if not self.may_look:
            return _no("missing_scope")
        assert asked["channel"] == [CHANNEL]
        assert asked["include_all_metadata"] == ["true"]
        found = [{"ts": ts, "metadata": one.get("metadata")} for ts, one in self.messages.items()]
        return _yes(messages=[one for one in reversed(found) if float(one["ts"]) >= float(asked["oldest"][0])])


def _no(error: str) -> Reply:
    return Reply(200, json.dumps({"ok": False, "error": error}).encode())


def _yes(**fields: Any) -> Reply:
    return Reply(200, json.dumps({"ok": True, **fields}).encode())
