"""Keeps each call in HubSpot, on the timeline of the contact who has the number.

Calls: https://developers.hubspot.com/docs/api/crm/calls
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

from plugins.hubspot.properties import properties
from router.crm import (
    CallFacts,
    Contact,
    Crm,
    CrmSettings,
    Known,
    Number,
    asked_to_wait,
    https,
    identifier,
    join,
    json_of,
    significant,
)
from router.plugin import DeliveryFailed, PermanentFailure, Secret, TemporaryFailure, Trial, setting

#: By these properties HubSpot knows a call, and a contact of our making, again. They stand in a group of their own.
CALL_KEY, CONTACT_KEY, GROUP = "callrouter_call", "callrouter_number", "callrouter"

#: Where contacts keep numbers. HubSpot searches its own copies of them, which have no country code:
#: https://developers.hubspot.com/docs/api/crm/search
_NUMBERS = ("phone", "mobilephone")
_SEARCHED = ("hs_searchable_calculated_phone_number", "hs_searchable_calculated_mobile_number")

#: Seconds to wait after each policy's 429, which names none. Nobody says how far the end of the day is.
_WAITS = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 3600.0}
#: What may be said of one record of many, and will be said again of the same.
_FINAL = {"VALIDATION_ERROR", "OBJECT_NOT_FOUND", "CONFLICT", "MISSING_SCOPES"}


class HubspotSettings(CrmSettings):
    """Keys of a ``type: hubspot`` destination."""

    token: Secret = setting("The access token of a private app of your account.", example="${HUBSPOT_TOKEN}")
    outcomes: dict[str, str] = setting(
        "Outcomes of your own: one of callrouter's outcomes, and the id of the one in HubSpot.",
        default={},
        example='{machine: "b2cf5968-551e-4856-9783-52b3da59a7d0"}',
    )
    url: Annotated[str, AfterValidator(https)] = setting("Where HubSpot is.", default="https://api.hubapi.com")


class Hubspot(Crm[HubspotSettings]):
    """Keeps the calls in HubSpot."""

    type = "hubspot"
    Settings = HubspotSettings
    trial = Trial(says={"results": [{"id": "1"}]})
    note_is_html = True

    def headers(self) -> Mapping[str, str | Secret]:
        return {"Authorization": Secret(f"Bearer {self.settings.token.reveal()}")}

    def find(self, number: Number) -> Iterable[Contact]:
        asked = dict.fromkeys(_NUMBERS, number.e164) | dict.fromkeys(_SEARCHED, significant(number))
        search = {
            "filterGroups": [
                {"filters": [{"propertyName": name, "operator": "EQ", "value": value}]} for name, value in asked.items()
            ],
            "properties": list(_NUMBERS),
            "sorts": ["createdate"],
            "limit": 200,
            "after": "0",
        }
        answer = self.ask("POST", self._at("crm/v3/objects/contacts/search"), json=search)
        for found in (answer or {}).get("results", ()):
            known = found.get("properties") or {}
            yield Contact(found["id"], tuple(known.get(name) or "" for name in _NUMBERS), found.get("createdAt") or "")

    def create(self, number: Number) -> str:
        return self._upsert("contacts", CONTACT_KEY, number.e164, {"phone": number.e164})

    def write(self, call: CallFacts, texts: tuple[str, str], known: Known, contacts: list[str]) -> str:
        said = properties(call, *texts, owner=self.owner(call), outcomes=self.settings.outcomes)
        record = self._upsert("calls", CALL_KEY, call.key, said)
        for contact in contacts:
            if contact not in known.contacts or record != known.id:
                way = (record, "associations", "default", "contacts", contact)
                self.ask("PUT", self._at("crm/v4/objects/calls", *way), writes=True)
        return record

    def judge(self, refused: DeliveryFailed) -> DeliveryFailed:
        said, asked = json_of(refused.body), asked_to_wait(refused)
        said = said if isinstance(said, dict) else {}
        if refused.status == 429:
            window = refused.headers.get("x-hubspot-ratelimit-interval-milliseconds", "")
            rolling = float(window) / 1000 if window.isdecimal() else 10.0
            policy = "SECONDLY" if "secondly limit" in str(said.get("message")) else str(said.get("policyName"))
            return TemporaryFailure(refused.reason, status=429, retry_after=asked or _WAITS.get(policy, rolling))
        if refused.status in (423, 477):  # the record is locked; the account is being moved
            return TemporaryFailure(refused.reason, status=refused.status, retry_after=asked or 5.0)
        if refused.status == 400 and "already has that value" in str(said.get("message")):
            # Another call of the same caller made the contact at the same time.
            return TemporaryFailure(refused.reason, status=400, retry_after=1.0)
        return refused

    def _at(self, path: str, *parts: str) -> str:
        return join(f"{self.settings.url}/{path}", *parts)

    def _upsert(self, kind: str, key: str, value: str, said: Mapping[str, str]) -> str:
        """Write the one record of *kind* whose property *key* is *value*, and return its id."""
        body = {"inputs": [{"id": value, "idProperty": key, "properties": {**said, key: value}}]}
        address, missing = self._at(f"crm/v3/objects/{kind}/batch/upsert"), False
        try:
            answer = self.ask("POST", address, json=body, writes=True)
        except PermanentFailure as ex:
            if ex.status != 400 or key.encode() not in ex.body:
                raise
            missing = True
        if missing:
            self._make_property(kind, key)
            answer = self.ask("POST", address, json=body, writes=True)
        for error in (answer or {}).get("errors", ()):
            raise _of_one(error)
        return identifier(answer, "results", 0, "id")

    def _make_property(self, kind: str, key: str) -> None:
        group = {"name": GROUP, "label": "callrouter", "displayOrder": -1}
        made = {"name": key, "label": key.replace("_", " "), "groupName": GROUP, "type": "string", "fieldType": "text",
                "hasUniqueValue": True, "description": "callrouter knows by this what it wrote."}  # fmt: skip
        for path, json in ((f"crm/v3/properties/{kind}/groups", group), (f"crm/v3/properties/{kind}", made)):
            try:
                self.ask("POST", self._at(path), json=json)
            except PermanentFailure as ex:
                if ex.status != 409:  # somebody else was faster
                    raise


def _of_one(error: Any) -> DeliveryFailed:
    """Return what HubSpot says of one record in an answer of 207."""
    category = error.get("category", "") if isinstance(error, dict) else ""
    reason = f"HubSpot refused the record: {category} {error.get('message', '') if category else error}"
    return PermanentFailure(reason, status=207) if category in _FINAL else TemporaryFailure(reason, status=207)
