"""Searches for contacts by phone number: https://developers.hubspot.com/docs/api/crm/search. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from router.crm import Contact, Number, significant

#: So many numbers to a search keep its body below the 3,000 characters that HubSpot takes, and below its 5 requests
#: for this in a second.
NUMBERS = 30
#: Pages of 200 that are looked through; HubSpot gives no more than 10,000 contacts.
PAGES = 50

#: Where contacts keep numbers. HubSpot searches its own copies of them, which have no country code.
_KEPT = ("phone", "mobilephone")
_SEARCHED = ("hs_searchable_calculated_phone_number", "hs_searchable_calculated_mobile_number")


def holders(numbers: Sequence[Number], after: str = "0") -> dict[str, Any]:
    """Return the search for contacts with one of *numbers*, from the place *after* on."""
    written = [number.e164 for number in numbers]
    dialled = list(dict.fromkeys(map(significant, numbers)))
    asked = dict.fromkeys(_KEPT, written) | dict.fromkeys(_SEARCHED, dialled)
    return {
        "filterGroups": [{"filters": [_filter(name, values)]} for name, values in asked.items()],
        "properties": list(_KEPT),
        "sorts": ["createdate"],
        "limit": 200,
        "after": after,
    }


def holder(found: Mapping[str, Any]) -> Contact:
    """Return the contact that such a search found."""
    known = found.get("properties") or {}
    return Contact(str(found["id"]), tuple(known.get(name) or "" for name in _KEPT), found.get("createdAt") or "")


def next_page(answer: Any) -> str | None:
    """Return the place at which the next page begins; None: this was the last."""
    following = ((answer or {}).get("paging") or {}).get("next") or {}
    return str(following["after"]) if "after" in following else None


def _filter(name: str, values: Sequence[str]) -> dict[str, Any]:
    if len(values) == 1:
        return {"propertyName": name, "operator": "EQ", "value": values[0]}
    return {"propertyName": name, "operator": "IN", "values": list(values)}
