"""Phone numbers, by Google's rules. Senders write them with and without a plus, sometimes in one event."""

from __future__ import annotations

from dataclasses import dataclass


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
    national number of *region*: senders leave out the plus, and ``33170363950`` is Paris, not a US number.
    """
    raise NotImplementedError
