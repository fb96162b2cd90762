"""What is known of a call: a state that only moves forward, and the facts rules and templates can use. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class CallState(IntEnum):
    """How far a call has come. It never goes back, whatever order its events arrive in."""

    SETUP = 0
    RINGING = 1
    ANSWERED = 2
    ENDED = 3


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one source, as its events so far tell it. Moments are seconds since 1970; None: not known."""

    source: str
    call_id: str
    state: CallState = CallState.SETUP
    direction: str | None = None
    from_: str = ""
    to: str = ""
    tag: str | None = None
    started_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    #: True once an ``answered`` event, or a ``call_answered`` worth believing, has been seen.
    answered: bool = False
    machine: bool = False
    #: The type of the first terminal event.
    terminal: str | None = None
    #: answered, no_answer, busy, cancelled, rejected, failed, machine or unknown; None while the call goes on.
    outcome: str | None = None
    missed: bool = False
    ring_seconds: float | None = None
    talk_seconds: float | None = None
    first_event_at: float = 0.0
    #: The newest ``event_time`` seen; an event older than this is late.
    last_event_at: float = 0.0
    last_received_at: float = 0.0
    events: int = 0
    #: When callrouter will say ``call_ended``; None before the first terminal event and after it was said.
    end_due_at: float | None = None
    #: How often ``call_ended`` or ``call_corrected`` was said, and with which outcome last.
    ends_told: int = 0
    told_outcome: str | None = None
    told_missed: bool = False
    #: ``once: call`` rules that this call has used up.
    fired: frozenset[str] = field(default_factory=frozenset)

    def as_mapping(self) -> dict[str, Any]:
        """The call for templates and plugins: JSON values only, times as text, ``uuid`` for ``call_id``."""
        raise NotImplementedError
