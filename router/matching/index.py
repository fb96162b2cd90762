"""Which of many conditions an event could match, without trying them all.

The conditions are sorted into a tree: each node asks for one key, and leads on by the value the event has there. A
condition that says nothing exact about the key stands in a branch of its own, which every event takes as well. What is
found at the leaves *may* match; nothing else can.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from router.matching.checks import OneOf, Part, text
from router.matching.conditions import Condition, conjunction
from router.matching.vocabulary import KINDS

#: So few conditions are tried faster than sorted.
_FEW = 4
#: A condition with more values than this at one key is not sorted by that key: it would stand in too many places.
_MOST_VALUES = 64
#: Keys whose value is a single text, number or truth in every event.
_SORTED_BY = frozenset(
    key for key, kind in KINDS.items() if kind in ("choice", "truth", "number", "country", "text", "date")
)


@dataclass(frozen=True, slots=True)
class _Demand:
    """What a condition demands of one key: one of these texts, or a text that begins with one of these."""

    exact: frozenset[str] = frozenset()
    heads: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Node:
    key: str
    exact: dict[str, _Branch] = field(default_factory=dict)
    #: Length → beginning → branch.
    heads: dict[int, dict[str, _Branch]] = field(default_factory=dict)
    rest: _Branch | None = None


#: Where the tree leads: on, or to positions in rising order.
_Branch = _Node | list[int]


class Index:
    """Finds, for a subject, the positions of the conditions that it could match, in rising order."""

    def __init__(self, conditions: Sequence[tuple[int, Condition]]) -> None:
        """Sort *conditions*, each with its position; positions must rise."""
        self._root = _sorted([(position, _demands(condition)) for position, condition in conditions])

    def candidates(self, subject: Mapping[str, Any]) -> list[int]:
        """Return the positions to try; a condition that is not among them does not match."""
        root = self._root
        if root.__class__ is list:
            return root
        found: list[int] = []
        branches = 0
        waiting: list[Any] = [root]
        while waiting:
            branch = waiting.pop()
            if branch.__class__ is list:
                found += branch
                branches += 1
                continue
            if branch.rest is not None:
                waiting.append(branch.rest)
            value = subject.get(branch.key)
            if value is None:
                continue
            if value.__class__ is not str:
                value = text(value)
            if (next_branch := branch.exact.get(value)) is not None:
                waiting.append(next_branch)
            for length, heads in branch.heads.items():
                if (next_branch := heads.get(value[:length])) is not None:
                    waiting.append(next_branch)
        # A condition with two beginnings of one value is found twice.
        return sorted(set(found)) if branches > 1 else found


def _demands(condition: Condition) -> dict[str, _Demand]:
    demands: dict[str, _Demand] = {}
    for test in conjunction(condition.parts):
        (key, *further) = test.place
        if further or key not in _SORTED_BY or (demand := _demand(test.check)) is None:
            continue
        known = demands.get(key)
        # Both must hold: the one with fewer values leads to less.
        if known is None or len(demand.exact) + len(demand.heads) < len(known.exact) + len(known.heads):
            demands[key] = demand
    return demands


def _demand(check: object) -> _Demand | None:
    if isinstance(check, OneOf):
        heads = frozenset(_head(pattern) for pattern in check.patterns)
        if "" not in heads and len(check.exact) + len(heads) <= _MOST_VALUES:
            return _Demand(check.exact, heads)
    elif isinstance(check, Part) and check.word == "prefix" and len(check.texts) <= _MOST_VALUES:
        return _Demand(heads=frozenset(check.texts))
    return None


def _head(pattern: str) -> str:
    """Return what a pattern's texts all begin with: ``sales-`` of ``sales-*-uk``."""
    ends = [place for place in (pattern.find("*"), pattern.find("?")) if place >= 0]
    return pattern[: min(ends)] if ends else pattern


def _sorted(entries: list[tuple[int, dict[str, _Demand]]]) -> _Branch:
    if len(entries) <= _FEW or (key := _best_key(entries)) is None:
        return [position for position, _ in entries]
    exact: dict[str, list[tuple[int, dict[str, _Demand]]]] = {}
    heads: dict[str, list[tuple[int, dict[str, _Demand]]]] = {}
    rest: list[tuple[int, dict[str, _Demand]]] = []
    for position, demands in entries:
        demand = demands.get(key)
        if demand is None:
            rest.append((position, demands))
            continue
        left = (position, {name: other for name, other in demands.items() if name != key})
        for value in demand.exact:
            exact.setdefault(value, []).append(left)
        for head in demand.heads:
            heads.setdefault(head, []).append(left)
    node = _Node(key, {value: _sorted(some) for value, some in exact.items()}, rest=_sorted(rest) if rest else None)
    for head, some in heads.items():
        node.heads.setdefault(len(head), {})[head] = _sorted(some)
    return node


def _best_key(entries: list[tuple[int, dict[str, _Demand]]]) -> str | None:
    """Return the key that leaves the fewest conditions to try, None when none leaves fewer than there are."""
    best, least = None, float(len(entries))
    for key in sorted({key for _, demands in entries for key in demands}):
        sizes: Counter[str] = Counter()
        rest = 0
        for _, demands in entries:
            if (demand := demands.get(key)) is None:
                rest += 1
            else:
                sizes.update((*demand.exact, *demand.heads))
        # What an event meets whose values are spread as those of the conditions are.
        # None where every list that is asked for could not be read, or has nothing in it.
        named = sum(sizes.values())
        left = rest + (sum(size * size for size in sizes.values()) / named if named else 0)
        if left < least:
            best, least = key, left
    return best
