"""The filters that templates have beyond Jinja's own. Each makes nothing of a null."""

from __future__ import annotations

import functools
import zoneinfo
from collections.abc import Callable
from datetime import UTC, tzinfo
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context

from router import clock, phone, units
from router.phone import Number

#: Makes a link in the form of one destination: of an address (``tel:+442079460958``) and the words to show for it,
#: neither of them escaped yet.
Link = Callable[[str, str], str]

_FORMS = ("international", "national", "e164")
#: Of a text with fewer letters and digits, two would give too much away.
_LONG_ENOUGH = 5


class Finished(str):
    """A text that is already in its destination's form. Whatever is made of it is an ordinary text again."""

    __slots__ = ()


def filters(link: Link) -> dict[str, Callable[..., Any]]:
    """Return every filter by its name; *link* writes links as their destination has them."""

    @pass_context
    def linked(context: Context, value: Any, label: Any = None) -> Any:
        if value is None or value == "":
            return ""
        number = _number(context, value)
        return Finished(link(f"tel:{number.e164}", str(label or number.international))) if number else value

    return {
        "phone": _phone,
        "duration": _duration,
        "time": _time,
        "ago": _ago,
        "ordinal": _ordinal,
        "mask": _mask,
        "link": linked,
    }


@pass_context
def _phone(context: Context, value: Any, form: str = "international") -> Any:
    if form not in _FORMS:
        raise ValueError(f'there is no phone("{form}"); write one of {", ".join(_FORMS)}')
    if value is None or value == "":
        return ""
    number = _number(context, value)
    return getattr(number, form) if number else value


def _number(context: Context, value: Any) -> Number | None:
    # The sender may leave out the plus: callrouter read both numbers of the event with the region it was told.
    event, facts = context.get("event") or {}, context.get("facts") or {}
    for field in ("from", "to"):
        known = facts.get(f"{field}_number")
        if known and value == event.get(field):
            value = known
    return phone.parse(str(value), None)


def _ordinal(value: Any) -> str:
    if value is None:
        return ""
    number = int(value)
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _duration(value: Any) -> str:
    return "" if value is None else units.spell(float(value))


@pass_context
def _time(context: Context, value: Any, date: bool = False, zone: str | None = None) -> str:
    if value is None or value == "":
        return ""
    local = clock.local(_moment(value), _named(zone) if zone else _usual((context.get("facts") or {}).get("timezone")))
    return f"{local.day} {local:%b %H:%M}" if date else f"{local:%H:%M}"


@pass_context
def _ago(context: Context, value: Any) -> str:
    if value is None or value == "":
        return ""
    # A filter reads no clock: the delivery says when it is made.
    passed = _moment((context.get("delivery") or {})["time"]) - _moment(value)
    if abs(passed) < 1:
        return "just now"
    spelt = units.spell(abs(round(passed))).split()[0]
    return f"{spelt} ago" if passed > 0 else f"in {spelt}"


@pass_context
def _mask(context: Context, value: Any) -> str:
    if value is None:
        return ""
    number = _number(context, value)
    code, _, hidden = number.international.partition(" ") if number else ("", "", str(value))
    shown = 2 if sum(map(str.isalnum, hidden)) >= _LONG_ENOUGH else 0
    masked = ""
    for char in reversed(hidden):
        if char.isalnum():
            masked += char if shown > 0 else "*"
            shown -= 1
        else:
            masked += char
    return f"{code} {masked[::-1]}".lstrip()


def _moment(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else clock.parse(str(value))


@functools.lru_cache(maxsize=64)
def _usual(name: str | None) -> tzinfo:
    try:
        return _named(name) if name else UTC
    except ValueError:
        return UTC


@functools.lru_cache(maxsize=64)
def _named(name: str) -> tzinfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        raise ValueError(f'"{name}" is no time zone; write for example Europe/London') from None
