"""What HubSpot's answers mean: https://developers.hubspot.com/docs/api/error-handling. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from router.crm import Kept, asked_to_wait, given, json_of, sorted_out
from router.plugin import DeliveryFailed, PermanentFailure, TemporaryFailure

#: Seconds to wait after each policy's 429, which names none. Nobody says how far the end of the day is.
_WAITS = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 3600.0}
#: What may be said of one record of many, and will be said again of the same.
_FINAL = {"VALIDATION_ERROR", "OBJECT_NOT_FOUND", "CONFLICT", "MISSING_SCOPES"}


def meaning(refused: DeliveryFailed) -> DeliveryFailed:
    """Return what the refusal of a whole request means."""
    said, asked = json_of(refused.body), asked_to_wait(refused)
    said = said if isinstance(said, dict) else {}
    if refused.status == 429:
        window = refused.headers.get("x-hubspot-ratelimit-interval-milliseconds", "")
        rolling = float(window) / 1000 if window.isdecimal() else 10.0
        policy = "SECONDLY" if "secondly limit" in str(said.get("message")) else str(said.get("policyName"))
        return TemporaryFailure(refused.reason, status=429, retry_after=asked or _WAITS.get(policy, rolling))
    if refused.status in (423, 477):  # the record is locked; the account is being moved
        return TemporaryFailure(refused.reason, status=refused.status, retry_after=asked or 5.0)
    if refused.status == 400 and _is_taken(said):
        return TemporaryFailure(refused.reason, status=400, retry_after=1.0)
    return refused


def of_one(error: Any) -> DeliveryFailed:
    """Return what HubSpot says of one record in an answer of 207."""
    category = error.get("category", "") if isinstance(error, dict) else ""
    reason = f"HubSpot refused the record: {category} {error.get('message', '') if category else error}"
    final = category in _FINAL and not _is_taken(error)
    failure = PermanentFailure(reason, status=207) if final else TemporaryFailure(reason, status=207)
    failure.body = json.dumps(error).encode()
    return failure


def upserted(answer: Any, key: str, values: Iterable[str]) -> dict[str, Kept]:
    """Return what *answer* says of each record by its value of *key*: results come in any order."""
    done = {}
    for found in given((answer or {}).get("results")):
        value = found.get("objectWriteTraceId") or (found.get("properties") or {}).get(key)
        if value is not None and "id" in found:
            done[value] = str(found["id"])
    return sorted_out({value: frozenset({value}) for value in values}, done, _refusals(answer))


def associated(answer: Any, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Kept]:
    """Return what *answer* says of each pair of a record and a contact."""
    ends = [(found.get("from") or {}, found.get("to") or {}) for found in given((answer or {}).get("results"))]
    done = {(str(one.get("id")), str(other.get("id"))): "" for one, other in ends}
    return sorted_out({pair: frozenset(pair) for pair in pairs}, done, _refusals(answer))


def is_missing(refused: Any, key: str) -> bool:
    """Whether *refused* says that the property *key* does not exist."""
    if not isinstance(refused, PermanentFailure) or refused.status not in (400, 207):
        return False
    return key.encode() in refused.body and (refused.status == 400 or b"PROPERTY_DOESNT_EXIST" in refused.body)


def _is_taken(said: Mapping[str, Any] | Any) -> bool:
    # Another call of the same caller made the contact at the same time.
    return isinstance(said, dict) and "already has that value" in str(said.get("message"))


def _refusals(answer: Any) -> Iterable[tuple[frozenset[str], DeliveryFailed]]:
    for error in given((answer or {}).get("errors")):
        context = error.get("context")
        told = context.values() if isinstance(context, dict) else ()
        called = {str(one) for values in told for one in (values if isinstance(values, list) else [values])}
        yield frozenset(called), of_one(error)
