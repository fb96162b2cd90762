"""A call in Zoho's words, and the search for its contact. Pure.

https://www.zoho.com/crm/developer/docs/api/v8/search-records.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from router.crm import CallFacts, Number

#: So many numbers make at most the hundred values that a query may have, and a page costs one credit.
ASKED, PAGE = 20, 200
#: Where contacts keep numbers.
NUMBERS = ("Phone", "Mobile")


def record(
    call: CallFacts,
    texts: tuple[str, str],
    *,
    duration: Literal["mm:ss", "hh:mm"],
    contact: str | None,
    owner: str | None,
) -> dict[str, Any]:
    """Return *call*, which is over, for Zoho; a missed one has no duration there."""
    said: dict[str, Any] = {
        "Subject": texts[0],
        "Description": texts[1],
        "Call_Type": "Missed" if call.missed else "Outbound" if call.direction == "outbound" else "Inbound",
        "Call_Start_Time": call.started.isoformat(timespec="seconds"),
    }
    if not call.missed:
        begun = -(-call.talked // 60)
        high, low = divmod(call.talked, 60) if duration == "mm:ss" else divmod(begun, 60)
        said["Call_Duration"] = f"{high:02}:{low:02}"
    if contact:
        said["Who_Id"] = {"id": contact}
    if owner:
        said["Owner"] = {"id": owner}
    return said


def criteria(number: Number) -> str:
    """Return the search for who has *number* in one of the spellings that are usual; ten is as many as Zoho takes."""
    # Zoho wants a backslash before what it would read as its own.
    quoted = [re.sub(r"([(),\\])", r"\\\1", text) for text in _spellings(number)]
    return "or".join(f"({name}:equals:{text})" for name in NUMBERS for text in quoted)


def query(numbers: Sequence[Number], offset: int) -> str:
    """Return the question for everybody who has one of *numbers*, in the same spellings, from *offset* on.

    https://www.zoho.com/crm/developer/docs/api/v8/COQL-Overview.html
    """
    texts = ", ".join(f"'{text}'" for number in numbers for text in _spellings(number))
    either = " or ".join(f"{name} in ({texts})" for name in NUMBERS)
    return f"select {', '.join((*NUMBERS, 'Created_Time'))} from Contacts where ({either}) limit {offset}, {PAGE}"  # noqa: S608 - spellings are digits and what stands between them


def _spellings(number: Number) -> list[str]:
    digits = "".join(re.findall(r"\d", number.national))
    return list(dict.fromkeys((number.e164, number.e164[1:], number.international, number.national, digits)))
