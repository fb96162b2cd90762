"""What one value is held against: the words of a condition, each as a value that knows itself in words.

A check is asked about what an event has under one key. None, which is also what a missing field has, fails every check
but ``Exists(False)`` and ``Not``. Of a list, any entry that passes is enough.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from router import clock, phone, units

#: Asked about a value that is neither None nor a list.
Asked = Callable[[Any], bool]

#: A check over more values than this is told by their number.
_MOST_TOLD = 12


@dataclass(frozen=True, slots=True)
class OneOf:
    """Equal to one of some texts, or like one of some patterns with wildcards."""

    exact: frozenset[str]
    patterns: tuple[str, ...] = ()
    #: The list of the configuration that they come from.
    name: str | None = None

    @property
    def wanted(self) -> str:
        """The check in words."""
        if self.name is not None:
            return f'in the list "{self.name}"'
        values = (*sorted(self.exact), *self.patterns)
        if len(values) > _MOST_TOLD:
            return f"{' or '.join(values[:_MOST_TOLD])} or {len(values) - _MOST_TOLD} others"
        return " or ".join(values)

    def compiled(self) -> Asked:
        """Return the check as a function of a value."""
        exact = self.exact
        if not self.patterns:
            return lambda value: (value if value.__class__ is str else text(value)) in exact
        like = re.compile("|".join(map(expression, self.patterns)), re.DOTALL).fullmatch

        def holds(value: Any) -> bool:
            if value.__class__ is not str:
                value = text(value)
            return value in exact or like(value) is not None

        return holds


@dataclass(frozen=True, slots=True)
class Part:
    """A text that begins with, ends with or contains one of some texts."""

    word: Literal["prefix", "suffix", "contains"]
    texts: tuple[str, ...]

    @property
    def wanted(self) -> str:
        """The check in words."""
        return f"{self.word} {' or '.join(self.texts)}"

    def compiled(self) -> Asked:
        """Return the check as a function of a value."""
        texts = self.texts
        if self.word == "prefix":
            return lambda value: text(value).startswith(texts)
        if self.word == "suffix":
            return lambda value: text(value).endswith(texts)
        return lambda value: any(part in text(value) for part in texts)


@dataclass(frozen=True, slots=True)
class Regex:
    """A text of which one of some regular expressions matches the whole, by RE2: in linear time, whatever the text."""

    expressions: tuple[str, ...]

    @property
    def wanted(self) -> str:
        """The check in words."""
        return f"regex {' or '.join(self.expressions)}"

    def compiled(self) -> Asked:
        """Return the check as a function of a value."""
        import re2  # type: ignore[import-untyped]  # noqa: PLC0415  # it has no types; few configurations need it

        matches = [re2.compile(one).fullmatch for one in self.expressions]
        return lambda value: any(match(text(value)) is not None for match in matches)


@dataclass(frozen=True, slots=True)
class OfCountry:
    """A phone number (E.164) of one of some countries."""

    countries: frozenset[str]

    @property
    def wanted(self) -> str:
        """The check in words."""
        return f"a number of {' or '.join(sorted(self.countries))}"

    def compiled(self) -> Asked:
        """Return the check as a function of a value."""
        countries = self.countries

        def holds(value: Any) -> bool:
            number = phone.parse(text(value), None)
            return number is not None and number.country in countries

        return holds


#: How a value is read before it is compared, and how its limit is written in words.
Scale = Literal["number", "seconds", "moment", "date", "time"]
_SIGNS = {"gt": "more than", "gte": "at least", "lt": "less than", "lte": "at most", "eq": "exactly"}
_ON_A_CALENDAR = {"gt": "after", "gte": "from", "lt": "before", "lte": "until", "eq": "exactly"}


@dataclass(frozen=True, slots=True)
class Compare:
    """A value on one side of a limit. What cannot be read on the scale fails."""

    word: Literal["gt", "gte", "lt", "lte", "eq"]
    limit: float | str
    scale: Scale

    @property
    def wanted(self) -> str:
        """The check in words."""
        if self.scale in {"date", "time"}:
            return f"{_ON_A_CALENDAR[self.word]} {self.limit}"
        return f"{_SIGNS[self.word]} {_told(self.limit, self.scale)}"

    def compiled(self) -> Asked:
        """Return the check as a function of a value."""
        limit: Any = self.limit
        read = _READERS[self.scale]
        holds: Callable[[Any], bool] = {
            "gt": lambda value: value > limit,
            "gte": lambda value: value >= limit,
            "lt": lambda value: value < limit,
            "lte": lambda value: value <= limit,
            "eq": lambda value: value == limit,
        }[self.word]

        def compared(value: Any) -> bool:
            found = read(value)
            return found is not None and holds(found)

        return compared


@dataclass(frozen=True, slots=True)
class Exists:
    """There is a value, or there is none."""

    wanted_there: bool

    @property
    def wanted(self) -> str:
        """The check in words."""
        return "there" if self.wanted_there else "not there"

    def compiled(self) -> Asked:
        """Return the check as a function of a value that is there."""
        there = self.wanted_there
        return lambda _: there


@dataclass(frozen=True, slots=True)
class Not:
    """Plain negation: holds for a missing value where the inner check does not."""

    inner: Check

    @property
    def wanted(self) -> str:
        """The check in words."""
        return f"not {_inside(self.inner)}"


@dataclass(frozen=True, slots=True)
class Every:
    """Several checks that must all hold of the same value."""

    inner: tuple[Check, ...]

    @property
    def wanted(self) -> str:
        """The check in words."""
        return " and ".join(map(_inside, self.inner))


@dataclass(frozen=True, slots=True)
class Either:
    """Several checks of which one must hold."""

    inner: tuple[Check, ...]

    @property
    def wanted(self) -> str:
        """The check in words."""
        return " or ".join(map(_inside, self.inner))


Simple = OneOf | Part | Regex | OfCountry | Compare | Exists
Check = Simple | Not | Every | Either


def _told(limit: float | str, scale: Scale) -> str:
    if isinstance(limit, str):
        return limit
    if scale == "moment":
        return clock.text(limit)
    return units.spell(limit) if scale == "seconds" else f"{limit:g}"


def _inside(check: Check) -> str:
    return f"({check.wanted})" if isinstance(check, Every | Either) else check.wanted


def asked(check: Check) -> Callable[[Any], bool]:
    """Return *check* as a function of any value, None and lists included."""
    if isinstance(check, Not):
        inner = asked(check.inner)
        return lambda value: not inner(value)
    if isinstance(check, Every):
        every = [asked(one) for one in check.inner]
        return lambda value: all(one(value) for one in every)
    if isinstance(check, Either):
        either = [asked(one) for one in check.inner]
        return lambda value: any(one(value) for one in either)
    return _of_any_value(check.compiled(), missing=check == Exists(False))


def _of_any_value(holds: Asked, *, missing: bool) -> Callable[[Any], bool]:
    def of_any_value(value: Any) -> bool:
        if value is None:
            return missing
        if value.__class__ is list:
            return any(entry is not None and holds(entry) for entry in value)
        return holds(value)

    return of_any_value


def text(value: Any) -> str:
    """Return *value* as conditions write it: true and false in small letters, numbers as JSON has them."""
    if value.__class__ is str:
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def expression(pattern: str) -> str:
    """Return the regular expression for a pattern; atomic groups keep a hostile value from costing seconds."""
    first, *rest = ("".join("." if char == "?" else re.escape(char) for char in part) for part in pattern.split("*"))
    if not rest:
        return first
    return first + "".join(f"(?>.*?{part})" for part in rest[:-1]) + f"(?:.*{rest[-1]})"


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        # A sender writes digits pressed, extensions and counts as text as often as not.
        return float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None


def _moment(value: Any) -> float | None:
    try:
        return clock.parse(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _date(value: Any) -> str | None:
    return value[:10] if isinstance(value, str) else None


def _time(value: Any) -> str | None:
    """Return the hours and minutes of ``2026-11-24T09:05+01:00``."""
    return value[11:16] if isinstance(value, str) and len(value) >= 16 else None


_READERS: dict[Scale, Callable[[Any], Any]] = {
    "number": _number,
    "seconds": _number,
    "moment": _moment,
    "date": _date,
    "time": _time,
}
