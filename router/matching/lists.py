"""Named lists of values, which conditions ask about with ``in:``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from router import phone
from router.matching.checks import OneOf

#: Told of an entry that is no phone number: the entry, a sentence, what to write instead.
Report = Callable[[object, str, str | None], None]


class ValueList:
    """The entries of one list, as they were written. Wildcards work in them as they do in conditions."""

    def __init__(self, name: str, entries: Sequence[str]) -> None:
        self.name = name
        self.entries = tuple(entries)
        self._numbers: OneOf | None = None

    def as_texts(self) -> OneOf:
        """Return the check that a text is in the list."""
        return self._check(map(str, self.entries))

    def as_numbers(self, region: str | None, report: Report) -> OneOf:
        """Return the check that a phone number (E.164) is in the list; what is none is reported, once."""
        if self._numbers is None:
            self._numbers = self._check([self._number(entry, region, report) for entry in self.entries])
        return self._numbers

    def _number(self, entry: str, region: str | None, report: Report) -> str:
        if is_pattern(entry):
            if entry[0] not in "+*?":
                report(entry, f'no phone number is like "{entry}"', 'numbers are compared as +442071234567: "+44*"')
            return str(entry)
        number = phone.parse(entry, region)
        if number is None:
            text = f'"{entry}" in the list "{self.name}" is no phone number'
            report(entry, text, 'write it with "+" and the country code')
            return str(entry)
        return number.e164

    def _check(self, values: Sequence[str] | map[str]) -> OneOf:
        exact, patterns = set(), []
        for value in values:
            if is_pattern(value):
                patterns.append(value)
            else:
                exact.add(value)
        return OneOf(frozenset(exact), tuple(patterns), self.name)


def is_pattern(value: str) -> bool:
    """Return whether *value* has a wildcard."""
    return "*" in value or "?" in value
