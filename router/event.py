"""The call event: what a sender may say, what is forgiven, and the frozen value the rest of the router works on."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal

from pydantic_core import from_json

from router import clock
from router.errors import Fault, InvalidEvent

Validation = Literal["documented", "lenient", "strict"]

#: https://docs.wavix.com/api-reference/call-webhooks/on-call-event, and two more that the sender's newer SDKs name.
EVENT_TYPES = frozenset(
    {"call_setup", "ringing", "early_media", "answered", "completed", "busy", "cancelled", "rejected", "on_call_event"}
    | {"failed", "transfer"}
)
#: Made by callrouter itself: no sender may say them, whatever ``accept_types`` lists.
OWN_TYPES = frozenset({"call_ended", "call_corrected"})

#: Made by callrouter as well, about itself. It goes to the destinations of ``alerts:``; no rule ever sees it.
ALERT = "alert"
#: Where alerts come from: no source may have this name.
ALERT_SOURCE = "callrouter"

#: Documented name → the other name that some of the sender's own software writes.
_ALIASES = {"uuid": "id", "call_completed": "call_finished"}

_LENIENT = frozenset({"event_payload", "tag", "machine_detected", "call_answered", "call_completed"})
_MAY_BE_ABSENT: Mapping[Validation, Set[str]] = {
    "documented": frozenset({"direction"}),
    "lenient": _LENIENT | {"direction"},
    "strict": frozenset({"direction"}),
}
_MAY_BE_NULL: Mapping[Validation, Set[str]] = {
    "documented": frozenset({"event_payload", "tag", "direction", "call_answered", "call_completed"}),
    "lenient": _LENIENT | {"direction"},
    "strict": frozenset({"call_answered", "call_completed"}),
}

#: Real payloads are two levels deep; what nests further is an attack on whoever walks it later.
_MAX_DEPTH = 64
_MAX_DIGITS = 40
#: An answer that lists more helps nobody.
_MAX_FAULTS = 50

_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_BAD_TEXT = re.compile("[\0\ud800-\udfff]")
#: No clock of a phone system is further off, and every later calculation with such a moment is safe.
_EARLIEST, _LATEST = "1970", "2200"


#: json.dumps would make one for every event.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


@dataclass(slots=True)
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
    #: Every field of the body by its documented name (absent ones are None), unknown ones included, plus ``source``.
    fields: Mapping[str, Any]

    @property
    def key(self) -> bytes:
        """24 bytes, the same for what counts as the same event: source, call, type, time and payload.

        The first 8 are the event's time, so that keys arrive in nearly sorted order.
        """
        microseconds = round(self.event_time * 1e6)
        same = [self.source, self.call_id, self.event_type, microseconds, self.fields.get("event_payload")]
        canonical = _CANONICAL.encode(same).encode()
        # The offset puts moments before 1970 in front of later ones.
        return (microseconds + 2**63).to_bytes(8, "big") + blake2b(canonical, digest_size=16).digest()


def check(body: bytes, *, validation: Validation = "documented", accept_types: Set[str] = frozenset()) -> str:
    """Return the id of the call of *body*, when it is an event that a source of these settings may send.

    Raises InvalidEvent naming every fault by its path; where ``validation: lenient`` or ``accept_types`` would
    have let it through, the text says so.
    """
    fields = _parse(body)
    faults = []
    for name, judge in _JUDGES.items():
        # Nearly every field of nearly every event is here, under its documented name, and right.
        sent, value = name, fields.get(name)
        if value is None:
            sent, value = _value(fields, name)
        if value is _ABSENT:
            text = None if name in _MAY_BE_ABSENT[validation] else f"is missing{_way_out(name, validation)}"
        elif value is None:
            text = None if name in _MAY_BE_NULL[validation] else f"is null{_way_out(name, validation)}"
        else:
            text = judge(value, validation)
        if text is not None:
            faults.append(Fault(sent, text))
    event_type = fields.get("event_type")
    if isinstance(event_type, str) and (text := _type_fault(event_type, accept_types)):
        faults.append(Fault("event_type", text))
    if faults:
        raise InvalidEvent(faults)
    return str(_value(fields, "uuid")[1]).lower()


def read(body: bytes, source: str, received_at: float) -> CallEvent:
    """Return the event in a *body* that was accepted before, under whatever settings its source had then.

    Raises InvalidEvent only when it has no call, type or time at all.
    """
    fields = _parse_again(body)
    named: dict[str, Any] = dict.fromkeys(_JUDGES)
    named.update(fields)
    for name in _ALIASES:
        named[name] = None if (value := _value(fields, name)[1]) is _ABSENT else value
    for name in ("from", "to"):
        if type(named[name]) is int:
            named[name] = str(named[name])
    named["source"] = source
    needed = {name: named[name] for name in ("uuid", "event_type", "event_time")}
    faults = [Fault(name, "is missing") for name, value in needed.items() if not isinstance(value, str) or not value]
    if not faults and (text := _moment(needed["event_time"], "documented")):
        faults.append(Fault("event_time", text))
    if faults:
        raise InvalidEvent(faults)
    return CallEvent(
        source=source,
        call_id=needed["uuid"].lower(),
        event_type=needed["event_type"],
        event_time=clock.parse(needed["event_time"]),
        received_at=received_at,
        body=body,
        fields=named,
    )


_ABSENT: Any = object()


def _value(fields: Mapping[str, Any], name: str) -> tuple[str, Any]:
    """Return the name the sender used for a documented field, and its value there."""
    value = fields.get(name, _ABSENT)
    if (value is _ABSENT or value is None) and (alias := _ALIASES.get(name, name)) in fields:
        return alias, fields[alias]
    return name, value


def _way_out(name: str, validation: Validation) -> str:
    if validation != "lenient" and name in _LENIENT:
        return '; "validation: lenient" on this source accepts such events'
    return ""


def _type_fault(event_type: str, accept_types: Set[str]) -> str | None:
    if event_type in OWN_TYPES or event_type == ALERT:
        return f'"{event_type}" is made by callrouter itself; no source may send it'
    if event_type in EVENT_TYPES or event_type in accept_types:
        return None
    return f'"{event_type[:100]}" is no documented event type; "accept_types" of this source can list it'


def _call_id(value: Any, _: Validation) -> str | None:
    return None if isinstance(value, str) and _UUID.fullmatch(value) else "is not a UUID"


def _text(value: Any, _: Validation) -> str | None:
    return None if isinstance(value, str) else f"must be text, not {_kind(value)}"


def _number(value: Any, validation: Validation) -> str | None:
    # The sender's own samples of call records have bare integers here.
    if isinstance(value, str) or (type(value) is int and validation != "strict"):
        return None
    return f"must be text, not {_kind(value)}"


def _object(value: Any, _: Validation) -> str | None:
    return None if isinstance(value, dict) else f"must be an object, not {_kind(value)}"


def _boolean(value: Any, _: Validation) -> str | None:
    return None if isinstance(value, bool) else f"must be true or false, not {_kind(value)}"


def _direction(value: Any, _: Validation) -> str | None:
    return None if value in ("inbound", "outbound") else "must be inbound or outbound"


def _moment(value: Any, _: Validation) -> str | None:
    if not isinstance(value, str):
        return f"must be text, not {_kind(value)}"
    try:
        # A bare date is ISO 8601 too, but no moment.
        is_moment = len(value) > 10 and bool(datetime.fromisoformat(value))
    except ValueError:
        is_moment = False
    if not is_moment:
        return "is not a date and time in ISO 8601 format, like 2025-09-22T12:56:38.547Z"
    return None if _EARLIEST <= value[:4] < _LATEST else "is not between the years 1970 and 2199"


_JUDGES: Mapping[str, Callable[[Any, Validation], str | None]] = {
    "uuid": _call_id,
    "event_type": _text,
    "event_time": _moment,
    "event_payload": _object,
    "from": _number,
    "to": _number,
    "call_started": _moment,
    "call_answered": _moment,
    "call_completed": _moment,
    "machine_detected": _boolean,
    "tag": _text,
    "direction": _direction,
}


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _parse(body: bytes) -> dict[str, Any]:
    """Return the JSON object in *body*; raises InvalidEvent for everything that two readers could read differently."""
    try:
        text = body.decode()
    except UnicodeDecodeError as ex:
        raise InvalidEvent([Fault("", f"is not UTF-8: byte {ex.start} is wrong")]) from None
    try:
        fields = _DECODER.decode(text)
    except json.JSONDecodeError as ex:
        raise InvalidEvent([Fault("", f"is not JSON: {ex.msg} at line {ex.lineno}, column {ex.colno}")]) from None
    except RecursionError:
        raise InvalidEvent([_TOO_DEEP]) from None
    if not isinstance(fields, dict):
        raise InvalidEvent([Fault("", f"must be an object, not {_kind(fields)}")])
    if body.count(b"{") + body.count(b"[") > _MAX_DEPTH and _depth(fields) > _MAX_DEPTH:
        raise InvalidEvent([_TOO_DEEP])
    # Both can only be written as an escape; nearly no event has one.
    if b"\\u" in body and (faults := _bad_texts(fields)):
        raise InvalidEvent(faults[:_MAX_FAULTS])
    return fields


def _parse_again(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a *body* that ``check`` has let pass; what it guards against is not sought again."""
    try:
        fields = from_json(body)
    except ValueError as ex:
        raise InvalidEvent([Fault("", f"is not JSON: {ex}")]) from None
    if not isinstance(fields, dict):
        raise InvalidEvent([Fault("", f"must be an object, not {_kind(fields)}")])
    return fields


_TOO_DEEP = Fault("", f"is nested more than {_MAX_DEPTH} levels deep")


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return depth


def _bad_texts(value: Any, path: str = "") -> list[Fault]:
    """Name every text that no database and no other program can be trusted to keep."""
    if isinstance(value, str):
        return [Fault(path, "contains a NUL or half a character")] if _BAD_TEXT.search(value) else []
    if isinstance(value, list):
        return [fault for n, item in enumerate(value) for fault in _bad_texts(item, f"{path}[{n}]")]
    if not isinstance(value, dict):
        return []
    faults = []
    for name, item in value.items():
        if _BAD_TEXT.search(name):
            faults.append(Fault(path, "has a name with a NUL or half a character"))
        else:
            faults += _bad_texts(item, f"{path}.{name}" if path else name)
    return faults


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        twice = sorted(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise InvalidEvent([Fault(_printable(name), "is there more than once") for name in twice[:_MAX_FAULTS]])
    return fields


def _printable(name: str) -> str:
    return name.encode(errors="replace").decode()


def _whole(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise InvalidEvent([Fault("", f"has a number of more than {_MAX_DIGITS} digits")])
    return int(digits)


def _decimal(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise InvalidEvent([Fault("", "has a number that is too large")])
    return number


def _constant(name: str) -> Any:
    raise InvalidEvent([Fault("", f"is not JSON: {name} is no JSON value")])


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_whole, parse_float=_decimal, parse_constant=_constant)
