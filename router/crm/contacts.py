"""Which contacts of a CRM a phone number belongs to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from router import phone
from router.phone import Number

Several = Literal["oldest", "newest", "all"]


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact as its CRM describes it: the numbers as they were typed in, and when it was created (sortable)."""

    id: str
    numbers: tuple[str, ...]
    created: str = ""


def choose(contacts: Iterable[Contact], number: Number, home: str | None, several: Several) -> list[str]:
    """Return the ids of those of *contacts* that have *number*, which a CRM's search alone does not prove.

    A number without country code is one of *home*, the country of our own end of the call. Where none is surely the
    same, one whose national digits are is taken, if it is the only one. *several* says which of many are taken;
    the answer does not depend on the order of *contacts*.
    """
    known = {contact.id: contact for contact in contacts}
    alike: dict[str, list[Contact]] = {"same": [], "maybe": [], "other": []}
    for contact in known.values():
        found = {phone.likeness(text, number, home) for text in contact.numbers if text}
        best = "same" if "same" in found else "maybe" if "maybe" in found else "other"
        alike[best].append(contact)
    taken = alike["same"] or (alike["maybe"] if len(alike["maybe"]) == 1 else [])
    taken.sort(key=_age)
    if several == "all":
        return [contact.id for contact in taken]
    return [taken[0 if several == "oldest" else -1].id] if taken else []


def _age(contact: Contact) -> tuple[str, int, str]:
    """Order by creation. Ids decide where that is the same or not known: CRMs count them up."""
    return contact.created, len(contact.id), contact.id
