"""The events in a file that somebody kept: one, a list of them, or one a line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from router import clock

#: The sender's fields that hold a moment, by every name it writes.
_MOMENTS = ("event_time", "call_started", "call_answered", "call_completed", "call_finished")


def split(raw: bytes) -> list[bytes]:
    """Return the body of each event in *raw*, in its order: as it is, or out of a JSON list or JSON lines.

    What is no JSON at all is one body, with that mistake in it. Raises click.UsageError where there is no event.
    """
    whole = _json(raw)
    if isinstance(whole, list):
        bodies = [json.dumps(one, ensure_ascii=False).encode("utf-8", "surrogatepass") for one in whole]
    else:
        lines = [line for line in raw.splitlines() if line.strip()]
        bodies = lines if len(lines) > 1 and isinstance(_json(lines[0]), dict) else [raw]
    if not bodies or not raw.strip():
        raise click.UsageError("There is no event in it.")
    return bodies


def moved(bodies: Sequence[bytes], at: float) -> list[bytes]:
    """Return the events with all their times moved by as much as makes the first one's call start at *at*.

    They must have passed ``event.check``.
    """
    events = [json.loads(body) for body in bodies]
    by = at - clock.parse(events[0].get("call_started") or events[0]["event_time"])
    for event in events:
        event.update(
            {name: clock.text(clock.parse(event[name]) + by) for name in _MOMENTS if isinstance(event.get(name), str)}
        )
    return [json.dumps(event, ensure_ascii=False).encode() for event in events]


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None
