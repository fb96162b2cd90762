"""What a destination's status means for a delivery, decided once for all plugins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import urlsplit

from router.errors import (
    DeliveryFailed,
    DestinationUnusable,
    PermanentFailure,
    TakenAsDelivered,
    TemporaryFailure,
)
from router.outgoing.kept import readable
from router.outgoing.redaction import Redaction

#: How much of an error answer goes into a reason.
EXCERPT = 200

#: A longer Retry-After is a mistake or an attack; the retry policy goes on with this instead.
LONGEST_RETRY_AFTER = 36000.0

#: "Cannot say now", in the words of RFC 9110, 8470 and 6585: worth the same request again.
_AGAIN = {408, 425, 429}

#: Credentials refused (407: by a proxy), or gone for good: nothing will be accepted until somebody acts.
_UNUSABLE = {401, 403, 407, 410}


def failure(
    host: str,
    status: int,
    headers: Mapping[str, str],
    excerpt: str,
    *,
    now: float,
    answers: Mapping[int, str] = MappingProxyType({}),
) -> DeliveryFailed:
    """Return the failure that *status*, not a 2xx, stands for; *headers* have lower-case names.

    *answers* are the operator's words for some statuses: ``done``, ``again``, ``dead`` or ``pause``.
    """
    reason = f"{host} answered {_spell(status)}"
    if 300 <= status < 400:
        place = _new_place(headers.get("location", ""))
        reason += f"{place}; redirects are not followed, give the final address"
    elif excerpt:
        reason += f": {excerpt}"
    word = answers.get(status)
    if word is not None:
        reason += f' ("{word}", by answers: of the destination)'
    match word or _usual(status):
        case "done":
            return TakenAsDelivered(reason, status=status)
        case "again":
            return TemporaryFailure(reason, status=status, retry_after=retry_after(headers.get("retry-after"), now))
        case "pause":
            return DestinationUnusable(reason, status=status)
    return PermanentFailure(reason, status=status)


def _usual(status: int) -> str:
    if status in _UNUSABLE:
        return "pause"
    return "again" if status in _AGAIN or status >= 500 else "dead"


def retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds a ``Retry-After`` header asks for, as a number or an HTTP date; None when it asks nothing."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
            # The older forms of a date name no zone; all dates of HTTP are in UTC.
            seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
        except (ValueError, OverflowError):
            return None
    # NaN compares false with everything and ends here too.
    return min(seconds, LONGEST_RETRY_AFTER) if seconds > 0 else None


def excerpt(body: bytes, redact: Redaction) -> str:
    """Return the beginning of *body* as one printable line without secrets, for a reason."""
    window = 4 * EXCERPT
    text = readable(body[:window], redact, cut=len(body) > window)
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= EXCERPT else line[: EXCERPT - 1] + "…"


def _spell(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _new_place(location: str) -> str:
    """Name the host alone: the rest of a Location may carry the secret it was asked with."""
    try:
        host = urlsplit(location).hostname or ""
    except ValueError:
        return ""
    return f" (to {host})" if re.fullmatch(r"[\w.:-]{1,253}", host, re.ASCII) else ""
