"""Phone numbers, by Google's rules. Senders write them with and without a plus, sometimes in one event."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat

#: What people and exchanges put between digits. Anything else (letters, ``@``, ``#``, ``;``) is not just a number.
_DIGITS = re.compile(r"\+?[\d\s().\-/]+")
#: 15 digits, with room for any way to space them. Longer texts must not fill the cache.
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Number:
    """A number that was understood. ``str`` gives its E.164 form."""

    e164: str
    national: str
    international: str
    #: ISO country, or None for numbers of no country (satellites, freephone).
    country: str | None

    def __str__(self) -> str:
        return self.e164


def parse(text: str, region: str | None) -> Number | None:
    """Return the number in *text*, or None when it is none (a SIP name, "anonymous", an extension).

    A plus is put in front first and the result taken when it is a valid number; only then is *text* read as a
    national number of *region*: senders leave out the plus, and ``33170363950`` is Paris, not a US number. Where
    the sender wrote the plus itself, a number of a possible length is enough: lists of number ranges age.
    """
    return _parse(text, region) if len(text) <= _LONGEST else None


# A call names the same two numbers in each of its events, and reading one costs as much as routing an event.
@lru_cache(maxsize=16384)
def _parse(text: str, region: str | None) -> Number | None:
    text = text.strip()
    if not _DIGITS.fullmatch(text):
        return None
    if text.startswith("+"):
        return _number(text, None, phonenumbers.is_possible_number)
    valid = phonenumbers.is_valid_number
    return _number("+" + text, None, valid) or _number(text, region, valid)


def significant(number: Number) -> str:
    """Return the digits of *number* without its country code: what national forms of it have in common."""
    return phonenumbers.national_significant_number(phonenumbers.parse(number.e164))


def likeness(text: str, number: Number, region: str | None) -> Literal["same", "maybe", "other"]:
    """Return whether *text*, as somebody typed it into an address book, is *number*.

    ``same``: with its country code, or read as a number of *region*. ``maybe``: its national digits are the same
    and nothing says which country is meant. An extension, or fewer digits, is another number.
    """
    read = parse(text, region)
    if read is not None:
        return "same" if read == number else "other"
    match = phonenumbers.is_number_match(text[:_LONGEST], number.e164)
    if match == phonenumbers.MatchType.EXACT_MATCH:
        return "same"
    return "maybe" if match == phonenumbers.MatchType.NSN_MATCH else "other"


def _number(text: str, region: str | None, accepted: Callable[[PhoneNumber], bool]) -> Number | None:
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException:
        return None
    if not accepted(number):
        return None
    return Number(
        e164=phonenumbers.format_number(number, PhoneNumberFormat.E164),
        national=phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL),
        international=phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL),
        country=_country(number),
    )


def _country(number: PhoneNumber) -> str | None:
    # A range too new for the tables belongs to no country there; the first country of its code is the best guess.
    code = phonenumbers.region_code_for_number(number) or phonenumbers.region_code_for_country_code(
        number.country_code or 0
    )
    return code if len(code) == 2 else None
