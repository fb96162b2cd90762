"""A HubSpot that is as strict as the real one, as far as its specification and its users tell.

Its search knows a contact only some moments after it was written; here, once ``index`` was called.
"""

from __future__ import annotations

import itertools
from typing import Any

from router import phone
from tests.harness.recording import Received, Reply
from tests.harness.vendor import Vendor, reply

TOKEN = "pat-eu1-s3cret"
_DEFAULT = {
    "calls": {"hs_timestamp", "hs_call_title", "hs_call_body", "hs_call_direction", "hs_call_from_number",
              "hs_call_to_number", "hs_call_status", "hs_call_disposition", "hs_call_duration", "hubspot_owner_id"},
    "contacts": {"phone", "mobilephone", "lastname"},
}  # fmt: skip
_STATUSES = {"BUSY", "CALLING_CRM_USER", "CANCELED", "COMPLETED", "CONNECTING", "FAILED", "IN_PROGRESS", "NO_ANSWER",
             "QUEUED", "RINGING"}  # fmt: skip


class HubspotVendor(Vendor):
    def __init__(self, *, ready: bool = True) -> None:
        super().__init__()
        self.objects: dict[str, dict[str, dict[str, Any]]] = {"calls": {}, "contacts": {}}
        self.unique: dict[str, set[str]] = {"calls": set(), "contacts": set()}
        self.groups: set[tuple[str, str]] = set()
        self.linked: list[tuple[str, str]] = []
        self._indexed: set[str] = set()
        self._ids = itertools.count(501)
        if ready:
            self.unique = {"calls": {"callrouter_call"}, "contacts": {"callrouter_number"}}

    @property
    def settings(self) -> dict[str, Any]:
        return {"token": TOKEN, "url": self.url}

    @property
    def records(self) -> list[dict[str, Any]]:
        return list(self.objects["calls"].values())

    @property
    def contacts(self) -> list[str]:
        return list(self.objects["contacts"])

    def links(self) -> list[str]:
        return [contact for _, contact in dict.fromkeys(self.linked)]

    def contact(self, number: str, created: str = "2026-01-01T00:00:00Z", **more: str) -> str:
        made = self._new("contacts", {"phone": number, "createdate": created, **more})
        self.index()
        return made

    def index(self) -> None:
        """Let the search know of every contact written so far."""
        self._indexed = set(self.objects["contacts"])

    def handle(self, received: Received, steps: list[str], query: dict[str, str], body: Any) -> Reply:
        if received.headers.get("authorization") != f"Bearer {TOKEN}":
            return _error(401, "INVALID_AUTHENTICATION", "Authentication credentials not found")
        match received.method, steps:
            case "POST", ["crm", "v3", "objects", "contacts", "search"]:
                return self._search(body)
            case "POST", ["crm", "v3", "objects", kind, "batch", "upsert"]:
                return self._upsert(kind, body["inputs"])
            case "POST", ["crm", "v3", "properties", kind, "groups"]:
                return self._once(self.groups, (kind, body["name"]))
            case "POST", ["crm", "v3", "properties", kind]:
                if (kind, body["groupName"]) not in self.groups:
                    return _error(400, "VALIDATION_ERROR", f"property group {body['groupName']} does not exist")
                return self._once(self.unique[kind], body["name"])
            case "PUT", ["crm", "v4", "objects", "calls", call, "associations", "default", "contacts", contact]:
                if call not in self.objects["calls"] or contact not in self.objects["contacts"]:
                    return _error(404, "OBJECT_NOT_FOUND", "one of the objects does not exist")
                self.linked.append((call, contact))
                return reply(200, {"status": "COMPLETE", "results": []})
        return _error(404, "NOT_FOUND", "there is nothing here")

    def _new(self, kind: str, properties: dict[str, str]) -> str:
        made = str(next(self._ids))
        self.objects[kind][made] = properties
        return made

    def _once(self, known: Any, one: Any) -> Reply:
        if one in known:
            return _error(409, "CONFLICT", "it already exists")
        known.add(one)
        return reply(201, {"name": one})

    def _upsert(self, kind: str, inputs: list[dict[str, Any]]) -> Reply:
        results = []
        for one in inputs:
            key, properties = one["idProperty"], one["properties"]
            unknown = set(properties) - _DEFAULT[kind] - self.unique[kind]
            if unknown or key not in self.unique[kind]:
                name = ", ".join(unknown) or key
                return _error(
                    400, "VALIDATION_ERROR", f'Property values were not valid: "{name}" PROPERTY_DOESNT_EXIST'
                )
            wrong = [name for name, value in properties.items() if not isinstance(value, str)]
            if kind == "calls" and (properties["hs_call_status"] not in _STATUSES or not properties["hs_timestamp"]):
                wrong.append("hs_call_status")
            if wrong:
                return _error(400, "VALIDATION_ERROR", f"Property values were not valid: {wrong}")
            made = next((id_ for id_, known in self.objects[kind].items() if known.get(key) == one["id"]), None)
            results.append({"new": made is None, "properties": properties, "archived": False})
            made = made or self._new(kind, {})
            self.objects[kind][made] |= properties
            results[-1]["id"] = made
        return reply(200, {"status": "COMPLETE", "results": results})

    def _search(self, body: Any) -> Reply:
        filters = [one["filters"][0] for one in body["filterGroups"]]
        if not 0 < len(filters) <= 5 or body["limit"] > 200:
            return _error(400, "VALIDATION_ERROR", "too many filter groups")
        found = [
            {"id": id_, "properties": {name: known.get(name) for name in body["properties"]},
             "createdAt": known.get("createdate", "2026-06-01T00:00:00Z")}
            for id_, known in self.objects["contacts"].items()
            if id_ in self._indexed and any(_searchable(known, one["propertyName"]) == one["value"] for one in filters)
        ]  # fmt: skip
        return reply(200, {"total": len(found), "results": found})


def _searchable(contact: dict[str, str], name: str) -> str | None:
    plain = {"hs_searchable_calculated_phone_number": "phone",
             "hs_searchable_calculated_mobile_number": "mobilephone"}.get(name)  # fmt: skip
    if plain is None:
        return contact.get(name)
    read = phone.parse(contact.get(plain) or "", "GB")
    return phone.significant(read) if read else None


def limited(policy: str, message: str = "You have reached your limit.", **headers: str) -> Reply:
    """HubSpot's answer when there was too much."""
    said = {"status": "error", "message": message, "errorType": "RATE_LIMIT", "policyName": policy}
    return reply(429, said, **headers)


def _error(status: int, category: str, message: str) -> Reply:
    return reply(status, {"status": "error", "category": category, "message": message, "correlationId": "c0"})
