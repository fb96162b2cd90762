"""Posts one message per call event to a Slack channel.

Uses an incoming webhook: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from __future__ import annotations

import re
import time
from typing import Annotated, Any

from pydantic import AfterValidator

from router.plugin import Delivery, DestinationUnusable, PermanentFailure, Plugin, Secret, Settings, Template, setting

#: A section block takes no more: https://docs.slack.dev/reference/block-kit/blocks/section-block
MAX_SECTION = 3000
#: Much more than this in the small print is noise.
MAX_SMALL_PRINT = 300
#: From this many seconds on a message says that it is late.
LATE = 300

TEXT = Template("""\
{%- set kind = event.event_type -%}
{%- set who = "from *" ~ event.from | phone ~ "* to " ~ event.to | phone ~ " at " ~ event.event_time | time -%}
{%- if kind in ("call_ended", "call_corrected") -%}
  {{- "Correction: " if kind == "call_corrected" -}}
  {%- if facts.missed -%} :telephone_receiver: *Missed call* {{ who }}
  {%- elif facts.outcome == "answered" -%} :white_check_mark: *Answered call* {{ who }}
  {%- else -%} *Call ended* ({{ (facts.outcome or "unknown") | replace("_", " ") }}) {{ who }}
  {%- endif -%}
  {%- if facts.ring_seconds %}, rang {{ facts.ring_seconds | duration }}{% endif -%}
  {%- if facts.talk_seconds %}, talked {{ facts.talk_seconds | duration }}{% endif -%}
{%- elif kind == "ringing" -%} :bell: *Ringing:* call {{ who }}
{%- else -%} *{{ kind | replace("_", " ") | capitalize }}:* call {{ who }}
{%- endif -%}
{%- if event.tag %} · {{ event.tag }}{% endif -%}""")

#: What Slack answers, whatever the status, when the webhook, its channel or its workspace is no more:
#: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
_GONE = re.compile(
    r"\b(no_service|no_service_id|no_team|no_active_hooks|invalid_token|channel_not_found|channel_is_archived"
    r"|team_disabled|action_prohibited|posting_to_general_channel_denied)\b"
)


def _web_address(url: Secret) -> Secret:
    if not re.match(r"https?://[^/\s]", url.reveal()):
        raise ValueError("the address of an incoming webhook starts with https://hooks.slack.com/")
    return url


class SlackSettings(Settings):
    """Keys of a ``type: slack`` destination."""

    url: Annotated[Secret, AfterValidator(_web_address)] = setting(
        "The address of the incoming webhook, from the settings of your Slack app.", example="${SLACK_WEBHOOK_URL}"
    )
    text: Template = setting(
        "The message, in Slack's mrkdwn. By default each kind of event has a text of its own.",
        default=TEXT,
        example="Missed call from {{ event.from | phone }}",
    )


class Slack(Plugin[SlackSettings]):
    """Tells the people in one Slack channel."""

    type = "slack"
    Settings = SlackSettings
    # People read a channel from top to bottom: "answered" before "ringing" would puzzle them. Other calls do not wait.
    order = "call"

    def deliver(self, delivery: Delivery) -> None:
        text = self.settings.text.render(delivery.names, _escape).strip()
        if not text:
            raise PermanentFailure("the text template made an empty message, which Slack refuses")
        text = _cut(text, MAX_SECTION)
        message = {
            "text": text,
            "blocks": [
                {"type": "section", "text": {"type": "mrkdwn", "text": text}},
                {"type": "context", "elements": [{"type": "mrkdwn", "text": _small_print(delivery)}]},
            ],
            "unfurl_links": False,
            "unfurl_media": False,
        }
        gone = None
        try:
            self.http.request("POST", self.settings.url, json=message)
        except PermanentFailure as ex:
            if ex.status != 404 and not _GONE.search(ex.reason):
                raise
            gone = DestinationUnusable(f"the incoming webhook is no more: {ex.reason}", status=ex.status)
        if gone:
            raise gone


def _small_print(delivery: Delivery) -> str:
    parts = [delivery.rule, delivery.event.get("source"), delivery.event.get("uuid")]
    text = " · ".join(_escape(part) for part in parts if part)
    age = time.time() - delivery.accepted_at
    if age > LATE:
        text = f"told {age / 60:.0f} min late · {text}"
    return _cut(text, MAX_SMALL_PRINT)


def _escape(value: Any) -> str:
    """Disarm Slack's control sequences: a tag of ``<!channel>`` must not page everybody."""
    return str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, limit: int) -> str:
    """Shorten *text* to *limit* characters without leaving half of an ``&amp;`` at its end."""
    if len(text) <= limit:
        return text
    return re.sub(r"&[a-z]{0,3}$", "", text[: limit - 1]) + "…"
