"""From a ``when:`` block as it is written to a condition, with every mistake reported where it stands."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from router.event import OWN_TYPES
from router.matching.checks import Check, Either, Every, Exists, Not, OneOf
from router.matching.conditions import Condition, Group, Part, Test, conjunction
from router.matching.lists import ValueList
from router.matching.values import Values
from router.matching.vocabulary import ALL_WORDS, BLOCKS, EVENT, KEYS, OWN_FACTS, WORDS, Kind, kind_of

#: Where a mistake is reported: the faulty key or value itself, a sentence, and what to write instead.
Report = Callable[[object, str, str | None], None]


def compile_when(
    when: Mapping[str, Any],
    report: Report,
    *,
    sources: Set[str] | None = None,
    extra_types: Set[str] = frozenset(),
    region: str | None = None,
    hours: Set[str] = frozenset(),
    lists: Mapping[str, ValueList] | None = None,
    warn: Report | None = None,
) -> Condition:
    """Return the condition that *when* states, as nested mappings, lists and texts.

    Every mistake goes to *report*; what is returned then must not be used. Doubts go to *warn*. ``source`` must name
    one of *sources* where they are given; *extra_types* are the event types that sources accept beyond the documented
    ones; numbers without a country code are read in *region*; *hours* and *lists* are those of the configuration.
    """
    values = Values(
        report,
        warn or _unheard,
        sources=sources,
        extra_types=extra_types,
        region=region,
        hours=hours,
        lists=lists or {},
    )
    compiler = _Compiler(report, values)
    parts = compiler.block(when)
    compiler.refuse_what_never_matches(parts, when)
    return Condition(parts)


def _unheard(at: object, text: str, hint: str | None) -> None:
    """Nobody asked for doubts."""


class _Compiler:
    def __init__(self, report: Report, values: Values) -> None:
        self._report = report
        self._values = values

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
            elif (kind := kind_of(key)) is not None:
                parts.append(self._test(key, kind, value))
            else:
                self._unknown(key)
        return tuple(part for part in parts if part)

    def refuse_what_never_matches(self, parts: tuple[Part, ...], at: object) -> None:
        """Report a condition that joins a fact of our own events with an event of the sender."""
        tests = list(conjunction(parts))
        facts = [test.key for test in tests if test.key in OWN_FACTS and not isinstance(test.check, Not)]
        for test in tests:
            if test.key != "event_type" or not isinstance(test.check, OneOf) or not self._values.knows(test.check):
                continue
            if facts and not any(map(test.compiled(), ({"event_type": own} for own in OWN_TYPES))):
                place = at["event_type"] if isinstance(at, Mapping) and "event_type" in at else at
                text = f'this never matches: "{facts[0]}" holds on call_ended alone, not on {test.check.wanted}'
                self._report(place, text, "leave event_type out, or write event_type: call_ended")

    def _unknown(self, key: str) -> None:
        first, dot, rest = key.partition(".")
        if dot and not rest.strip("."):
            self._report(key, f'"{key}" ends with a dot', "write what comes after it, or remove the dot")
        elif dot and first not in ("event_payload", EVENT):
            hint = f"only event_payload has fields inside; a field of your own sender is {EVENT}.{key}"
            self._report(key, f'unknown key "{key}" in a condition', hint)
        elif dot:
            self._report(key, f'"{key}" has an empty name between two dots', "write each name once")
        else:
            near = difflib.get_close_matches(key.lower(), KEYS, 1)
            hint = f'did you mean "{near[0]}"?' if near else f"allowed are {', '.join(KEYS)}"
            if not near:
                hint += f"; a field of your own sender is {EVENT}.{key}"
            self._report(key, f'unknown key "{key}" in a condition', hint)

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

    # One key ---------------------------------------------------------------------------------------------

    def _test(self, key: str, kind: Kind, value: Any) -> Part | None:
        check = self._check(key, kind, value)
        if check is None:
            return None
        path = tuple(key.removeprefix(f"{EVENT}.").split(".")) if "." in key else ()
        return Test(str(key), check, path)

    def _check(self, key: str, kind: Kind, value: Any) -> Check | None:
        """Return what *value* (a text, a list, a block of words) demands; None after a mistake."""
        if isinstance(value, Mapping):
            return self._words(key, kind, value)
        if isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
            checks = [self._check(key, kind, entry) for entry in value]
            return Either(tuple(check for check in checks if check)) if all(checks) else None
        return self._values.one_of(key, kind, value)

    def _words(self, key: str, kind: Kind, words: Mapping[str, Any]) -> Check | None:
        if not words:
            self._report(key, f'"{key}" has no value', "give one, or remove the key")
            return None
        checks: list[Check] = []
        before = self._values.mistakes
        for word, value in words.items():
            if word in WORDS[kind]:
                check = self._word(key, kind, word, value)
                checks += [check] if check else []
            else:
                self._wrong_word(key, kind, word)
                return None
        if self._values.mistakes > before or not checks:
            return None
        return checks[0] if len(checks) == 1 else Every(tuple(checks))

    def _word(self, key: str, kind: Kind, word: str, value: Any) -> Check | None:
        if word in ("not", "outside"):
            inner = self._check(key, kind, value)
            return Not(inner) if inner else None
        if word == "exists":
            there = self._values.truth(word, value)
            return None if there is None else Exists(there)
        return self._values.word(key, kind, word, value)

    def _wrong_word(self, key: str, kind: Kind, word: str) -> None:
        allowed = WORDS[kind]
        if word in ALL_WORDS:
            hint = f"{key} knows {', '.join(allowed)}"
            if word == "outside":
                hint = f"only hours have an outside; write {key}: {{not: …}}"
            elif word in ("gt", "gte", "lt", "lte"):
                hint = f"only numbers, durations, dates and moments are more or less than another; {hint}"
            self._report(word, f'"{word}" does not fit "{key}"', hint)
            return
        near = difflib.get_close_matches(word.lower(), allowed, 1)
        hint = f'did you mean "{near[0]}"?' if near else f"allowed are {', '.join(allowed)}"
        if word in BLOCKS:
            hint = f'"{word}" stands beside the keys of a condition; write {word}: [{{{key}: a}}, {{{key}: b}}]'
        self._report(word, f'unknown word "{word}" for "{key}"', hint)


def _joined(parts: Sequence[Part]) -> Part:
    return parts[0] if len(parts) == 1 else Group("all", tuple(parts))
