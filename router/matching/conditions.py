"""A condition as a value: tests joined by all, any and not. It compiles into a function, and explains itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from router.event import OWN_TYPES
from router.matching.checks import Check, Not, OneOf, asked, text
from router.matching.vocabulary import OWN_FACTS

#: What a condition is asked about: the event's fields, its derived facts and ``source``, in one flat mapping.
Subject = Mapping[str, Any]
Holds = Callable[[Subject], bool]


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
    """One key and what its value is held against. ``path`` leads to the value, where that is not the key itself."""

    key: str
    check: Check
    path: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[str, ...]:
        """Where the value is: tests with the same place speak of the same value."""
        return self.path or (self.key,)

    def compiled(self) -> Holds:
        """Return the test as a function, the fastest that will do."""
        if len(self.place) > 1:
            path, holds = self.place, asked(self.check)
            return lambda subject: holds(_reach(subject, path))
        (name,) = self.place
        if isinstance(self.check, OneOf) and not self.check.patterns:
            return _equal(name, self.check.exact)
        if isinstance(self.check, Not) and isinstance(self.check.inner, OneOf) and not self.check.inner.patterns:
            equal = _equal(name, self.check.inner.exact)
            return lambda subject: not equal(subject)
        holds = asked(self.check)
        return lambda subject: holds(subject.get(name))

    def explained(self, subject: Subject, depth: int) -> Iterator[Explained]:
        """Yield this test, with what the event really has."""
        yield Explained(self.key, self.check.wanted, _reach(subject, self.place), self.compiled()(subject), depth)


def _equal(name: str, exact: frozenset[str]) -> Holds:
    def holds(subject: Subject) -> bool:
        value = subject.get(name)
        if value.__class__ is str:
            return value in exact
        if value is None:
            return False
        if value.__class__ is list:
            return any(entry is not None and text(entry) in exact for entry in value)
        return text(value) in exact

    return holds


def _reach(value: Any, path: tuple[str, ...]) -> Any:
    """Return what *path* leads to, None where it leads nowhere; through a list it leads to a list."""
    for n, name in enumerate(path):
        if isinstance(value, list):
            found = [_reach(entry, path[n:]) for entry in value]
            return [entry for entry in found if entry is not None] or None
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


@dataclass(frozen=True, slots=True)
class Group:
    """Several parts that must all hold, of which any must hold, or of which not all may hold together."""

    kind: Literal["all", "any", "not"]
    parts: tuple[Part, ...]

    def compiled(self) -> Holds:
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
            for test in tests:  # noqa: SIM110  # a generator inside any() costs twice as much per event
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
    #: The whole condition as a function, made when it is first asked: of many rules most never are.
    matches: Holds = field(init=False, repr=False, compare=False)
    #: True when it names one of our own events, or a fact that only they have.
    sees_own_events: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "matches", self._compile_and_match)
        object.__setattr__(self, "sees_own_events", any(map(_names_own_events, self.parts)))

    def _compile_and_match(self, subject: Subject) -> bool:
        object.__setattr__(self, "matches", Group("all", self.parts).compiled())
        return self.matches(subject)

    def explain(self, subject: Subject) -> list[Explained]:
        """Return every test with the value it met, in the order of the file."""
        return [explained for part in self.parts for explained in part.explained(subject, 0)]


def conjunction(parts: tuple[Part, ...]) -> Iterator[Test]:
    """Yield the tests that must all hold for *parts* to hold together."""
    for part in parts:
        if isinstance(part, Test):
            yield part
        elif part.kind == "all" or (part.kind == "any" and len(part.parts) == 1):
            yield from conjunction(part.parts)


def _names_own_events(part: Part) -> bool:
    if isinstance(part, Group):
        return any(map(_names_own_events, part.parts))
    if part.key in OWN_FACTS:
        return True
    return part.key == "event_type" and isinstance(part.check, OneOf) and not part.check.exact.isdisjoint(OWN_TYPES)
