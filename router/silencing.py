"""What a silence is about: ``tag=noisy destination=slack``, in the words of rules, compiled. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from router.matching import Check, Condition, Not, OneOf, Report, Subject, compile_when
from router.matching.checks import asked, expression

#: What a silence may ask of a delivery, beside everything that a rule may ask of an event.
OF_DELIVERIES = ("destination", "rule")
_MATCHER = re.compile(r"(?P<key>[^=!]*)(?P<sign>!?=)(?P<values>.*)", re.DOTALL)


class Word(str):
    """Part of what was typed, with its ``column`` in all of it, counted from 1."""

    __slots__ = ("column",)
    column: int

    def __new__(cls, text: str, column: int) -> Word:
        self = super().__new__(cls, text)
        self.column = column
        return self


@dataclass(frozen=True, slots=True)
class Known:
    """What a configuration has for matchers to name."""

    sources: Set[str]
    #: Event types that sources accept beyond the documented ones.
    types: Set[str]
    region: str | None
    hours: Set[str]
    destinations: Set[str]
    rules: Set[str]


@dataclass(frozen=True, slots=True)
class Matchers:
    """Everything that one silence asks; all of it must hold."""

    condition: Condition | None
    destination: Callable[[Any], bool]
    rule: Callable[[Any], bool]
    #: Destinations and rules that it names and that are not there: ``destination "crm"``.
    gone: tuple[str, ...] = ()

    def match(self, subject: Subject, destination: str, rule: str | None) -> bool:
        """Return whether a delivery of the event *subject* to *destination*, asked for by *rule*, is meant."""
        return (
            self.destination(destination)
            and self.rule(rule)
            and (self.condition is None or self.condition.matches(subject))
        )


def typed(matchers: Sequence[str]) -> str:
    """Return *matchers* as one line: what the columns of mistakes count in."""
    return " ".join(matchers)


def compile_matchers(matchers: Sequence[str], known: Known, report: Report) -> Matchers:
    """Return what *matchers* mean, each ``KEY=VALUE,VALUE`` or ``KEY!=VALUE``.

    Every mistake goes to *report*, located by a Word; what is returned then must not be used. A destination or rule
    that is not there is no mistake: it is ``gone``, and nothing can match it.
    """
    blocks: list[dict[str, Any]] = []
    checks: dict[str, list[Check]] = {name: [] for name in OF_DELIVERIES}
    gone = []
    column = 1
    for matcher in matchers:
        key, sign, values = _split(Word(matcher, column), report)
        column += len(matcher) + 1
        if key in OF_DELIVERIES and values:
            exact = frozenset(str(value) for value in values if not _is_pattern(value))
            check = OneOf(exact, tuple(str(value) for value in values if _is_pattern(value)))
            checks[key].append(Not(check) if sign == "!=" else check)
            there = known.destinations if key == "destination" else known.rules
            gone += [f'{key} "{value}"' for value in values if not _names_any(value, there)]
        elif values:
            blocks.append({key: {"not": values} if sign == "!=" else values})
    if not matchers:
        report("", "a silence without a matcher would silence everything", "write for example tag=noisy")
    condition = None
    if blocks:
        condition = compile_when(
            _joined(blocks),
            report,
            sources=known.sources,
            extra_types=known.types,
            region=known.region,
            hours=known.hours,
        )
    return Matchers(condition, _all(checks["destination"]), _all(checks["rule"]), tuple(gone))


def meant(gone: str, known: Known) -> str:
    """Return what to write in place of ``gone``, one of ``Matchers.gone``."""
    key, _, name = gone.partition(" ")
    there = known.destinations if key == "destination" else known.rules
    near = get_close_matches(name.strip('"'), there, 1)
    return f'did you mean "{near[0]}"?' if near else f"there are {', '.join(sorted(there)) or 'none'}"


def _split(matcher: Word, report: Report) -> tuple[Word, str, list[Word]]:
    match = _MATCHER.fullmatch(matcher)
    if match is None or not match["key"].strip():
        report(matcher, f'"{matcher}" is no matcher', "write KEY=VALUE, for example tag=noisy")
        return matcher, "=", []
    values, column = [], matcher.column + match.start("values")
    for value in match["values"].split(","):
        values.append(Word(value.strip(), column + len(value) - len(value.lstrip())))
        column += len(value) + 1
    key = Word(match["key"].strip(), matcher.column)
    if not all(values):
        report(matcher, f'"{key}" has an empty value', "write KEY=VALUE, or KEY=VALUE,VALUE for any of several")
        return key, match["sign"], []
    return key, match["sign"], values


def _joined(blocks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    flat = {key: value for block in blocks for key, value in block.items()}
    return flat if len(flat) == len(blocks) else {"all": list(blocks)}


def _all(checks: Sequence[Check]) -> Callable[[Any], bool]:
    tests = [asked(check) for check in checks]
    return lambda value: all(test(value) for test in tests)


def _is_pattern(value: str) -> bool:
    return "*" in value or "?" in value


def _names_any(value: str, names: Set[str]) -> bool:
    return value in names or (_is_pattern(value) and any(re.fullmatch(expression(value), name) for name in names))
