"""Durations, rates, moments and sizes as operators write them.

``200ms 5s 2m 3h 4d``, ``10/s 60/m``, ``2026-01-04T10:00``, ``64MiB 2GiB``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_BYTES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = re.compile(r"(\d{1,6})(KiB|MiB|GiB)")
_RATE = re.compile(r"(\d+)/(s|m|h|d)")


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``count`` in each ``seconds``."""

    count: int
    seconds: float


def duration(text: str) -> float:
    """Return the seconds that *text* names (``90s``, ``1.5h``, ``2h30m``).

    Raises ValueError with a sentence that says what is missing.
    """
    text = text.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        raise ValueError(f'"{text}" has no unit; did you mean "{text}s"?')
    if not text or not re.fullmatch(rf"(?:{_DURATION.pattern})+", text):
        raise ValueError(f'"{text}" is no duration; write for example 200ms, 5s, 2m, 3h or 4d')
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))


def rate(text: str) -> Rate:
    """Return the rate that *text* names (``10/s``, ``60/m``); raises ValueError with a sentence."""
    match = _RATE.fullmatch(text.strip())
    if not match or match[1].strip("0") == "":
        raise ValueError(f'"{text}" is no rate; write for example 10/s or 60/m')
    return Rate(int(match[1]), _SECONDS[match[2]])


def size(text: str) -> int:
    """Return the bytes that *text* names (``64MiB``); ``0`` is none. Raises ValueError with a sentence."""
    text = text.strip()
    if text == "0":
        return 0
    match = _SIZE.fullmatch(text)
    if not match:
        meant = re.fullmatch(r"([1-9]\d*)\s*([KMG])i?B?", text, re.IGNORECASE)
        hint = f'did you mean "{meant[1]}{meant[2].upper()}iB"?' if meant else "write for example 512KiB, 64MiB or 2GiB"
        raise ValueError(f'"{text}" is no size; {hint}' + ("" if meant else ", or 0 for none"))
    return int(match[1]) * _BYTES[match[2]]


def moment(text: str, zone: tzinfo) -> float:
    """Return the moment that the ISO 8601 *text* names; where it names no zone, it is on the wall clock of *zone*.

    Raises ValueError with a sentence.
    """
    try:
        # A bare date is ISO 8601 too, but no moment.
        found = datetime.fromisoformat(text.strip()) if len(text.strip()) > 10 else None
    except ValueError:
        found = None
    if found is None:
        raise ValueError(f'"{text}" is no date and time; write for example 2026-01-04T10:00 or 2026-01-04T10:00:00Z')
    if not 1970 < found.year < 2200:
        raise ValueError(f'"{text}" is not between the years 1971 and 2199')
    return (found if found.tzinfo else found.replace(tzinfo=zone)).timestamp()


def moment_or_time(text: str, zone: tzinfo, now: float) -> float:
    """Return the moment that *text* names, or the next ``18:00`` after *now* on the wall clock of *zone*.

    Raises ValueError with a sentence.
    """
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", text.strip())
    if not match:
        try:
            return moment(text, zone)
        except ValueError as ex:
            raise ValueError(f"{ex}; or 18:00, for the next time it is that late") from None
    local = datetime.fromtimestamp(now, zone)
    found = local.replace(hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0)
    return (found if found > local else found + timedelta(days=1)).timestamp()


def spell(seconds: float) -> str:
    """Return *seconds* for a person, in its two largest units: ``4d 3h``, ``2m 41s``, ``3ms``."""
    if 0 < seconds < 0.9995:
        return f"{max(1, round(seconds * 1000))}ms"
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    left, parts = round(seconds), []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])
