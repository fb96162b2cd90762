"""A Telegram chat behind the Bot API, as strict with HTML as Telegram: https://core.telegram.org/bots/api."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

from tests.harness.recording import Received, Reply

TOKEN, CHAT = "123456789:AAE_s3cret-Token", -1001234567890

_TAGS = {"b", "strong", "i", "em", "u", "s", "a", "code", "pre", "blockquote", "tg-spoiler"}


class _Text(HTMLParser):
    """Reads Telegram's HTML: a few tags, each closed, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.fault = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        if tag not in _TAGS:
            self.fault = f'Unsupported start tag "{tag}"'

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.fault = f'Unmatched end tag "{tag}"'

    def handle_data(self, data: str) -> None:
        self.text += data


class TelegramChat:
    """Keeps its messages by id; ``replies`` are given first, one by one."""

    def __init__(self, *replies: Reply) -> None:
        self.messages: dict[int, str] = {}
        self.replies = list(replies)

    def __call__(self, received: Received) -> Reply:
        if self.replies:
            return self.replies.pop(0)
        place, _, method = received.path.rpartition("/")
        if place != f"https://api.telegram.org/bot{TOKEN}":
            return error(404, "Not Found")
        said = json.loads(received.body)
        if said.get("chat_id") != CHAT:
            return error(400, "Bad Request: chat not found")
        assert set(said) <= {"chat_id", "text", "parse_mode", "message_id", "link_preview_options"}
        read = _Text()
        if said.get("parse_mode"):
            read.feed(said["text"])
            read.close()
        text = read.text if said.get("parse_mode") else said["text"]
        if read.open or read.fault:
            return error(400, f"Bad Request: can't parse entities: {read.fault or 'a tag is not closed'}")
        if not text.strip():
            return error(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > 4096:
            return error(400, "Bad Request: message is too long")
        return self._posted(said["text"]) if method == "sendMessage" else self._edited(said["message_id"], said["text"])

    def _posted(self, text: str) -> Reply:
        made = len(self.messages) + 100
        self.messages[made] = text
        return _yes(made)

    def _edited(self, known: int, text: str) -> Reply:
        if known not in self.messages:
            return error(400, "Bad Request: message to edit not found")
        if self.messages[known] == text:
            return error(400, "Bad Request: message is not modified: specified new message content is the same")
        self.messages[known] = text
        return _yes(known)


def error(code: int, description: str, **parameters: Any) -> Reply:
    """Return an error as Telegram has them."""
    said: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    return Reply(code, json.dumps(said | ({"parameters": parameters} if parameters else {})).encode())


def _yes(made: int) -> Reply:
    return Reply(200, json.dumps({"ok": True, "result": {"message_id": made, "chat": {"id": CHAT}}}).encode())
