"""One ``when:`` block of a rule, compiled into a condition that can explain itself.

Keys are joined by *and*; a list means any of its values; ``*`` and ``?`` in a text are wildcards, and case counts.
**A field that is missing or null fails every test, so that it never matches by accident; ``not`` is plain negation,
so that ``tag: {not: sales}`` holds for a call without a tag.** ``tag: "*"`` therefore means "has a tag", and
``tag: {not: "*"}`` "has none".
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Literal

from router import phone
from router.event import EVENT_TYPES, OWN_TYPES

#: What a condition is asked about: the event's fields, its derived facts and ``source``, in one flat mapping.
Subject = Mapping[str, Any]

#: Where a mistake is reported: the faulty key or value itself, a sentence, and what to write instead.
Report = Callable[[object, str, str | None], None]

#: Facts that hold on our own events alone.
OWN_FACTS = ("ended", "missed", "outcome")

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "direction": ("inbound", "outbound"),
    "outcome": ("answered", "no_answer", "busy", "cancelled", "rejected", "failed", "machine", "unknown"),
    "weekday": ("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
}
_BOOLEANS = ("first", "late", "answered", "ended", "missed", "machine_detected")
_NUMBERS = ("customer_number", "from_number", "to_number")
_FREE = ("tag", "from", "to")
_BLOCKS = ("any", "all", "not")
KEYS = tuple(sorted({"source", "event_type", *_CHOICES, *_BOOLEANS, *_NUMBERS, *_FREE, *_BLOCKS}))

_NOT_BUILT_KEYS: Mapping[str, str] = {
    "hours": "leave it out and let the destination decide",
    "date": "weekday is there",
    "from_country": 'write a wildcard on the number: from_number: "+44*"',
    "to_country": 'write a wildcard on the number: to_number: "+44*"',
    "customer_country": 'write a wildcard on the number: customer_number: "+44*"',
    "local_time": "weekday is there",
    **dict.fromkeys(("uuid", "id", "event_time", "call_started", "call_answered", "call_completed", "event_payload",
                     "ring_seconds", "talk_seconds"),
                    "conditions can use event_type, direction, tag and the derived facts"),
}  # fmt: skip
_NOT_BUILT_OPERATORS: Mapping[str, str] = {
    "prefix": 'write a wildcard: "text*"',
    "suffix": 'write a wildcard: "*text"',
    "contains": 'write a wildcard: "*text*"',
    "regex": 'write wildcards, or a list of them: ["sales-*", "support-?"]',
    "exists": 'write "*" for "has one" and {not: "*"} for "has none"',
    "in": "write the list itself here",
    "country": 'write a wildcard on the number: "+44*"',
    **dict.fromkeys(("gt", "gte", "lt", "lte"), "list the values themselves"),
}
_YES_AND_NO = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


@dataclass(frozen=True, slots=True)
class Explained:
    """One test of a condition against one event. ``depth`` counts the blocks it stands in."""

    key: str
    wanted: str
    actual: Any
    held: bool
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Test:
    """One key against its values: exact texts, and patterns with wildcards."""

    key: str
    exact: frozenset[str]
    patterns: tuple[str, ...] = ()
    negated: bool = False

    @property
    def wanted(self) -> str:
        """The values in words: ``not sales or support``."""
        values = " or ".join((*sorted(self.exact), *self.patterns))
        return f"not {values}" if self.negated else values

    def compiled(self) -> Callable[[Subject], bool]:
        """Return the test as a function, the fastest that will do."""
        key, exact, negated = self.key, self.exact, self.negated
        glob = re.compile("|".join(map(_expression, self.patterns)), re.DOTALL).fullmatch if self.patterns else None

        def holds(subject: Subject) -> bool:
            value = subject.get(key)
            if value is None:
                return negated
            if value.__class__ is not str:
                value = _text(value)
            return (value in exact or (glob is not None and glob(value) is not None)) is not negated

        return holds

    def explained(self, subject: Subject, depth: int) -> Iterator[Explained]:
        """Yield this test, with what the event really has."""
        yield Explained(self.key, self.wanted, subject.get(self.key), self.compiled()(subject), depth)


@dataclass(frozen=True, slots=True)
class Group:
    """Several parts that must all hold, of which any must hold, or of which not all may hold together."""

    kind: Literal["all", "any", "not"]
    parts: tuple[Part, ...]

    def compiled(self) -> Callable[[Subject], bool]:
        """Return the group as a function."""
        tests = tuple(part.compiled() for part in self.parts)
        if len(tests) == 1 and self.kind != "not":
            return tests[0]

        def holds_all(subject: Subject) -> bool:
            for test in tests:  # noqa: SIM110  # a generator inside all() costs twice as much per event
                if not test(subject):
                    return False
            return True

        def holds_any(subject: Subject) -> bool:
            for test in tests:  # noqa: SIM110  # see above
                if test(subject):
                    return True
            return False

        return {"all": holds_all, "any": holds_any, "not": lambda subject: not holds_all(subject)}[self.kind]

    def explained(self, subject: Subject, depth: int) -> Iterator[Explained]:
        """Yield the group and then its parts, one deeper."""
        wanted = {"all": "all of these", "any": "any of these", "not": "not all of these"}[self.kind]
        yield Explained(self.kind, wanted, None, self.compiled()(subject), depth)
        for part in self.parts:
            yield from part.explained(subject, depth + 1)


Part = Test | Group


@dataclass(frozen=True, slots=True)
class Condition:
    """One compiled ``when:``. ``matches`` is the whole of it as a function."""

    parts: tuple[Part, ...]
    matches: Callable[[Subject], bool] = field(init=False, repr=False, compare=False)
    #: True when it names one of our own events, or a fact that only they have.
    sees_own_events: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "matches", Group("all", self.parts).compiled())
        object.__setattr__(self, "sees_own_events", any(map(_names_own_events, self.parts)))

    def explain(self, subject: Subject) -> list[Explained]:
        """Return every test with the value it met, in the order of the file."""
        return [explained for part in self.parts for explained in part.explained(subject, 0)]


def compile_when(
    when: Mapping[str, Any],
    report: Report,
    *,
    sources: Set[str] | None = None,
    extra_types: Set[str] = frozenset(),
    region: str | None = None,
) -> Condition:
    """Return the condition that *when* states, as nested mappings, lists and texts.

    Every mistake goes to *report*; what is returned then must not be used. ``source`` must name one of *sources* where
    they are given; *extra_types* are the event types that sources accept beyond the documented ones; numbers without
    a country code are read in *region*.
    """
    compiler = _Compiler(report, sources, extra_types, region)
    parts = compiler.block(when)
    compiler.refuse_what_never_matches(parts, when)
    return Condition(parts)


class _Compiler:
    def __init__(self, report: Report, sources: Set[str] | None, extra_types: Set[str], region: str | None) -> None:
        self._report = report
        self._region = region
        self._extra_types = extra_types
        self._choices = dict(_CHOICES)
        self._choices["event_type"] = tuple(sorted(EVENT_TYPES | extra_types | OWN_TYPES))
        if sources is not None:
            self._choices["source"] = tuple(sorted(sources))

    def block(self, block: Mapping[str, Any]) -> tuple[Part, ...]:
        if not block:
            hint = "to send every event, name the destination under always:"
            self._report(block, "a condition without a test would match everything", hint)
        parts = []
        for key, value in block.items():
            if key in ("any", "all"):
                parts.append(self._group(key, value))
            elif key == "not":
                parts.append(self._negation(key, value))
            elif key in KEYS:
                parts.append(self._test(key, value))
            else:
                self._unknown(key)
        return tuple(part for part in parts if part)

    def refuse_what_never_matches(self, parts: Sequence[Part], at: object) -> None:
        """Report a condition that joins a fact of our own events with an event of the sender."""
        tests = [test for part in parts for test in _conjunction(part)]
        facts = [test.key for test in tests if test.key in OWN_FACTS and not test.negated]
        known = set(self._choices["event_type"])
        types = [test for test in tests if test.key == "event_type" and not test.negated and test.exact <= known]
        for test in types:
            if facts and not any(map(test.compiled(), ({"event_type": own} for own in OWN_TYPES))):
                place = at["event_type"] if isinstance(at, Mapping) and "event_type" in at else at
                text = f'this never matches: "{facts[0]}" holds on call_ended alone, not on {test.wanted}'
                self._report(place, text, "leave event_type out, or write event_type: call_ended")

    def _unknown(self, key: str) -> None:
        hint = _NOT_BUILT_KEYS.get(key.partition(".")[0])
        if hint:
            self._report(key, f'"{key}" in a condition is not built yet', hint)
        else:
            self._report(key, f'unknown key "{key}" in a condition', _guess(key, KEYS))

    def _group(self, key: str, value: Any) -> Part | None:
        blocks = list(value) if isinstance(value, list) else []
        if not blocks or not all(isinstance(block, Mapping) for block in blocks):
            self._report(
                key, f'"{key}" needs a list of conditions', f"write {key}: [{{tag: a}}, {{direction: inbound}}]"
            )
            return None
        return Group("any" if key == "any" else "all", tuple(_joined(self.block(block)) for block in blocks))

    def _negation(self, key: str, value: Any) -> Part | None:
        if not isinstance(value, Mapping):
            self._report(key, '"not" as a key needs a condition', "write not: {tag: sales}, or tag: {not: sales}")
            return None
        return Group("not", self.block(value))

    def _test(self, key: str, value: Any) -> Part | None:
        negated = isinstance(value, Mapping)
        if isinstance(value, Mapping):
            for operator in value:
                if operator in _NOT_BUILT_OPERATORS:
                    self._report(operator, f'"{operator}" is not built yet', _NOT_BUILT_OPERATORS[operator])
                elif operator != "not":
                    self._report(operator, f'unknown word "{operator}" for "{key}"', _guess(operator, ("not",)))
            if set(value) != {"not"}:
                if not value:
                    self._report(key, f'"{key}" has no value', "give one, or remove the key")
                return None
            value = value["not"]
        values = value if isinstance(value, list) else [value]
        if not values:
            self._report(key, f'"{key}" has an empty list, which nothing can match', "name at least one value")
        exact, patterns = set(), []
        for one in values:
            if not isinstance(one, str):
                self._report(
                    one if one else key, f'"{key}" takes a value or a list of values', "any: and all: take conditions"
                )
            elif ("*" in one or "?" in one) and key not in _BOOLEANS:
                patterns.append(self._pattern(key, one))
            else:
                exact.add(self._value(key, one))
        return Test(str(key), frozenset(exact), tuple(patterns), negated)

    def _value(self, key: str, value: str) -> str:
        if getattr(value, "null", False):
            self._report(value, f'"{key}" has no value', 'for "has none" write {not: "*"}')
        elif key in _BOOLEANS and value not in ("true", "false"):
            meant = _YES_AND_NO.get(value.lower(), value.lower())
            hint = f"did you mean {meant}?" if meant in ("true", "false") else "write true or false"
            self._report(value, f'"{key}" is either true or false, not "{value}"', hint)
        elif key in self._choices and value not in self._choices[key]:
            self._report(value, f'"{value}" is no {key}', self._choice_hint(key, value))
        elif key in _NUMBERS:
            number = phone.parse(value, self._region)
            if number is not None:
                return number.e164
            self._report(value, f'"{value}" is no phone number', 'write it with "+" and the country code')
        return str(value)

    def _pattern(self, key: str, pattern: str) -> str:
        choices = [name for name in self._choices.get(key, ()) if name not in OWN_TYPES]
        if key in self._choices and not any(re.fullmatch(_expression(pattern), choice) for choice in choices):
            hint = f"there are {', '.join(choices)}; call_ended and call_corrected must be named in full"
            if key != "event_type":
                hint = f"there are {', '.join(choices)}"
            self._report(pattern, f'no {key} is like "{pattern}"', hint)
        if key in _NUMBERS and pattern[0] not in "+*?":
            hint = 'numbers are compared as +442071234567: write for example "+44*"'
            self._report(pattern, f'no phone number is like "{pattern}"', hint)
        return str(pattern)

    def _choice_hint(self, key: str, value: str) -> str:
        if key == "event_type":
            if value == "missed":
                return "write missed: true instead"
            if value == "call_completed":
                return 'the event type is "completed"'
            near = difflib.get_close_matches(value, self._choices[key], 1)
            if not near:
                return f"list it under accept_types: of its source, or write one of {', '.join(self._choices[key])}"
        if key == "weekday" and value.lower()[:3] in self._choices[key]:
            return f'write "{value.lower()[:3]}"'
        return _guess(value, self._choices[key])


def _joined(parts: tuple[Part, ...]) -> Part:
    return parts[0] if len(parts) == 1 else Group("all", parts)


def _names_own_events(part: Part) -> bool:
    if isinstance(part, Group):
        return any(map(_names_own_events, part.parts))
    return part.key in OWN_FACTS or (
        part.key == "event_type" and not part.negated and not part.exact.isdisjoint(OWN_TYPES)
    )


def _conjunction(part: Part) -> Iterator[Test]:
    """Yield the tests that must all hold for *part* to hold."""
    if isinstance(part, Test):
        yield part
    elif part.kind == "all" or (part.kind == "any" and len(part.parts) == 1):
        for inner in part.parts:
            yield from _conjunction(inner)


def _expression(pattern: str) -> str:
    """Return the regular expression for a pattern; atomic groups keep a hostile value from costing seconds."""
    first, *rest = ("".join("." if char == "?" else re.escape(char) for char in text) for text in pattern.split("*"))
    if not rest:
        return first
    return first + "".join(f"(?>.*?{text})" for text in rest[:-1]) + f"(?:.*{rest[-1]})"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _guess(word: str, words: Sequence[str]) -> str:
    near = difflib.get_close_matches(word.lower(), words, 1)
    return f'did you mean "{near[0]}"?' if near else f"allowed are {', '.join(words)}"
