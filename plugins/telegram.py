"""Keeps one message per call in a Telegram chat, through a bot: https://core.telegram.org/bots/api."""

from __future__ import annotations

import html
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

#: Telegram takes 4,096 units of UTF-16; some are for the small print.
MAX_UNITS = 3400

_TAG = re.compile(r"</?[a-z][^<>]*>", re.I)
_LOST = re.compile(r"message to edit not found|message can't be edited|MESSAGE_ID_INVALID", re.I)
#: What an operator must mend: the chat is another now, or the bot may not write in it.
_UNUSABLE = re.compile(r"chat not found|to a supergroup|\brights\b|TOPIC_CLOSED|WRITE_FORBIDDEN|PEER_ID_INVALID", re.I)


def _bot_token(token: Secret) -> Secret:
    if not re.fullmatch(r"\d+:[\w-]+", token.reveal(), re.ASCII):
        raise ValueError("the token of a bot looks like 123456789:AAE…; @BotFather tells it")
    return token


def _chat_id(chat: str) -> str:
    if not re.fullmatch(r"-?\d+|@\w{4,}", chat, re.ASCII):
        raise ValueError("a chat is a number, such as -1001234567890, or the @name of a public channel")
    return chat


class TelegramSettings(Settings):
    """Keys of a ``type: telegram`` destination."""

    token: Annotated[Secret, AfterValidator(_bot_token)] = setting(
        "The token of the bot, from @BotFather.", example="${TELEGRAM_TOKEN}"
    )
    chat: Annotated[str, AfterValidator(_chat_id)] = setting(
        "The id of the chat, or the `@name` of a public channel.", example='"-1001234567890"'
    )
    text: Template = setting(
        "The message, in Telegram's HTML. By default how the call stands.", default=story("<b>", "</b>")
    )


class Telegram(Plugin[TelegramSettings]):
    """Tells the people in one Telegram chat."""

    type = "telegram"
    Settings = TelegramSettings
    trial = Trial({"token": "123456789:s3cret-token"}, says={"ok": True, "result": {"message_id": 7}})
    uses_receipts = True
    order = "call"

    def deliver(self, delivery: Delivery) -> Receipt:
        text = delivery.render(self.settings.text, _escape, link=_link).strip()
        said, receipt = zlib.crc32(text.encode()), delivery.receipt or {}
        if receipt.get("chat") != self.settings.chat:  # in another chat the same id is another message
            receipt = {}
        if receipt.get("said") == said:
            return receipt
        text = f"{_within_limit(text)}\n<i>{delivery.small_print(_escape)}</i>"
        try:
            known = self._told(receipt.get("id"), {"text": text, "parse_mode": "HTML"})
        except PermanentFailure as ex:
            if "can't parse entities" not in ex.reason:
                raise
            # An operator's mistake in a tag loses no news.
            delivery.unfilled.append((self.settings.text, f"Telegram finds a fault in its HTML: {ex.reason}"))
            known = self._told(receipt.get("id"), {"text": html.unescape(_TAG.sub("", text))})
        return {"chat": self.settings.chat, "id": known, "said": said}

    def _told(self, known: Any, message: dict[str, Any]) -> int:
        """Change the message *known*, or post a new one, and return its id."""
        if known is not None:
            try:
                self._call("editMessageText", {"message_id": known, **message})
            except PermanentFailure as ex:
                if not _LOST.search(ex.reason):
                    raise
            else:
                return int(known)
        if isinstance(made := self._call("sendMessage", message).get("message_id"), int):
            return made
        raise AnswerLost("api.telegram.org accepted a message and did not say its id")

    def _call(self, method: str, message: dict[str, Any]) -> dict[str, Any]:
        chat = self.settings.chat
        address = Secret(f"https://api.telegram.org/bot{self.settings.token.reveal()}/{method}")
        said = {"chat_id": chat if chat.startswith("@") else int(chat), "link_preview_options": {"is_disabled": True}}
        try:
            answer = self.http.request("POST", address, json={**said, **message})
        except TemporaryFailure as ex:
            wait = re.search(r'retry_after": ?(\d+)|retry after (\d+)', ex.reason)
            if ex.status != 429 or ex.retry_after is not None or not wait:
                raise
            failure: Exception = TemporaryFailure(ex.reason, status=429, retry_after=float(wait[1] or wait[2]))
        except PermanentFailure as ex:
            if "message is not modified" in ex.reason:
                return {}
            if ex.status != 404 and not _UNUSABLE.search(ex.reason):
                raise
            why = "the token is not a bot's" if ex.status == 404 else "the bot cannot write to this chat"
            failure = DestinationUnusable(f"{why}: {ex.reason}", status=ex.status)
        else:
            return _result(answer.body)
        raise failure


def _result(body: bytes) -> dict[str, Any]:
    try:
        result = json.loads(body)["result"]
    except (ValueError, KeyError, TypeError):
        return {}
    return result if isinstance(result, dict) else {}


def _within_limit(text: str) -> str:
    """Return *text*, or where it is too long its beginning without tags: half a tag would be refused."""
    if len(text.encode("utf-16-le", "replace")) // 2 <= MAX_UNITS:
        return text
    return _escape(html.unescape(_TAG.sub("", text))[: MAX_UNITS // 2]) + "…"


def _escape(value: Any) -> str:
    return html.escape(str(value), quote=False)


def _link(address: str, words: str) -> str:
    """Write the number out: Telegram makes it one to press by itself, and takes no tel: links."""
    number = address.removeprefix("tel:")
    return number if re.sub(r"\D", "", words) == number.lstrip("+") else f"{_escape(words)} {number}"
