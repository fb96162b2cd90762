"""Tells the people in one Slack channel: a message per call through a bot, or one per event through a webhook.

Webhooks: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from __future__ import annotations

import re
import zlib
from typing import Annotated, Literal

from pydantic import AfterValidator, model_validator

from plugins.slack.blocks import escape, link, message
from plugins.slack.bot import Bot
from router.plugin import (
    Delivery,
    DestinationUnusable,
    Http,
    PermanentFailure,
    Plugin,
    Receipt,
    Secret,
    Settings,
    Template,
    Trial,
    setting,
    story,
)

#: What Slack answers, whatever the status, when the webhook, its channel or its workspace is no more:
#: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
_GONE = re.compile(
    r"\b(no_service|no_service_id|no_team|no_active_hooks|invalid_token|channel_not_found|channel_is_archived"
    r"|team_disabled|action_prohibited|posting_to_general_channel_denied)\b"
)


def _web_address(url: Secret | None) -> Secret | None:
    if url and not re.match(r"https?://[^/\s]", url.reveal()):
        raise ValueError("the address of an incoming webhook starts with https://hooks.slack.com/")
    return url


def _bot_token(token: Secret | None) -> Secret | None:
    if token and not re.fullmatch(r"xox[a-z.-]*-[\x21-\x7e]+", token.reveal()):
        raise ValueError("the token of a bot starts with xoxb-")
    return token


def _channel_id(channel: str | None) -> str | None:
    if channel and not re.fullmatch(r"[CGD][A-Z0-9]{5,}", channel):
        raise ValueError("this needs the id of a channel, such as C0123456789: in Slack, at the foot of its About tab")
    return channel


class SlackSettings(Settings):
    """Keys of a ``type: slack`` destination."""

    url: Annotated[Secret | None, AfterValidator(_web_address)] = setting(
        "The address of an incoming webhook, from the settings of your Slack app. It posts a message per event.",
        default=None,
        example="${SLACK_WEBHOOK_URL}",
    )
    token: Annotated[Secret | None, AfterValidator(_bot_token)] = setting(
        "In place of `url`: the token of your app's bot. With it a call has one message.",
        default=None,
        example="${SLACK_BOT_TOKEN}",
    )
    channel: Annotated[str | None, AfterValidator(_channel_id)] = setting(
        "The id of the channel that the bot posts to.", default=None, example="C0123456789"
    )
    each_call: Literal["message", "thread"] = setting(
        "What a call is with a bot: `message`, one message that changes as the call goes on; or `thread`, that message "
        "and below it, in its thread, what it said from event to event.",
        default="message",
    )
    text: Template = setting(
        "The message, in Slack's mrkdwn. By default how the call stands.",
        default=story("*", "*"),
        example="Missed call from {{ event.from | phone }}",
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> SlackSettings:
        if (self.url is None) == (self.token is None):
            raise ValueError("it needs either the url of an incoming webhook or the token of a bot; give one of them")
        if (self.token is None) != (self.channel is None):
            raise ValueError("a token and a channel belong together: a bot must be told where to post")
        return self


class Slack(Plugin[SlackSettings]):
    """Tells the people in one Slack channel."""

    type = "slack"
    Settings = SlackSettings
    trial = Trial({"token": "xoxb-s3cret-token", "channel": "C0123456789"}, says={"ok": True, "ts": "1.1"})
    uses_receipts = True
    # People read a channel from top to bottom: "answered" before "ringing" would puzzle them. Other calls do not wait.
    order = "call"

    def __init__(self, settings: SlackSettings, http: Http) -> None:
        super().__init__(settings, http)
        self._bot = Bot(http, settings.token, settings.channel) if settings.token and settings.channel else None

    def deliver(self, delivery: Delivery) -> Receipt | None:
        text = delivery.render(self.settings.text, escape, link=link).strip()
        if self._bot is None:
            self._post(message(text, delivery))
            return None
        said, receipt = zlib.crc32(text.encode()), delivery.receipt or {}
        if receipt.get("said") == said:
            return receipt
        ts = receipt.get("ts") or (self._bot.posted(delivery) if delivery.attempt > 1 else None)
        known = ts is not None and self._bot.update(str(ts), message(text, delivery))
        if known and receipt and self.settings.each_call == "thread":
            self._bot.post(message(text, delivery), delivery, thread=str(ts))
        if not known:
            ts = self._bot.post(message(text, delivery), delivery)
        return {"ts": ts, "said": said}

    def _post(self, message: dict[str, object]) -> None:
        gone = None
        try:
            self.http.request("POST", self.settings.url or "", json=message)
        except PermanentFailure as ex:
            if ex.status != 404 and not _GONE.search(ex.reason):
                raise
            gone = DestinationUnusable(f"the incoming webhook is no more: {ex.reason}", status=ex.status)
        if gone:
            raise gone
