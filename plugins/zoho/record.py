"""A call in Zoho's words, and the search for its contact. Pure.

https://www.zoho.com/crm/developer/docs/api/v8/search-records.html
"""

from __future__ import annotations

import re
from typing import Any, Literal

from router.crm import CallFacts, Number

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
    digits = "".join(re.findall(r"\d", number.national))
    spellings = dict.fromkeys((number.e164, number.e164[1:], number.international, number.national, digits))
    # Zoho wants a backslash before what it would read as its own.
    quoted = [re.sub(r"([(),\\])", r"\\\1", text) for text in spellings]
    return "or".join(f"({name}:equals:{text})" for name in NUMBERS for text in quoted)
