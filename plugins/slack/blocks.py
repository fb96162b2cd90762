"""A message as Slack has it: escaped, within its limits, with the small print below."""

from __future__ import annotations

import re
from typing import Any

from router.plugin import Delivery

#: A section block takes no more: https://docs.slack.dev/reference/block-kit/blocks/section-block
MAX_SECTION = 3000


def message(text: str, delivery: Delivery) -> dict[str, Any]:
    """Return the message that says *text*: in a section, and again for notifications, which show no blocks."""
    text = _cut(text, MAX_SECTION)
    return {
        "text": text,
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": text}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": delivery.small_print(escape)}]},
        ],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def escape(value: Any) -> str:
    """Disarm Slack's control sequences: a tag of ``<!channel>`` must not page everybody."""
    return str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def link(address: str, words: str) -> str:
    """Write a link as Slack has them."""
    return f"<{address}|{' '.join(escape(words).split())}>"


def _cut(text: str, limit: int) -> str:
    """Shorten *text* to *limit* characters without leaving half of an ``&amp;`` or of a link at its end."""
    if len(text) <= limit:
        return text
    return re.sub(r"(&[a-z]{0,3}|<[^>]*)$", "", text[: limit - 1]) + "…"
