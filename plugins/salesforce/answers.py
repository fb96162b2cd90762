"""What Salesforce's answers mean. Pure.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm and, for many records at once,
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections_create.htm
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from router.crm import Kept, given, json_of
from router.plugin import AnswerLost, DeliveryFailed, DestinationUnusable, PermanentFailure, TemporaryFailure

#: Seconds: the limit counts the requests of the last 24 hours, so a few are free soon.
_LIMITED = 1800.0
#: Another attempt finds the lock released, or what another one wrote.
_PASSING = {"UNABLE_TO_LOCK_ROW", "DUPLICATE_VALUE"}
#: With these a request is a 5xx; one record of many has no status of its own.
_ILL = {"UNKNOWN_EXCEPTION", "SERVER_UNAVAILABLE", "QUERY_TIMEOUT", "REQUEST_RUNNING_TOO_LONG"}


def codes(refused: DeliveryFailed) -> set[str]:
    """Return the codes that *refused*, of a request or of one record, came with."""
    return {str(one.get("errorCode") or one.get("statusCode")) for one in given(json_of(refused.body))}


def meaning(refused: DeliveryFailed, field: str) -> DeliveryFailed:
    """Return what the refusal of a whole request means; *field* is our own."""
    return _judged(refused, codes(refused), field)


def lacks_fields(kept: Kept) -> bool:
    """Whether a record was refused for a field that the org does not have."""
    return isinstance(kept, PermanentFailure) and any(code.startswith("INVALID_FIELD") for code in codes(kept))


def saved(answer: Any, count: int, field: str) -> list[Kept]:
    """Return what *answer* says of each of *count* records, which it does in their order."""
    said: list[Kept] = [_of_one(one, field) for one in given(answer)]
    lost = AnswerLost("Salesforce took the request and said nothing of this record; whether it keeps it is not known")
    return [*said[:count], *[lost] * (count - len(said))]


def _of_one(one: dict[str, Any], field: str) -> Kept:
    if one.get("success") and one.get("id"):
        return str(one["id"])
    errors = given(one.get("errors"))
    said = ", ".join(f"{error.get('statusCode')}: {error.get('message')}" for error in errors)
    refused = PermanentFailure(f"Salesforce refused the record: {said or 'it does not say why'}")
    refused.body = json.dumps(errors).encode()
    found = codes(refused)
    if found & _ILL:
        return TemporaryFailure(refused.reason)
    return _judged(refused, found, field)


def _judged(refused: DeliveryFailed, found: Collection[str], field: str) -> DeliveryFailed:
    if "REQUEST_LIMIT_EXCEEDED" in found:  # with 403: a limit, not a permission
        return TemporaryFailure(refused.reason, status=refused.status, retry_after=_LIMITED)
    if not _PASSING.isdisjoint(found):
        return TemporaryFailure(refused.reason, status=refused.status)
    if "INVALID_FIELD" in found and field.encode() in refused.body:
        said = f"activities have no field {field} that we may use; the manual says how to make it"
        return DestinationUnusable(f"{said}: {refused.reason}", status=refused.status)
    return refused
