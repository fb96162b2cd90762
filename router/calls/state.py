"""One call, moved forward by each of its events, in whatever order they arrive."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field, fields
from enum import IntEnum
from operator import attrgetter
from typing import Any, NamedTuple

from router import clock, phone
from router.event import CallEvent


class CallState(IntEnum):
    """How far a call has come. It never goes back, whatever order its events arrive in."""

    SETUP = 0
    RINGING = 1
    ANSWERED = 2
    ENDED = 3


@dataclass(slots=True)
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
    #: The type of the terminal event that decides the outcome; None while there was none.
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
    #: The calls of its customer on its day, up to this one, and those of them that are missed, as counted when its end
    #: was told; None before, and where nobody knows the customer.
    calls_today: int | None = None
    missed_today: int | None = None
    #: ``once: call`` rules that this call has used up.
    fired: frozenset[str] = field(default_factory=frozenset)

    def values(self) -> tuple[Any, ...]:
        """Every value in the order of the fields, as plain as another process needs them for ``of``."""
        source, call_id, state, *rest = _VALUES(self)
        return (source, call_id, int(state), *rest)

    @classmethod
    def of(cls, values: Sequence[Any]) -> Call:
        """Return the call whose ``values`` these are."""
        source, call_id, state, *rest = values
        return cls(source, call_id, CallState(state), *rest)

    @property
    def began_at(self) -> float:
        """When it started, or had its first event where that is not known."""
        return self.first_event_at if self.started_at is None else self.started_at

    def as_mapping(self) -> dict[str, Any]:
        """The call for templates and plugins: JSON values only, times as text, ``uuid`` for ``call_id``."""
        return {
            "source": self.source,
            "uuid": self.call_id,
            "state": self.state.name.lower(),
            "direction": self.direction,
            "from": self.from_,
            "to": self.to,
            "tag": self.tag,
            "started_at": text_or_none(self.started_at),
            "answered_at": text_or_none(self.answered_at),
            "ended_at": text_or_none(self.ended_at),
            "answered": self.answered,
            "machine": self.machine,
            "outcome": self.outcome,
            "missed": self.missed,
            "ring_seconds": self.ring_seconds,
            "talk_seconds": self.talk_seconds,
            "calls_today": self.calls_today,
            "missed_today": self.missed_today,
            "first_event_at": clock.text(self.first_event_at),
            "last_event_at": clock.text(self.last_event_at),
            "events": self.events,
        }


_VALUES: Callable[[Call], tuple[Any, ...]] = attrgetter(*(each.name for each in fields(Call)))


class Step(NamedTuple):
    """What one event meant to its call."""

    #: No event of the call was seen before.
    first: bool = False
    #: An event with a newer ``event_time`` was seen before.
    late: bool = False
    #: The first terminal event: the call is over now.
    terminal: bool = False
    #: callrouter's own ``call_ended`` or ``call_corrected``: it moves nothing.
    own: bool = False


#: The step of every event that callrouter makes itself.
OWN = Step(own=True)

#: Terminal events and the outcome each gives a call that nobody answered. Of several the later in this list decides,
#: whichever came first: each says more than the ones before it, and ``completed`` says only that the call is over.
_OUTCOMES = {
    "completed": "no_answer",
    "cancelled": "cancelled",
    "failed": "failed",
    "rejected": "rejected",
    "busy": "busy",
}
_WEIGHTS = {kind: weight for weight, kind in enumerate((None, *_OUTCOMES))}

_STATES = {
    "ringing": CallState.RINGING,
    "early_media": CallState.RINGING,
    "answered": CallState.ANSWERED,
    **dict.fromkeys(_OUTCOMES, CallState.ENDED),
}

#: Seconds by which ``call_answered`` and ``call_completed`` may lie before ``call_started`` and still be believed: some
#: clocks cut off the fraction, some machines differ. The sender's own documented sample is two years off.
TOLERANCE = 5.0


def advance(
    call: Call | None, event: CallEvent, *, own_numbers: Set[str], region: str | None, settle: float
) -> tuple[Call, Step]:
    """Return the call after *event*, and what the event meant to it. *call* is None when none was known.

    The order of events does not matter to state, outcome, missed and durations; they follow from the set of events.
    At the first terminal event (completed, busy, cancelled, rejected, failed) ``end_due_at`` becomes the time of
    receipt when the call was answered, else *settle* seconds later; an ``answered`` that comes in between makes it due
    at once. Once the end was told, a change of outcome or missed makes one correction due in the same way, and a
    change back before it was told takes it away again.
    """
    known = call if call is not None else Call(event.source, event.call_id, first_event_at=event.event_time)
    late = event.event_time < known.last_event_at
    moved = _moved(known, event, late, own_numbers, region)
    # Nothing follows yet while it only rings, which is what most events say.
    if moved.answered or moved.state is CallState.ENDED:
        _conclude(moved, event.received_at + (0.0 if moved.answered else settle))
    return moved, Step(call is None, late, known.terminal is None and moved.terminal is not None)


def _moved(known: Call, event: CallEvent, late: bool, own_numbers: Set[str], region: str | None) -> Call:
    fields, kind = event.fields, event.event_type
    started = _moment(fields.get("call_started"))
    answered_at = _earliest(known.answered_at, _answered_at(event, started))
    ended_at, terminal = known.ended_at, known.terminal
    if kind in _OUTCOMES:
        ended_at = max(ended_at or 0.0, _ended_at(event, started))
        terminal = max(terminal, kind, key=_WEIGHTS.__getitem__)
    answered = answered_at is not None
    from_ = _newer(known.from_, fields.get("from"), late) or ""
    to = _newer(known.to, fields.get("to"), late) or ""
    moved = copied(known)
    moved.state = max(
        known.state, _STATES.get(kind, CallState.SETUP), CallState.ANSWERED if answered else CallState.SETUP
    )
    moved.direction = _direction(fields.get("direction")) or known.direction
    if moved.direction is None:
        moved.direction = told_from(from_, to, own_numbers, region)
    moved.from_, moved.to = from_, to
    moved.tag = _newer(known.tag, fields.get("tag"), late)
    moved.started_at = _earliest(known.started_at, started)
    moved.answered_at, moved.answered = answered_at, answered
    moved.ended_at, moved.terminal = ended_at, terminal
    moved.machine = known.machine or fields.get("machine_detected") is True
    moved.first_event_at = min(known.first_event_at, event.event_time)
    moved.last_event_at = max(known.last_event_at, event.event_time)
    moved.last_received_at = max(known.last_received_at, event.received_at)
    moved.events += 1
    return moved


def concluded(call: Call, due_at: float) -> Call:
    """Return *call* with everything that follows from the rest of it; an end still to be told is due at *due_at*.

    outcome, once the call is over: ``unknown`` when it only fell silent; else ``machine`` when it was answered and
    ``machine_detected`` was true, ``answered`` when it was answered, and otherwise what the terminal event says, where
    ``completed`` means ``no_answer``.

    missed: the call is inbound and over, no ``answered`` event was seen, and no ``call_answered`` worth believing.

    ring_seconds: from ``call_started`` until it was answered, or until its end. talk_seconds: from the answer until the
    end. Never negative, and None where one of the two moments is not known.
    """
    call = copied(call)
    _conclude(call, due_at)
    return call


def _conclude(call: Call, due_at: float) -> None:
    over = call.state is CallState.ENDED
    call.outcome = _outcome(call) if over else None
    call.missed = over and call.direction == "inbound" and not call.answered
    call.ring_seconds = _between(call.started_at, call.answered_at if call.answered else call.ended_at)
    call.talk_seconds = _between(call.answered_at, call.ended_at)
    call.end_due_at = _end_due_at(call, call.outcome, call.missed, due_at) if over else None


def copied(call: Call) -> Call:
    """Return another call that is the same."""
    # dataclasses.replace takes four times as long, and this runs for every event.
    return Call(*_VALUES(call))


def _outcome(call: Call) -> str:
    if call.terminal is None:
        return "unknown"
    if call.answered:
        return "machine" if call.machine else "answered"
    return _OUTCOMES[call.terminal]


def _end_due_at(call: Call, outcome: str | None, missed: bool, due_at: float) -> float | None:
    if call.ends_told and (outcome, missed) == (call.told_outcome, call.told_missed):
        return None
    return due_at if call.end_due_at is None else min(call.end_due_at, due_at)


def _moment(value: object) -> float | None:
    return clock.parse(value) if isinstance(value, str) else None


def text_or_none(seconds: float | None) -> str | None:
    """Return the moment as text, and None for None."""
    return None if seconds is None else clock.text(seconds)


def _answered_at(event: CallEvent, started: float | None) -> float | None:
    answered = _moment(event.fields.get("call_answered"))
    if answered is not None and (started is None or answered >= started - TOLERANCE):
        return answered
    return event.event_time if event.event_type == "answered" else None


def _ended_at(event: CallEvent, started: float | None) -> float:
    ended = _moment(event.fields.get("call_completed"))
    if ended is not None and (started is None or ended >= started - TOLERANCE):
        return ended
    return event.event_time


def _earliest(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(0.0, round(end - start, 3))


def _newer(known: str | None, value: object, late: bool) -> str | None:
    if not isinstance(value, str) or (known and (late or not value)):
        return known
    return value


def _direction(value: object) -> str | None:
    return value if value in {"inbound", "outbound"} and isinstance(value, str) else None


def told_from(from_: str, to: str, own_numbers: Set[str], region: str | None) -> str | None:
    """Return the direction that *own_numbers* (E.164) tell; None when neither end is ours, or both are."""
    if not own_numbers:
        return None
    ours, theirs = is_own(to, own_numbers, region), is_own(from_, own_numbers, region)
    if ours == theirs:
        return None
    return "inbound" if ours else "outbound"


def is_own(text: str, own_numbers: Set[str], region: str | None) -> bool:
    """Whether the number in *text* is one of *own_numbers* (E.164)."""
    number = phone.parse(text, region)
    return (number.e164 if number else text) in own_numbers
