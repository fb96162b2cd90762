"""One ``when:`` block of a rule, compiled into a condition that can explain itself. Pure.

Keys are joined by *and*; a list means any of its values; ``*`` and ``?`` in a text are wildcards, and case counts.
**A field that is missing or null fails every test, so that it never matches by accident; ``not`` is plain negation,
so that ``tag: {not: sales}`` holds for a call without a tag.** ``tag: {exists: false}`` says "has none" aloud.
"""

from __future__ import annotations

from router.matching.checks import Check, Exists, Not, OneOf
from router.matching.conditions import Condition, Explained, Group, Part, Subject, Test, conjunction
from router.matching.index import Index
from router.matching.lists import ValueList
from router.matching.logic import contradiction, disjoint, implies
from router.matching.reading import Report, compile_when
from router.matching.vocabulary import COUNTS, KEYS, OWN_FACTS

__all__ = [
    "COUNTS",
    "KEYS",
    "OWN_FACTS",
    "Check",
    "Condition",
    "Exists",
    "Explained",
    "Group",
    "Index",
    "Not",
    "OneOf",
    "Part",
    "Report",
    "Subject",
    "Test",
    "ValueList",
    "compile_when",
    "conjunction",
    "contradiction",
    "disjoint",
    "implies",
]
