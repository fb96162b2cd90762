"""Posts a card to a Microsoft Teams channel or chat, through a workflow of Power Automate.

https://support.microsoft.com/office/create-incoming-webhooks-with-workflows-for-microsoft-teams
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator

from router.plugin import (
    Delivery,
    DestinationUnusable,
    PermanentFailure,
    Plugin,
    Secret,
    Settings,
    Template,
    setting,
    story,
)

#: A message may have 28 KB, and the workflow says 202 before it looks: what is too long is lost without a word.
MAX_TEXT = 5000
#: As much as a notification shows.
MAX_PREVIEW = 200

#: What Power Automate says of a workflow that is switched off, suspended or asks for a login.
_OFF = re.compile(r"not.?enabled|disabled|suspended|AuthorizationRequired|AuthenticationFailed", re.IGNORECASE)


def _workflow_address(url: Secret) -> Secret:
    if re.match(r"https://[\w.-]*\.?webhook\.office\.com/|https://outlook\.office(365)?\.com/webhook", url.reveal()):
        raise ValueError("this is an Office 365 connector, and Microsoft has switched those off; make a workflow")
    if not re.match(r"https?://[^/\s]", url.reveal()):
        raise ValueError("the address of a workflow starts with https://")
    return url


class TeamsSettings(Settings):
    """Keys of a ``type: teams`` destination."""

    url: Annotated[Secret, AfterValidator(_workflow_address)] = setting(
        "The address of the workflow. It carries its own key and is never shown.", example="${TEAMS_URL}"
    )
    text: Template = setting(
        "What the card says, in Markdown. Its first line is the headline. By default how the call stands.",
        default=story(),
        example="Missed call from {{ event.from | phone }}",
    )


class Teams(Plugin[TeamsSettings]):
    """Tells the people in one Teams channel or chat."""

    type = "teams"
    Settings = TeamsSettings
    # People read a channel from top to bottom.
    order = "call"

    def deliver(self, delivery: Delivery) -> None:
        text = delivery.render(self.settings.text, _escape, link=_link).strip()
        message = {
            "type": "message",
            "attachments": [
                {
                    "contentType": "application/vnd.microsoft.card.adaptive",
                    "contentUrl": None,
                    "content": _card(_cut(text, MAX_TEXT), delivery),
                }
            ],
        }
        gone = None
        try:
            self.http.request("POST", self.settings.url, json=message)
        except PermanentFailure as ex:
            if ex.status != 404 and not _OFF.search(ex.reason):
                raise
            gone = DestinationUnusable(f"the workflow is gone or switched off: {ex.reason}", status=ex.status)
        if gone:
            raise gone


def _card(text: str, delivery: Delivery) -> dict[str, Any]:
    """Return *text* as an Adaptive Card: https://adaptivecards.io/explorer/AdaptiveCard.html."""
    headline, *lines = [line for line in text.splitlines() if line.strip()]
    colour = "attention" if delivery.call["missed"] else "good" if delivery.call["answered"] else "default"
    body = [
        {"type": "TextBlock", "text": headline, "weight": "bolder", "size": "medium", "color": colour, "wrap": True}
    ]
    body += [{"type": "TextBlock", "text": line, "spacing": "small", "wrap": True} for line in lines]
    small_print = {
        "type": "TextBlock",
        "text": delivery.small_print(_escape),
        "size": "small",
        "isSubtle": True,
        "wrap": True,
    }
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        # What a notification shows of a card.
        "fallbackText": _cut(headline, MAX_PREVIEW),
        "body": [*body, small_print],
    }


def _escape(value: Any) -> str:
    """Disarm Markdown: a name of ``[pay here](https://…)`` must not become a link. Line ends are the template's."""
    return re.sub(r"([\\`*_\[\]<>~])", r"\\\1", " ".join(str(value).split()))


def _link(address: str, words: str) -> str:
    return f"[{_escape(words)}]({address})"


def _cut(text: str, limit: int) -> str:
    """Shorten *text* to *limit* characters without leaving half of a link or of an escape at its end."""
    if len(text) <= limit:
        return text
    return re.sub(r"(\\|(?<!\\)\[[^\]]*(\](\([^)]*)?)?)$", "", text[: limit - 1]) + "…"
