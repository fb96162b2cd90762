"""Which events a rule can be asked about with success, as far as its condition says so by itself. Pure."""

from __future__ import annotations

import functools
from collections.abc import Callable

from router.matching import COUNTS, OWN_FACTS, Exists, Group, Part, Subject, Test
from router.routes import Rule

#: What an event says of itself. Numbers, tags, hours and the like depend on who calls, and when.
_JUDGED = frozenset({"event_type", "direction", "answered", *OWN_FACTS})
#: Unknown of a number that is withheld. What the value must be says nothing of an event; that there must be one does.
_OF_A_KNOWN_NUMBER = frozenset({"customer_number", "customer_country", "from_number", "from_country", *COUNTS})


def can_match(rule: Rule) -> Callable[[Subject], bool]:
    """Return whether some event like the one given can match *rule*: of everything but its kind the best is assumed."""
    return _compiled(tuple(kept for part in rule.condition.parts if (kept := _judged(part))))


@functools.lru_cache(maxsize=1024)
def _compiled(parts: tuple[Part, ...]) -> Callable[[Subject], bool]:
    return Group("all", parts).compiled()


def _judged(part: Part) -> Part | None:
    """Return *part* without all that could hold for some event; None when nothing is left."""
    if isinstance(part, Test) and part.key in _OF_A_KNOWN_NUMBER:
        return None if part.compiled()({}) else Test(part.key, Exists(True))
    if isinstance(part, Test):
        return part if part.key in _JUDGED or part.key.startswith("event_payload") else None
    kept = tuple(judged for inner in part.parts if (judged := _judged(inner)))
    if part.kind == "all":
        return Group("all", kept) if kept else None
    if part.kind == "any":
        return Group("any", kept) if len(kept) == len(part.parts) else None
    # Of a negation nothing is known until all of it is.
    return part if kept == part.parts else None
