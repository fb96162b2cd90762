"""Questions to Salesforce, with everything quoted: SOSL searches, SOQL asks. Pure.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_quotedstringescapes.htm
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from router.crm import Contact, Number, significant

#: So many numbers to a search: from 4,000 characters on Salesforce takes OR for no operator any more.
NUMBERS = 25
#: So many values to a query, which goes in an address.
VALUES = 100

_NUMBERS = ("Phone", "MobilePhone", "HomePhone", "OtherPhone")
_ESCAPED = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r"}


def holders(numbers: Sequence[Number]) -> str:
    """Return the search for contacts and leads with one of *numbers*, in each grouping of digits that is usual."""
    terms = dict.fromkeys(term for number in numbers for term in _terms(number))
    either = " OR ".join(f'"{term}"' for term in terms)
    return (
        f"FIND {{{either}}} IN PHONE FIELDS RETURNING Contact(Id, CreatedDate, {', '.join(_NUMBERS)}), "
        f"Lead(Id, CreatedDate, {', '.join(_NUMBERS[:2])} WHERE IsConverted = false) "
        f"LIMIT {200 if len(numbers) == 1 else 2000}"
    )


def _terms(number: Number) -> list[str]:
    texts = (number.e164, number.international, number.national)
    grouped = [" ".join(re.findall(r"\d+", text)) for text in texts]
    return [*grouped, *(text.replace(" ", "") for text in grouped), significant(number)]


def holder(found: Mapping[str, str | None]) -> Contact:
    """Return the contact or lead that such a search found."""
    return Contact(str(found["Id"]), tuple(found.get(name) or "" for name in _NUMBERS), found.get("CreatedDate") or "")


def oldest(kind: str, field: str, values: Sequence[str]) -> str:
    """Return the query for each *kind* whose *field* is one of *values*, the oldest first."""
    quoted = ", ".join("'" + "".join(_ESCAPED.get(char, char) for char in value) + "'" for value in values)
    # Kind and field are ours or were checked with the configuration.
    return f"SELECT Id, {field} FROM {kind} WHERE {field} IN ({quoted}) ORDER BY CreatedDate"  # noqa: S608 - the values are quoted
