"""A call as a task: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference. Pure."""

from __future__ import annotations

from typing import Any

from router.crm import CallFacts

#: Fields that an org without a call center may not have: the note says the same.
OF_CALL_CENTERS = ("TaskSubtype", "CallType", "CallDurationInSeconds", "CallDisposition")


def task(
    call: CallFacts, texts: tuple[str, str], *, status: str, contact: str | None, owner: str | None
) -> dict[str, Any]:
    """Return *call* for Salesforce. Its day is that of config.yaml's time zone, its duration in seconds."""
    said: dict[str, Any] = {
        "Subject": texts[0],
        "Description": texts[1],
        "Status": status,
        "ActivityDate": f"{call.started:%Y-%m-%d}",
        "TaskSubtype": "Call",
        "CallDurationInSeconds": call.talked,
        "CallDisposition": "missed" if call.missed else (call.outcome or "").replace("_", " "),
    }
    if call.direction:
        said["CallType"] = call.direction.capitalize()
    if contact:
        said["WhoId"] = contact
    if owner:
        said["OwnerId"] = owner
    return said
