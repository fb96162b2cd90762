"""What follows from one condition for another. Never wrong, not always able to tell: False means "cannot be told"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from router.event import OWN_TYPES
from router.matching.checks import Check, Compare, Either, Every, Exists, Not, OneOf, Part, expression
from router.matching.conditions import Condition, Group, Test, conjunction
from router.matching.conditions import Part as ConditionPart
from router.matching.vocabulary import COUNTS, OWN_FACTS, kind_of

_OWN = Test("event_type", OneOf(frozenset(OWN_TYPES)))
_INBOUND = Test("direction", OneOf(frozenset({"inbound"})))
#: What a missed call cannot be without.
_MISSED = (
    _INBOUND,
    Test("outcome", Not(OneOf(frozenset({"answered", "machine"})))),
)
_TRUE = OneOf(frozenset({"true"}))


def implies(one: Condition, other: Condition) -> bool:
    """Return whether every event that *one* matches is sure to be matched by *other*."""
    known = list(conjunction(one.parts))
    return all(_follows(part, known, one.parts) for part in other.parts)


def disjoint(one: Condition, other: Condition) -> bool:
    """Return whether no event can match both."""
    return contradiction(Condition((*one.parts, *other.parts))) is not None


def contradiction(condition: Condition) -> str | None:
    """Return in words why no event can match *condition*, None when one might."""
    tests = _implied(conjunction(condition.parts))
    found = _clash(tests)
    if found is not None:
        return found
    for part in condition.parts:
        if isinstance(part, Group) and part.kind == "any":
            branches = [_clash([*tests, *_implied(conjunction((branch,)))]) for branch in part.parts]
            if all(branches):
                return f"none of its any: can hold ({branches[0]})"
    return None


def _implied(tests: Iterable[Test]) -> list[Test]:
    """Return *tests* with what the definitions of our own facts add to them."""
    given, added = list(tests), list[Test]()
    for test in given:
        if test.key in OWN_FACTS and _positive(test.check):
            added += (_OWN, _INBOUND) if test.key in COUNTS else (_OWN,)
        if test.key == "missed" and test.check == _TRUE:
            added.extend(_MISSED)
    return [*given, *added]


def _clash(tests: Sequence[Test]) -> str | None:
    by_place: dict[tuple[str, ...], list[Test]] = {}
    for test in tests:
        by_place.setdefault(test.place, []).append(test)
    for same in by_place.values():
        checks = [check for test in same for check in _all_of(test.check)]
        for one, other in combinations(checks, 2):
            if _exclude(one, other, many=_many(same[0])):
                return f"{same[0].key} would have to be {one.wanted} and {other.wanted}"
    return None


def _all_of(check: Check) -> Iterator[Check]:
    if isinstance(check, Every):
        for inner in check.inner:
            yield from _all_of(inner)
    else:
        yield check


def _many(test: Test) -> bool:
    """Return whether the value may be a list, of which each check may be met by another entry."""
    return len(test.place) > 1 or kind_of(test.key) in ("hours", "open")


def _follows(part: ConditionPart, known: Sequence[Test], parts: Sequence[ConditionPart]) -> bool:
    if part in parts:
        return True
    if isinstance(part, Test):
        return any(one.place == part.place and _entails(one.check, part.check, many=_many(part)) for one in known)
    if part.kind == "all":
        return all(_follows(inner, known, parts) for inner in part.parts)
    if part.kind == "any":
        return any(_follows(inner, known, parts) for inner in part.parts)
    return False


# Checks of one value -------------------------------------------------------------------------------------


def _positive(check: Check) -> bool:
    """Return whether *check* is sure to fail where there is no value."""
    if isinstance(check, Not):
        return False
    if isinstance(check, Every):
        return any(map(_positive, check.inner))
    if isinstance(check, Either):
        return all(map(_positive, check.inner))
    return check != Exists(False)


def _entails(one: Check, other: Check, *, many: bool) -> bool:
    if one == other:
        return True
    if isinstance(other, Every):
        return all(_entails(one, inner, many=many) for inner in other.inner)
    if isinstance(one, Either):
        return all(_entails(inner, other, many=many) for inner in one.inner)
    if isinstance(other, Either):
        return any(_entails(one, inner, many=many) for inner in other.inner)
    if isinstance(one, Every):
        return any(_entails(inner, other, many=many) for inner in one.inner)
    if isinstance(other, Not):
        return _exclude(one, other.inner, many=many)
    if other == Exists(True):
        return _positive(one)
    if isinstance(one, OneOf):
        return _each_passes(one, other)
    if isinstance(one, Part) and isinstance(other, Part) and one.word == other.word:
        return all(any(_affix_entails(one.word, text, wider) for wider in other.texts) for text in one.texts)
    if isinstance(one, Compare) and isinstance(other, Compare) and one.scale == other.scale:
        return _range_entails(one, other)
    return False


def _each_passes(one: OneOf, other: Check) -> bool:
    """Return whether every value of *one* passes *other*."""
    if isinstance(other, OneOf):
        like = [re.compile(expression(pattern), re.DOTALL) for pattern in other.patterns]
        exact = all(value in other.exact or any(each.fullmatch(value) for each in like) for value in one.exact)
        return exact and all(pattern in other.patterns for pattern in one.patterns)
    if one.patterns or isinstance(other, Not | Every | Either):
        return False
    return all(map(other.compiled(), one.exact))


def _affix_entails(word: str, text: str, wider: str) -> bool:
    if word == "prefix":
        return text.startswith(wider)
    return text.endswith(wider) if word == "suffix" else wider in text


def _range_entails(one: Compare, other: Compare) -> bool:
    if one.word == "eq":
        return _passes(one.limit, other)
    if one.word[:2] != other.word[:2] or other.word == "eq":
        return False
    if one.limit == other.limit:
        return one.word == other.word or other.word.endswith("e")
    return _passes(one.limit, other)


def _passes(limit: float | str, other: Compare) -> bool:
    wider: float | str = other.limit
    if limit == wider:
        return other.word in ("gte", "lte", "eq")
    low, high = (limit, wider) if other.word.startswith("l") else (wider, limit)
    return other.word != "eq" and low < high  # type: ignore[operator]  # of one scale: both numbers, or both texts


def _exclude(one: Check, other: Check, *, many: bool) -> bool:
    """Return whether no value, nor the lack of one, passes both."""
    if isinstance(other, Either | Every | Not) and not isinstance(one, Either | Every):
        one, other = other, one
    if isinstance(one, Either):
        return all(_exclude(inner, other, many=many) for inner in one.inner)
    if isinstance(one, Every):
        return any(_exclude(inner, other, many=many) for inner in one.inner)
    if isinstance(one, Not):
        return not isinstance(other, Not) and _entails(other, one.inner, many=many)
    if Exists(False) in (one, other):
        return _positive(other if one == Exists(False) else one)
    if many:
        return False
    if isinstance(other, OneOf) and not other.patterns:
        one, other = other, one
    if isinstance(one, OneOf) and not one.patterns and not isinstance(other, Not | Every | Either):
        return not any(map(other.compiled(), one.exact))
    if isinstance(one, Compare) and isinstance(other, Compare) and one.scale == other.scale:
        return _ranges_exclude(one, other)
    return False


def _ranges_exclude(one: Compare, other: Compare) -> bool:
    if one.word == "eq":
        return not _passes(one.limit, other)
    if other.word == "eq":
        return not _passes(other.limit, one)
    if one.word[0] == other.word[0]:
        return False
    low, high = (one, other) if one.word.startswith("g") else (other, one)
    if low.limit == high.limit:
        return not (low.word == "gte" and high.word == "lte")
    return low.limit > high.limit  # type: ignore[operator]  # of one scale: both numbers, or both texts
