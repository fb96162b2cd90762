"""Keeps one message per call in a Discord channel, through a webhook of the channel.

https://docs.discord.com/developers/resources/webhook
"""

from __future__ import annotations

import json
import re
import zlib
from typing import Annotated, Any

from pydantic import AfterValidator

from router.plugin import (
    AnswerLost,
    Delivery,
    DestinationUnusable,
    PermanentFailure,
    Plugin,
    Receipt,
    Secret,
    Settings,
    Template,
    TemporaryFailure,
    Trial,
    setting,
    story,
)

MAX_CONTENT = 2000

_ADDRESS = re.compile(r"https://(?:[a-z]+\.)?discord(?:app)?\.com/api/(?:v\d+/)?webhooks/(\d+)/([\w-]+)/?")
#: SUPPRESS_EMBEDS: no preview of an address that a stranger put into a tag.
_NO_PREVIEWS = 1 << 2
#: Error codes of a 404: https://docs.discord.com/developers/topics/opcodes-and-status-codes#json
_UNKNOWN_MESSAGE = re.compile(r'"code": ?10008\b')


def _webhook_address(url: Secret) -> Secret:
    if not _ADDRESS.fullmatch(url.reveal()):
        raise ValueError("the address of a webhook starts with https://discord.com/api/webhooks/")
    return url


class DiscordSettings(Settings):
    """Keys of a ``type: discord`` destination."""

    url: Annotated[Secret, AfterValidator(_webhook_address)] = setting(
        "The address of the channel's webhook. It is never shown.", example="${DISCORD_URL}"
    )
    text: Template = setting(
        "The message, in Discord's Markdown. By default how the call stands.",
        default=story("**", "**"),
        example="Missed call from {{ event.from | phone }}",
    )


class Discord(Plugin[DiscordSettings]):
    """Tells the people in one Discord channel."""

    type = "discord"
    Settings = DiscordSettings
    trial = Trial({"url": "https://discord.com/api/webhooks/1/s3cret-token"}, says={"id": "1"})
    uses_receipts = True
    order = "call"

    def deliver(self, delivery: Delivery) -> Receipt:
        text = delivery.render(self.settings.text, _escape, link=_link).strip()
        said, receipt = zlib.crc32(text.encode()), delivery.receipt or {}
        if receipt.get("said") == said:
            return receipt
        small_print = delivery.small_print(_escape)
        message = {
            "content": f"{_cut(text, MAX_CONTENT - len(small_print) - 4)}\n-# {small_print}",
            # Nobody is paged, whatever stands in a text.
            "allowed_mentions": {"parse": []},
            "flags": _NO_PREVIEWS,
        }
        known = receipt.get("id")
        if known is None or not self._changed(str(known), message):
            known = self._posted(message)
        return {"id": known, "said": said}

    def _posted(self, message: dict[str, Any]) -> str:
        # Without ?wait=true Discord says 204 before it has looked, and not which message it made.
        answer = self._request("POST", "?wait=true", message)
        made = _id_in(answer)
        if made is None:
            raise AnswerLost("discord.com accepted a message and did not say its id")
        return made

    def _changed(self, message_id: str, message: dict[str, Any]) -> bool:
        """Change the message; return False when somebody has deleted it."""
        try:
            self._request("PATCH", f"/messages/{message_id}", message)
        except PermanentFailure as ex:
            if ex.status == 404 and _UNKNOWN_MESSAGE.search(ex.reason):
                return False
            raise
        return True

    def _request(self, method: str, path: str, message: dict[str, Any]) -> bytes:
        match = _ADDRESS.fullmatch(self.settings.url.reveal())
        place = "/".join(match.groups()) if match else ""
        address = Secret(f"https://discord.com/api/v10/webhooks/{place}{path}")
        try:
            return self.http.request(method, address, json=message).body
        except TemporaryFailure as ex:
            wait = re.search(r'"retry_after": ?([\d.]+)', ex.reason)
            if ex.status != 429 or ex.retry_after is not None or not wait:
                raise
            failure: Exception = TemporaryFailure(ex.reason, status=ex.status, retry_after=float(wait[1]))
        except PermanentFailure as ex:
            if ex.status != 404 or _UNKNOWN_MESSAGE.search(ex.reason):
                raise
            failure = DestinationUnusable(f"the webhook is no more: {ex.reason}", status=ex.status)
        raise failure


def _id_in(answer: bytes) -> str | None:
    try:
        made = json.loads(answer)
    except ValueError:
        return None
    return made["id"] if isinstance(made, dict) and isinstance(made.get("id"), str) else None


def _escape(value: Any) -> str:
    """Disarm Markdown: a tag must not hide an address behind a word. Line ends are the template's."""
    return re.sub(r"([\\`*_~|\[\]<>#@])", r"\\\1", " ".join(str(value).split()))


def _link(address: str, words: str) -> str:
    """Write the number out: Discord has no links to telephone numbers."""
    number = address.removeprefix("tel:")
    return number if re.sub(r"\D", "", words) == number.lstrip("+") else f"{_escape(words)} {number}"


def _cut(text: str, limit: int) -> str:
    """Shorten *text* to *limit* characters without leaving half of an escape at its end."""
    return text if len(text) <= limit else re.sub(r"\\$", "", text[: limit - 1]) + "…"
