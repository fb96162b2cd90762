"""Which keys a condition may ask about, and what kind of value each has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

#: Facts that hold on our own events alone.
OWN_FACTS = ("ended", "missed", "outcome", "calls_today", "missed_today")
#: Those of them that count a customer's calls: unknown of a call that is not inbound.
COUNTS = ("calls_today", "missed_today")

#: How the values of a key are written and compared.
Kind = Literal[
    "choice", "truth", "number", "country", "text", "seconds", "count", "moment", "date", "time", "hours", "open"
]

#: Keys with few possible values; event_type and source depend on the configuration.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "direction": ("inbound", "outbound"),
    "outcome": ("answered", "no_answer", "busy", "cancelled", "rejected", "failed", "machine", "unknown"),
    "weekday": ("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
}

KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("event_type", "source", *CHOICES), "choice"),
    **dict.fromkeys(("first", "late", "answered", "ended", "missed", "machine_detected"), "truth"),
    **dict.fromkeys(("customer_number", "from_number", "to_number"), "number"),
    **dict.fromkeys(("customer_country", "from_country", "to_country"), "country"),
    **dict.fromkeys(("tag", "from", "to", "uuid"), "text"),
    **dict.fromkeys(("ring_seconds", "talk_seconds"), "seconds"),
    **dict.fromkeys(COUNTS, "count"),
    **dict.fromkeys(("event_time", "call_started", "call_answered", "call_completed"), "moment"),
    "date": "date",
    "local_time": "time",
    "hours": "hours",
    "event_payload": "open",
}  # fmt: skip

BLOCKS = ("any", "all", "not")
KEYS = tuple(sorted({*KINDS, *BLOCKS}))

#: What stands in front of a field of the sender that its documentation does not name.
EVENT = "event"

#: The words that hold a value against something, by the kind of the key.
_COMPARISONS = ("gt", "gte", "lt", "lte")
_TEXTS = ("prefix", "suffix", "contains", "regex", "in")
WORDS: Mapping[Kind, tuple[str, ...]] = {
    "choice": ("not", "exists", *_TEXTS),
    "truth": ("not", "exists"),
    "number": ("not", "exists", "country", *_TEXTS),
    "country": ("not", "exists", "in"),
    "text": ("not", "exists", *_TEXTS),
    "seconds": ("not", "exists", *_COMPARISONS),
    "count": ("not", "exists", *_COMPARISONS),
    "moment": ("not", "exists", *_COMPARISONS),
    "date": ("not", "exists", *_COMPARISONS, *_TEXTS),
    "time": ("not", "exists", *_COMPARISONS),
    "hours": ("not", "outside"),
    "open": ("not", "exists", *_COMPARISONS, *_TEXTS),
}
#: Every word that any key knows: one that stands at the wrong key deserves a better answer than a guess.
ALL_WORDS = tuple(sorted({word for words in WORDS.values() for word in words}))


def kind_of(key: str) -> Kind | None:
    """Return the kind of *key*, None when no event has such a thing."""
    first, dot, rest = key.partition(".")
    if dot:
        return "open" if first in ("event_payload", EVENT) and all(rest.split(".")) else None
    return KINDS.get(key)
