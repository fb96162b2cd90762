"""A HubSpot that is as strict as the real one, as far as its specification and its users tell.

Its search knows a contact only some moments after it was written; here, once ``index`` was called.
"""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import parse_qs

from router import phone
from tests.harness.recording import Received, Reply
from tests.harness.vendor import Vendor, reply

TOKEN = "pat-eu1-s3cret"
#: Of an app with OAuth.
APP = {"client_id": "app-1", "client_secret": "s3cret-client", "refresh_token": "s3cret-refresh"}
_DEFAULT = {
    "calls": {"hs_timestamp", "hs_call_title", "hs_call_body", "hs_call_direction", "hs_call_from_number",
              "hs_call_to_number", "hs_call_status", "hs_call_disposition", "hs_call_duration", "hubspot_owner_id"},
    "contacts": {"phone", "mobilephone", "lastname"},
}  # fmt: skip
_STATUSES = {"BUSY", "CALLING_CRM_USER", "CANCELED", "COMPLETED", "CONNECTING", "FAILED", "IN_PROGRESS", "NO_ANSWER",
             "QUEUED", "RINGING"}  # fmt: skip
#: As many as one request may have, and the id of an owner that no account has.
MOST, NOBODY = 100, "404"


class HubspotVendor(Vendor):
    def __init__(self, *, ready: bool = True, app: bool = False) -> None:
        """With *app* it is an app with OAuth that is let in, and no private one."""
        super().__init__()
        self.tokens: list[str] = [] if app else [TOKEN]
        self._app = app
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
        return {**(APP if self._app else {"token": TOKEN}), "url": self.url}

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

    def expire(self) -> None:
        """Take no token given so far any more."""
        self.tokens = [f"{token} old" for token in self.tokens]

    def handle(self, received: Received, steps: list[str], query: dict[str, str], body: Any) -> Reply:
        if steps == ["oauth", "v1", "token"]:
            return self._token(received)
        token = received.headers.get("authorization", "").removeprefix("Bearer ")
        if f"{token} old" in self.tokens:
            return _error(401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired")
        if token not in self.tokens:
            return _error(401, "INVALID_AUTHENTICATION", "Authentication credentials not found")
        match received.method, steps:
            case "POST", ["crm", "v3", "objects", "contacts", "search"]:
                return self._search(body, len(received.body))
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
            case "POST", ["crm", "v4", "associations", "calls", "contacts", "batch", "associate", "default"]:
                return self._associate([(one["from"]["id"], one["to"]["id"]) for one in body["inputs"]])
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

    def _token(self, received: Received) -> Reply:
        asked = {name: values[0] for name, values in parse_qs(received.body.decode()).items()}
        if asked != {"grant_type": "refresh_token", **APP}:
            return reply(400, {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"})
        self.tokens.append(f"access-{len(self.tokens) + 1}")
        return reply(200, {"access_token": self.tokens[-1], "refresh_token": APP["refresh_token"], "expires_in": 1800})

    def _upsert(self, kind: str, inputs: list[dict[str, Any]]) -> Reply:
        if not 0 < len(inputs) <= MOST:
            return _error(400, "VALIDATION_ERROR", f"The maximum batch size is {MOST}")
        if len({one["id"] for one in inputs}) < len(inputs):
            return _error(400, "VALIDATION_ERROR", "Duplicate IDs found in batch input")
        # Only what has an id to be traced by is answered for by itself.
        traced = all("objectWriteTraceId" in one for one in inputs)
        faults = {one["id"]: fault for one in inputs if (fault := self._fault(kind, one))}
        if faults and not traced:
            return _error(400, "VALIDATION_ERROR", next(iter(faults.values())))
        results = [self._upserted(kind, one) for one in inputs if one["id"] not in faults]
        # They come back in any order.
        said: dict[str, Any] = {"status": "COMPLETE", "results": results[::-1]}
        if not faults:
            return reply(200, said)
        errors = [_of_one("VALIDATION_ERROR", why, objectWriteTraceId=[value]) for value, why in faults.items()]
        return reply(207, {**said, "numErrors": len(errors), "errors": errors})

    def _fault(self, kind: str, one: dict[str, Any]) -> str | None:
        key, properties = one["idProperty"], one["properties"]
        unknown = set(properties) - _DEFAULT[kind] - self.unique[kind]
        if unknown or key not in self.unique[kind]:
            return f'Property values were not valid: "{", ".join(unknown) or key}" PROPERTY_DOESNT_EXIST'
        wrong = [name for name, value in properties.items() if not isinstance(value, str)]
        if kind == "calls" and (properties["hs_call_status"] not in _STATUSES or not properties["hs_timestamp"]):
            wrong.append("hs_call_status")
        if properties.get("hubspot_owner_id") == NOBODY:
            wrong.append("hubspot_owner_id")
        return f"Property values were not valid: {wrong}" if wrong else None

    def _upserted(self, kind: str, one: dict[str, Any]) -> dict[str, Any]:
        key, properties = one["idProperty"], one["properties"]
        known = next((made for made, each in self.objects[kind].items() if each.get(key) == one["id"]), None)
        made = known or self._new(kind, {})
        self.objects[kind][made] |= properties
        said = {"id": made, "new": known is None, "archived": False}
        if "objectWriteTraceId" in one:
            # Nobody promises that our own property is among those that are given back.
            return {**said, "properties": {"hs_object_id": made}, "objectWriteTraceId": one["objectWriteTraceId"]}
        return {**said, "properties": properties}

    def _associate(self, pairs: list[tuple[str, str]]) -> Reply:
        if not 0 < len(pairs) <= MOST:
            return _error(400, "VALIDATION_ERROR", "too many inputs")
        calls, contacts = self.objects["calls"], self.objects["contacts"]
        good = [pair for pair in pairs if pair[0] in calls and pair[1] in contacts]
        self.linked += good
        ends = [{"from": {"id": call}, "to": {"id": contact}, "associationSpec": {}} for call, contact in good]
        said: dict[str, Any] = {"status": "COMPLETE", "results": ends}
        if len(good) == len(pairs):
            return reply(200, said)
        errors = [
            _of_one("OBJECT_NOT_FOUND", "one of the objects does not exist", fromObjectId=[call], toObjectId=[contact])
            for call, contact in pairs
            if (call, contact) not in good
        ]
        return reply(207, {**said, "numErrors": len(errors), "errors": errors})

    def _search(self, body: Any, size: int) -> Reply:
        filters = [one["filters"][0] for one in body["filterGroups"]]
        if not 0 < len(filters) <= 5 or body["limit"] > 200 or size > 3000:
            return _error(400, "VALIDATION_ERROR", "too many filter groups")
        asked = [(one["propertyName"], _asked(one)) for one in filters]
        found = [
            {"id": id_, "properties": {name: known.get(name) for name in body["properties"]},
             "createdAt": known.get("createdate", "2026-06-01T00:00:00Z")}
            for id_, known in self.objects["contacts"].items()
            if id_ in self._indexed and any(_searchable(known, name) in values for name, values in asked)
        ]  # fmt: skip
        begin, end = int(body["after"]), int(body["after"]) + body["limit"]
        more = {"paging": {"next": {"after": str(end)}}} if len(found) > end else {}
        return reply(200, {"total": len(found), "results": found[begin:end], **more})


def _asked(one: dict[str, Any]) -> list[str]:
    values = [one["value"]] if one["operator"] == "EQ" else one["values"]
    assert one["operator"] in ("EQ", "IN")
    assert len(values) <= 100
    return values


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


def _of_one(category: str, message: str, **context: list[str]) -> dict[str, Any]:
    """What HubSpot says of one record of many."""
    return {"status": "error", "category": category, "message": message, "context": context, "errors": [], "links": {}}


def _error(status: int, category: str, message: str) -> Reply:
    return reply(status, {"status": "error", "category": category, "message": message, "correlationId": "c0"})
