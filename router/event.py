"""The call event: what a sender may say, what is forgiven, and the frozen value the rest of the router works on."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any, Literal

Validation = Literal["documented", "lenient", "strict"]


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One thing that happened to one call, as its source told it."""

    source: str
    #: The sender's ``uuid`` (or ``id``), lower case.
    call_id: str
    event_type: str
    event_time: float
    received_at: float
    #: The sender's own bytes.
    body: bytes
    #: Every field of the body by its documented name, unknown ones included, plus ``source``.
    fields: Mapping[str, Any]

    @property
    def key(self) -> bytes:
        """24 bytes, the same for what counts as the same event: source, call, type, time and payload.

        The first 8 are the event's time, so that keys arrive in nearly sorted order.
        """
        raise NotImplementedError


def check(body: bytes, *, validation: Validation = "documented", accept_types: Set[str] = frozenset()) -> None:
    """Return when *body* is an event that a source of these settings may send.

    Raises InvalidEvent naming every fault by its path; where ``validation: lenient`` or ``accept_types`` would
    have let it through, the text says so.
    """
    raise NotImplementedError


def read(body: bytes, source: str, received_at: float) -> CallEvent:
    """Return the event in a *body* that was accepted before, under whatever settings its source had then.

    Raises InvalidEvent only when it has no call, type or time at all.
    """
    raise NotImplementedError
