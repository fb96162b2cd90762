"""Questions to Salesforce, with everything quoted: SOSL searches, SOQL asks. Pure.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_quotedstringescapes.htm
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from router.crm import Contact, Number, significant

_NUMBERS = ("Phone", "MobilePhone", "HomePhone", "OtherPhone")
_ESCAPED = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r"}


def holders(number: Number) -> str:
    """Return the search for contacts and leads with *number*, in each grouping of its digits that is usual."""
    texts = (number.e164, number.international, number.national)
    grouped = [" ".join(re.findall(r"\d+", text)) for text in texts]
    terms = dict.fromkeys([*grouped, *(text.replace(" ", "") for text in grouped), significant(number)])
    either = " OR ".join(f'"{term}"' for term in terms)
    return (
        f"FIND {{{either}}} IN PHONE FIELDS RETURNING Contact(Id, CreatedDate, {', '.join(_NUMBERS)}), "
        f"Lead(Id, CreatedDate, {', '.join(_NUMBERS[:2])} WHERE IsConverted = false) LIMIT 200"
    )


def holder(found: Mapping[str, str | None]) -> Contact:
    """Return the contact or lead that such a search found."""
    return Contact(str(found["Id"]), tuple(found.get(name) or "" for name in _NUMBERS), found.get("CreatedDate") or "")


def oldest(kind: str, field: str, value: str) -> str:
    """Return the query for the oldest *kind* whose *field* is *value*."""
    quoted = "".join(_ESCAPED.get(char, char) for char in value)
    # Kind and field are ours or were checked with the configuration.
    return f"SELECT Id FROM {kind} WHERE {field} = '{quoted}' ORDER BY CreatedDate LIMIT 1"  # noqa: S608 - the value is quoted
