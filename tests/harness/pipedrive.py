"""A Pipedrive that is as strict as the real one. It has no upsert and finds persons late, by the text of a number."""

from __future__ import annotations

import itertools
import time
from typing import Any

from router import clock
from tests.harness.recording import Received, Reply
from tests.harness.vendor import Vendor, reply

TOKEN = "s3cret-token"
_ACTIVITY = {"subject": str, "type": str, "done": bool, "due_date": str, "due_time": str, "duration": str, "note": str,
             "participants": list, "owner_id": int}  # fmt: skip
_PERSON = {"name": str, "phones": list, "owner_id": int}


class PipedriveVendor(Vendor):
    blind = frozenset({"(020) 7946-0001"})
    #: Activities a page has, whatever was asked for.
    page = 2

    def __init__(self) -> None:
        super().__init__()
        self.activities: dict[int, dict[str, Any]] = {}
        self.persons: dict[int, dict[str, Any]] = {}
        self.linked: list[tuple[int, int]] = []
        self._indexed: set[int] = set()
        self._changed: dict[int, float] = {}
        self._ids = itertools.count(71)

    @property
    def settings(self) -> dict[str, Any]:
        return {"token": TOKEN, "url": self.url}

    @property
    def records(self) -> list[dict[str, Any]]:
        return list(self.activities.values())

    @property
    def contacts(self) -> list[str]:
        return [str(person) for person in self.persons]

    def links(self) -> list[str]:
        return [str(person) for _, person in dict.fromkeys(self.linked)]

    def contact(self, number: str, created: str = "", **more: str) -> str:
        made = next(self._ids)
        self.persons[made] = {"id": made, "name": "Known", "phones": [{"value": number, "primary": True}]}
        self.index()
        return str(made)

    def index(self) -> None:
        self._indexed = set(self.persons)

    def activity(self, note: str, changed_at: float) -> None:
        """Let somebody else write an activity."""
        made = next(self._ids)
        self.activities[made] = {"id": made, "note": note}
        self._changed[made] = changed_at

    def handle(self, received: Received, steps: list[str], query: dict[str, str], body: Any) -> Reply:
        if received.headers.get("x-api-token") != TOKEN:
            return error(401, "unauthorized access")
        match received.method, steps[2:]:
            case "GET", ["persons", "search"]:
                return self._search(query)
            case "GET", ["persons"]:
                known = sorted(self.persons.values(), key=lambda one: -one["id"])
                return reply(200, {"success": True, "data": known[: int(query["limit"])]})
            case "GET", ["activities"]:
                return self._list(query)
            case "POST", ["persons"]:
                return self._write(self.persons, next(self._ids), body, _PERSON, 201)
            case "POST", ["activities"]:
                return self._write(self.activities, next(self._ids), body, _ACTIVITY, 201)
            case "PATCH", ["activities", made]:
                if int(made) not in self.activities:
                    return error(404, "Activity not found")
                return self._write(self.activities, int(made), body, _ACTIVITY, 200)
        return error(404, "Not found")

    def _write(self, known: dict[int, Any], made: int, body: Any, fields: dict[str, type], status: int) -> Reply:
        for name, value in body.items():
            if name not in fields or type(value) is not fields[name]:
                return error(400, f"Validation failed: {name}")
        if body.get("type", "call") != "call":
            return error(400, "Validation failed: type")
        for one in body.get("participants", ()):
            if set(one) != {"person_id", "primary"} or one["person_id"] not in self.persons:
                return error(400, "Validation failed: participants")
            self.linked.append((made, one["person_id"]))
        known[made] = {**known.get(made, {}), **body, "id": made}
        self._changed[made] = time.time()
        return reply(status, {"success": True, "data": known[made]})

    def _search(self, query: dict[str, str]) -> Reply:
        if len(query["term"]) < 2 or int(query["limit"]) > 500 or query["fields"] != "phone":
            return error(400, "Validation failed")
        found = [
            {"item": {"id": made, "name": person["name"], "phones": [one["value"] for one in person["phones"]]}}
            for made, person in self.persons.items()
            if made in self._indexed and any(query["term"] in one["value"] for one in person["phones"])
        ]
        return reply(200, {"success": True, "data": {"items": found}})

    def _list(self, query: dict[str, str]) -> Reply:
        if int(query["limit"]) > 500:
            return error(400, "Validation failed: limit")
        since = clock.parse(query["updated_since"])
        known = [one for one in self.activities.values() if self._changed[one["id"]] >= since]
        start = int(query.get("cursor", "0"))
        following = str(start + self.page) if start + self.page < len(known) else None
        page = known[start : start + self.page]
        return reply(200, {"success": True, "data": page, "additional_data": {"next_cursor": following}})


def error(status: int, said: str, **headers: str) -> Reply:
    """A refusal in Pipedrive's words."""
    return reply(status, {"success": False, "error": said, "error_info": "", "data": None}, **headers)
