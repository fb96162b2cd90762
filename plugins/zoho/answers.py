"""What Zoho's answers mean: https://www.zoho.com/crm/developer/docs/api/v8/status-codes.html. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from plugins.zoho.record import NUMBERS
from router.crm import Contact, Kept, json_of
from router.plugin import DeliveryFailed, DestinationUnusable, PermanentFailure, TemporaryFailure

#: Seconds to wait after a 429 that names none, and the longest that is believed.
_LIMITED, _LONGEST = 60.0, 36000.0

#: Codes that say the account is at fault, not the record; and those that a later attempt may not meet again.
_OF_THE_ACCOUNT = {"NO_PERMISSION", "OAUTH_SCOPE_MISMATCH", "INVALID_MODULE", "INVALID_TOKEN", "AUTHENTICATION_FAILURE"}
_PASSING = {"INTERNAL_ERROR", "TOO_MANY_REQUESTS"}


def code(said: Any) -> str | None:
    """Return the code in what Zoho said of a request, or of one record."""
    return said.get("code") if isinstance(said, dict) else None


def listed(said: Any) -> list[dict[str, Any]]:
    """Return what an answer says record by record."""
    data = said.get("data") if isinstance(said, dict) else None
    return [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []


def contact(found: Mapping[str, Any]) -> Contact:
    """Return the contact that an answer describes."""
    return Contact(str(found["id"]), tuple(found.get(name) or "" for name in NUMBERS), found.get("Created_Time") or "")


def meaning(refused: DeliveryFailed) -> DeliveryFailed:
    """Return what the refusal of a whole request means."""
    said = json_of(refused.body)
    if refused.status == 429:
        details = said.get("details") if isinstance(said, dict) else None
        wait = details.get("retry_after") if isinstance(details, dict) else None
        wait = min(float(wait), _LONGEST) if isinstance(wait, (int, float)) and wait > 0 else _LIMITED
        return TemporaryFailure(refused.reason, status=429, retry_after=getattr(refused, "retry_after", None) or wait)
    if code(said) in _PASSING:
        return TemporaryFailure(refused.reason, status=refused.status)
    if code(said) in _OF_THE_ACCOUNT and not isinstance(refused, DestinationUnusable):
        unusable = DestinationUnusable(refused.reason, status=refused.status)
        unusable.body = refused.body
        return unusable
    return refused


def kept_as(one: Mapping[str, Any], field: str) -> Kept:
    """Return the id of a record by what Zoho says of it, or what its refusal means: *field* is our own."""
    said = code(one)
    if said in (None, "SUCCESS"):
        details = one.get("details")
        if isinstance(details, dict) and "id" in details:
            return str(details["id"])
        return TemporaryFailure("Zoho accepted the record and did not say under which id it keeps it")
    failure = _refusal(one, said, field)
    failure.body = json.dumps(one).encode()
    return failure


def _refusal(one: Mapping[str, Any], said: str | None, field: str) -> DeliveryFailed:
    reason = f"Zoho refused the record: {said}, {one.get('message')} {one.get('details') or ''}".rstrip()
    if said in _PASSING:
        return TemporaryFailure(reason)
    if said in _OF_THE_ACCOUNT:
        return DestinationUnusable(reason)
    if (one.get("details") or {}).get("api_name") == field:
        return DestinationUnusable(f"calls have no unique field {field}; the manual says how to make it. {reason}")
    return PermanentFailure(reason)
