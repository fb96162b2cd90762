"""What the values of a condition may be, key by key: texts become checks, or mistakes with what to write instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import date
from typing import Any

import phonenumbers

from router import clock, phone, units
from router.event import ALERT, EVENT_TYPES, OWN_TYPES
from router.matching.checks import Check, Compare, Either, OfCountry, OneOf, Part, Regex, expression
from router.matching.lists import ValueList, is_pattern
from router.matching.vocabulary import CHOICES, Kind

Report = Callable[[object, str, str | None], None]

_YES_AND_NO = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_COUNTRIES = {"UK": "GB", "EN": "GB"}
_DIRECTIONS = {"in": "inbound", "incoming": "inbound", "out": "outbound", "outgoing": "outbound"}
#: Kinds whose values may be any text.
_TEXTS = ("text", "open")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_RANGE = re.compile(r"([a-z]{3})-([a-z]{3})")
#: What an operator takes for a phone number.
_LIKE_A_NUMBER = re.compile(r"\+?[\d ()-]{6,}")
#: Signs of a regular expression that are unlikely in a text with wildcards.
_LIKE_A_REGEX = re.compile(r"^\^|\$$|\\[dswb]|(^|[^A-Za-z0-9])\.[*+]|\(.*[|*].*\)")
#: A regular expression longer than this is a list that should be a file.
_LONGEST_REGEX = 2000


class Values:
    """Reads single values and lists of them. ``mistakes`` counts what was reported."""

    def __init__(
        self,
        report: Report,
        warn: Report,
        *,
        sources: Set[str] | None,
        extra_types: Set[str],
        region: str | None,
        hours: Set[str],
        lists: Mapping[str, ValueList],
    ) -> None:
        self._tell = report
        self._warn = warn
        self._region = region
        self._lists = lists
        self._choices = dict(CHOICES)
        self._choices["event_type"] = tuple(sorted(EVENT_TYPES | extra_types | OWN_TYPES))
        self._choices["hours"] = tuple(sorted(hours))
        if sources is not None:
            self._choices["source"] = tuple(sorted(sources))
        self.mistakes = 0

    def knows(self, check: OneOf) -> bool:
        """Return whether every event type that *check* names in full is one."""
        return check.exact <= set(self._choices["event_type"])

    def one_of(self, key: str, kind: Kind, value: Any) -> Check | None:
        """Return the check that one of the values is met; None after a mistake."""
        values = value if isinstance(value, list) else [value]
        if not values:
            self._report(key, f'"{key}" has an empty list, which nothing can match', "name at least one value")
            return None
        if not self._are_texts(key, values):
            return None
        if kind in ("seconds", "count", "moment", "time"):
            return self._each(lambda one: self._compare(key, kind, "eq", one), values)
        exact: set[str] = set()
        patterns = []
        for one in values:
            if is_pattern(one) and kind not in ("truth", "country", "hours"):
                patterns.append(self._pattern(key, kind, one))
            else:
                exact |= self._exact(key, kind, one)
        return OneOf(frozenset(exact), tuple(patterns))

    def word(self, key: str, kind: Kind, word: str, value: Any) -> Check | None:
        """Return what one of the words with a value demands; None after a mistake."""
        values = value if isinstance(value, list) else [value]
        if not values:
            self._report(word, f'"{word}" has an empty list, which nothing can match', "name at least one value")
            return None
        if not self._are_texts(word, values):
            return None
        if word in ("gt", "gte", "lt", "lte"):
            if len(values) > 1:
                self._report(values[1], f'"{word}" takes one value, not a list', "write the outermost one")
                return None
            return self._compare(key, kind, word, values[0])
        if word == "in":
            return self._each(lambda name: self._list(kind, name), values)
        if word == "country":
            before = self.mistakes
            for one in values:
                self._country(one)
            return OfCountry(frozenset(map(str, values))) if self.mistakes == before else None
        if word == "regex":
            return self._regex(values)
        parts = tuple(self._affix(kind, word, one) for one in values)
        return Part(word, parts)  # type: ignore[arg-type]  # one of the three words that are left

    def truth(self, word: str, value: Any) -> bool | None:
        """Return what ``exists:`` says; None after a mistake."""
        if value in ("true", "false") and not isinstance(value, list):
            return bool(value == "true")
        at = value if isinstance(value, str) and value else word
        self._report(at, f'"{word}" is either true or false', "write exists: true, or exists: false")
        return None

    def _report(self, at: object, text: str, hint: str | None) -> None:
        self.mistakes += 1
        self._tell(at, text, hint)

    def _are_texts(self, key: str, values: Sequence[Any]) -> bool:
        for one in values:
            if not isinstance(one, str):
                at = one if one else key
                self._report(at, f'"{key}" takes a value or a list of values', "any: and all: take conditions")
                return False
            if getattr(one, "null", False):
                self._report(one, f'"{key}" has no value', 'for "has none" write {exists: false}')
                return False
        return True

    def _each(self, read: Callable[[str], Check | None], values: Sequence[str]) -> Check | None:
        checks = [read(one) for one in values]
        found = tuple(check for check in checks if check is not None)
        if len(found) < len(checks):
            return None
        return found[0] if len(found) == 1 else Either(found)

    # Equal, or like a pattern ----------------------------------------------------------------------------

    def _exact(self, key: str, kind: Kind, value: str) -> set[str]:
        if kind == "truth" and value not in ("true", "false"):
            meant = _YES_AND_NO.get(value.lower(), value.lower())
            hint = f"did you mean {meant}?" if meant in ("true", "false") else "write true or false"
            self._report(value, f'"{key}" is either true or false, not "{value}"', hint)
        elif kind == "number":
            return {self._number(value)}
        elif kind == "country":
            self._country(value)
        elif kind == "date":
            self._date(key, value)
        elif key == "weekday" and (days := _days(value)):
            return days
        elif key in self._choices and value not in self._choices[key]:
            self._report(value, self._no_choice(key, value), self._choice_hint(key, value))
        elif kind in _TEXTS and self._is_meant_for_a_list(value):
            self._warn(value, f'"{key}" is compared with the text "{value}"', f"to ask the list write {{in: {value}}}")
        elif key in ("from", "to") and _LIKE_A_NUMBER.fullmatch(value):
            text = f'"{key}" compares the text as the sender writes it, with or without a plus'
            self._warn(value, text, f"to compare numbers write {key}_number: {value}")
        elif kind in _TEXTS:
            self._doubt(value)
        return {str(value)}

    def _is_meant_for_a_list(self, value: str) -> bool:
        """Return whether *value* is the name of a list with texts like it, not of one with phone numbers."""
        named = self._lists.get(value)
        return named is not None and not any(_LIKE_A_NUMBER.match(entry) for entry in named.entries)

    def _doubt(self, value: str) -> None:
        """Warn of a text that looks like a regular expression, of which it is none."""
        if _LIKE_A_REGEX.search(value):
            text = f'"{value}" is compared as it stands, with "*" for any text and "?" for one character'
            self._warn(value, text, "a regular expression is written {regex: …}")

    def _number(self, value: str) -> str:
        number = phone.parse(value, self._region)
        if number is not None:
            return number.e164
        if value in self._lists:
            self._report(value, f'"{value}" is no phone number but a list', f"write {{in: {value}}}")
            return str(value)
        self._report(value, f'"{value}" is no phone number', 'write it with "+" and the country code')
        return str(value)

    def _country(self, value: str) -> None:
        if value not in phonenumbers.SUPPORTED_REGIONS:
            meant = _COUNTRIES.get(value.upper(), value.upper())
            known = meant in phonenumbers.SUPPORTED_REGIONS
            hint = f'did you mean "{meant}"?' if known else "write for example GB or US"
            self._report(value, f'"{value}" is no country code of two letters', hint)

    def _date(self, key: str, value: str) -> None:
        try:
            well = date.fromisoformat(value).isoformat() == value
        except ValueError:
            well = False
        if not well:
            self._report(value, f'"{value}" is no date', f"write for example {key}: 2026-12-24")

    def _pattern(self, key: str, kind: Kind, pattern: str) -> str:
        choices = [name for name in self._choices.get(key, ()) if name not in OWN_TYPES]
        if key in self._choices and not any(re.fullmatch(expression(pattern), choice) for choice in choices):
            hint = f"there are {', '.join(choices)}"
            if key == "event_type":
                hint += "; call_ended and call_corrected must be named in full"
            self._report(pattern, f'no {key} is like "{pattern}"', hint)
        if kind == "number" and pattern[0] not in "+*?":
            hint = 'numbers are compared as +442071234567: write for example "+44*"'
            self._report(pattern, f'no phone number is like "{pattern}"', hint)
        if kind in _TEXTS:
            self._doubt(pattern)
        return str(pattern)

    def _no_choice(self, key: str, value: str) -> str:
        return f'there are no hours "{value}"' if key == "hours" else f'"{value}" is no {key}'

    def _choice_hint(self, key: str, value: str) -> str:
        if key == "event_type":
            if value == "missed":
                return "write missed: true instead"
            if value == "call_completed":
                return 'the event type is "completed"'
            near = difflib.get_close_matches(value, self._choices[key], 1)
            if not near:
                if value == ALERT:
                    return "no rule sees alerts; name the destinations that are told under alerts:"
                return f"list it under accept_types: of its source, or write one of {', '.join(self._choices[key])}"
        if key == "outcome" and value == "missed":
            return "write missed: true instead"
        if key == "direction" and (meant := _DIRECTIONS.get(value.lower())):
            return f'did you mean "{meant}"?'
        if key == "weekday" and "-" in value:
            return "write a range as mon-fri, or sat-mon"
        if key == "weekday" and value.lower()[:3] in self._choices[key]:
            return f'write "{value.lower()[:3]}"'
        if key == "hours" and not self._choices[key]:
            return "define them at the top level: hours: {business: [{days: mon-fri, from: 09:00, to: 17:00}]}"
        return _guess(value, self._choices[key])

    # Words -----------------------------------------------------------------------------------------------

    def _affix(self, kind: Kind, word: str, value: str) -> str:
        if not value:
            self._report(word, f'"{word}" is empty, which everything would match', "write exists: true for that")
        if kind != "number":
            return str(value)
        bare = re.sub(r"[\s().\-/]", "", value)
        if word == "prefix" and not re.fullmatch(r"\+\d{1,15}", bare):
            self._report(value, f'no phone number begins with "{value}"', 'write it as in "+4420"')
        elif word != "prefix" and not re.fullmatch(r"\d{1,15}", bare):
            self._report(value, f'no phone number has "{value}" in it', "write digits alone")
        return bare

    def _list(self, kind: Kind, name: str) -> OneOf | None:
        found = self._lists.get(name)
        if found is None:
            hint = _guess(name, sorted(self._lists)) if self._lists else "define it at the top level under lists:"
            self._report(name, f'there is no list "{name}"', hint)
            return None
        if kind == "number":
            return found.as_numbers(self._region, self._report)
        return found.as_texts()

    def _regex(self, values: Sequence[str]) -> Regex | None:
        import re2  # type: ignore[import-untyped]  # noqa: PLC0415  # it has no types; few configurations need it

        quiet = re2.Options()
        quiet.log_errors = False
        before = self.mistakes
        for one in values:
            if len(one) > _LONGEST_REGEX:
                self._report(one, f"this is longer than {_LONGEST_REGEX} characters", "keep the values in a list")
                continue
            try:
                re2.compile(one, options=quiet)
            except re2.error as ex:
                told = ex.args[0].decode() if ex.args and isinstance(ex.args[0], bytes) else str(ex)
                hint = "RE2 reads it: no look-around and no references back; it must match the whole value"
                self._report(one, f'"{one}" is no regular expression: {told}', hint)
        return Regex(tuple(map(str, values))) if self.mistakes == before else None

    def _compare(self, key: str, kind: Kind, word: str, value: str) -> Compare | None:
        try:
            limit: Any
            if kind == "seconds":
                return Compare(word, _seconds(value), "seconds")  # type: ignore[arg-type]  # one of the words
            if kind == "count":
                limit, scale = _count(value), "number"
            elif kind == "moment":
                limit, scale = _moment(value), "moment"
            elif kind == "date":
                self._date(key, value)
                limit, scale = str(value), "date"
            elif kind == "time":
                limit, scale = _time(value), "time"
            else:
                limit, scale = _number(value), "number"
        except ValueError as ex:
            self._report(value, f"{key}: {ex}", None)
            return None
        return Compare(word, limit, scale)  # type: ignore[arg-type]  # one of the words and scales


def _days(value: str) -> set[str] | None:
    """Return the weekdays in ``mon-fri``, over the weekend too; None when it is no range."""
    match, names = _RANGE.fullmatch(value), CHOICES["weekday"]
    if not match or match[1] not in names or match[2] not in names:
        return None
    first, last = names.index(match[1]), names.index(match[2])
    return {names[n % 7] for n in range(first, last + 1 + (7 if last < first else 0))}


def _seconds(value: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    return 0.0 if re.fullmatch(r"0+(ms|s|m|h|d)", value) else units.duration(value)


def _moment(value: str) -> float:
    try:
        return clock.parse(value)
    except ValueError:
        raise ValueError(f'"{value}" is no moment; write for example 2026-12-24T18:00:00Z') from None


def _time(value: str) -> str:
    if not _TIME.fullmatch(value):
        raise ValueError(f'"{value}" is no time of day; write for example 09:00 or 17:30')
    return str(value)


def _count(value: str) -> float:
    if not re.fullmatch(r"\d{1,6}", value):
        raise ValueError(f'"{value}" is no count; write a whole number, for example 3')
    return float(value)


def _number(value: str) -> float:
    if not re.fullmatch(r"-?\d{1,15}(\.\d{1,6})?", value):
        raise ValueError(f'"{value}" is no number; only numbers are more or less than another here')
    return float(value)


def _guess(word: str, words: Sequence[str]) -> str:
    near = difflib.get_close_matches(word.lower(), words, 1)
    return f'did you mean "{near[0]}"?' if near else f"allowed are {', '.join(words)}"
