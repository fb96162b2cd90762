"""A destination that is as strict as Slack's incoming webhooks, as far as their limits are known.

Answers: https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks
Limits: https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

import json
from typing import Any

from tests.harness.recording import Received, Reply

_MAX_TEXT, _MAX_BLOCKS, _MAX_ID = 40_000, 50, 255
_MAX_SECTION, _MAX_FIELD, _MAX_FIELDS = 3000, 2000, 10
_MAX_HEADER, _MAX_ELEMENTS, _MAX_ACTIONS = 150, 10, 25


def slack(received: Received) -> Reply:
    """Answer as an incoming webhook does: ``ok``, or a status with one word of reason."""
    if received.method != "POST" or "json" not in received.headers.get("content-type", ""):
        return Reply(400, b"invalid_payload")
    try:
        payload = json.loads(received.body)
    except ValueError:
        return Reply(400, b"invalid_payload")
    if not isinstance(payload, dict):
        return Reply(400, b"invalid_payload")
    if not payload.get("text"):
        return Reply(400, b"no_text")
    if faults(payload):
        return Reply(400, b"invalid_blocks")
    return Reply()


def faults(payload: dict[str, Any]) -> list[str]:
    """Return what Slack would refuse in *payload*, as sentences; nothing when it is fine."""
    found = []
    if len(payload.get("text", "")) > _MAX_TEXT:
        found.append(f"text is longer than {_MAX_TEXT} characters")
    blocks = payload.get("blocks", [])
    if len(blocks) > _MAX_BLOCKS:
        found.append(f"more than {_MAX_BLOCKS} blocks")
    for block in blocks:
        kind = block.get("type")
        if len(block.get("block_id", "")) > _MAX_ID:
            found.append("block_id is too long")
        check = {"section": _section, "header": _header, "context": _context, "divider": lambda _: [],
                 "actions": _actions}.get(kind)  # fmt: skip
        found += check(block) if check else [f"unknown block type {kind!r}"]
    return found


def _text(value: Any, limit: int, *, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> list[str]:
    if not isinstance(value, dict) or value.get("type") not in kinds:
        return [f"text is no object of type {' or '.join(kinds)}: {value!r}"]
    if not value.get("text") or len(value["text"]) > limit:
        return [f"text must have 1 to {limit} characters, has {len(value.get('text') or '')}"]
    return []


def _section(block: dict[str, Any]) -> list[str]:
    fields = block.get("fields", [])
    found = _text(block["text"], _MAX_SECTION) if "text" in block else []
    if "text" not in block and not fields:
        found.append("a section needs text or fields")
    if len(fields) > _MAX_FIELDS:
        found.append(f"more than {_MAX_FIELDS} fields")
    return found + [fault for value in fields for fault in _text(value, _MAX_FIELD)]


def _header(block: dict[str, Any]) -> list[str]:
    return _text(block.get("text"), _MAX_HEADER, kinds=("plain_text",))


def _context(block: dict[str, Any]) -> list[str]:
    elements = block.get("elements", [])
    if not 1 <= len(elements) <= _MAX_ELEMENTS:
        return [f"context needs 1 to {_MAX_ELEMENTS} elements, has {len(elements)}"]
    return [fault for element in elements for fault in _text(element, _MAX_SECTION)]


def _actions(block: dict[str, Any]) -> list[str]:
    elements = block.get("elements", [])
    return [] if 1 <= len(elements) <= _MAX_ACTIONS else [f"actions needs 1 to {_MAX_ACTIONS} elements"]
