"""Calls for load: the documented event, five to a call unless told otherwise, written by patching a prepared text.

Each event carries a mark in its payload: number of the call, position in the call, and when it was sent on the
monotonic clock that all processes of a machine share. Whoever receives it can tell what it is and how long it took.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

#: Events of one call, usually; and at most, where other calls follow it in number.
EVENTS, MOST_EVENTS = 5, 32

#: Their types, first to last.
TYPES = ("call_setup", "ringing", "answered", "on_call_event", "completed")
_MARK = b'"mark":"'
_PLACES = {"UUID": "%(uuid)b", "TIME": "%(time)b", "MARK": "%(mark)b", "STARTED": "%(started)b"}
# Odd, so that multiplying by it modulo 2**128 never gives two calls one id; large, so that ids look random
# to an index, as a phone system's do.
_SPREAD = 0x9E3779B97F4A7C15F39CC0605CEDC835


class Mark(NamedTuple):
    """What an event says of itself. ``sent_us`` is on CLOCK_MONOTONIC, in microseconds."""

    call: int
    position: int
    sent_us: int

    @property
    def event(self) -> int:
        """A number of its own for each event."""
        return self.call * MOST_EVENTS + self.position


def _template(position: int) -> bytes:
    answered = "STARTED" if position >= 2 else None
    event = {
        "uuid": "UUID",
        "event_type": TYPES[position],
        "event_time": "TIME",
        "event_payload": {
            "type": "audio",
            "payload": {"status": "completed", "playback_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6"},
            "mark": "MARK",
        },
        "from": "+18045961058",
        "to": "+442071234567",
        "call_started": "STARTED",
        "call_answered": answered,
        "call_completed": "TIME" if position == EVENTS - 1 else None,
        "machine_detected": False,
        "tag": "marketing-campaign, load",
        "direction": "inbound",
    }
    text = json.dumps(event, indent=1, separators=(",", ":"))
    for name, place in _PLACES.items():
        text = text.replace(f'"{name}"', f'"{place}"')
    return text.encode()


_TEMPLATES = tuple(map(_template, range(EVENTS)))


class TimeText:
    """The present moment as senders write it, at the price of one division: the date is kept for its second."""

    def __init__(self) -> None:
        self._second = -1
        self._prefix = b""

    def now(self) -> bytes:
        """``2025-09-22T12:56:38.547Z``."""
        milliseconds = time.time_ns() // 1_000_000
        second, rest = divmod(milliseconds, 1000)
        if second != self._second:
            self._second = second
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.").encode()
        return b"%b%03dZ" % (self._prefix, rest)


class OpenCall:
    """A call that has events still to come: *length* of them, ``on_call_event`` as often as that takes."""

    __slots__ = ("_length", "_started", "_uuid", "number", "position")

    def __init__(self, number: int, seed: int, now: bytes, length: int = EVENTS) -> None:
        self.number = number
        self.position = 0
        self._length = length
        self._uuid = call_id(number, seed).encode()
        self._started = now

    def write(self, now: bytes, sent_us: int) -> bytes:
        """Return the next event as the sender would post it."""
        mark = b"%08d.%04d.%016d" % (self.number, self.position, sent_us)
        last = self.position == self._length - 1
        body = _TEMPLATES[EVENTS - 1 if last else min(self.position, EVENTS - 2)] % {
            b"uuid": self._uuid,
            b"time": now,
            b"mark": mark,
            b"started": self._started,
        }
        self.position += 1
        return body

    @property
    def over(self) -> bool:
        """Whether its last event has been written."""
        return self.position == self._length


def call_id(number: int, seed: int) -> str:
    """The uuid of call *number* of the load with this *seed*."""
    return str(UUID(int=((number + 1) * _SPREAD + (seed << 96)) % (1 << 128), version=4))


def read_mark(body: bytes | bytearray) -> Mark | None:
    """Return the mark in *body*; None when it has none (an event that is not ours)."""
    at = body.find(_MARK)
    if at < 0:
        return None
    at += len(_MARK)
    return Mark(int(body[at : at + 8]), int(body[at + 9 : at + 13]), int(body[at + 14 : at + 30]))
