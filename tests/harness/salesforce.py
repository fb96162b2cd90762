"""A Salesforce that is as strict as the real one, as far as its documentation tells."""

from __future__ import annotations

import base64
import itertools
import json
import re
from typing import Any
from urllib.parse import parse_qs

from tests.harness.recording import Received, Reply
from tests.harness.vendor import Vendor, reply

CLIENT, SECRET = "3MVG9-consumer", "s3cret-consumer"
_TASK: dict[str, type] = {"Callrouter_Call__c": str, "Subject": str, "Description": str, "Status": str,
                          "ActivityDate": str, "TaskSubtype": str, "CallType": str, "CallDurationInSeconds": int,
                          "CallDisposition": str, "WhoId": str, "OwnerId": str}  # fmt: skip
#: As many as one request may have, and the id of a user whom no org has.
MOST, NOBODY = 200, "404"
_OF_CALLS = {"TaskSubtype", "CallType", "CallDurationInSeconds", "CallDisposition"}


class SalesforceVendor(Vendor):
    def __init__(self, *, field: bool = True, call_center: bool = True) -> None:
        super().__init__()
        self.tasks: dict[str, dict[str, Any]] = {}
        self.people: dict[str, dict[str, Any]] = {}
        self.tokens: list[str] = []
        self._field = field
        self._call_center = call_center
        self._indexed: set[str] = set()
        self._ids = itertools.count(1)

    @property
    def settings(self) -> dict[str, Any]:
        return {"url": self.url, "client_id": CLIENT, "client_secret": SECRET}

    @property
    def records(self) -> list[dict[str, Any]]:
        return list(self.tasks.values())

    @property
    def contacts(self) -> list[str]:
        return list(self.people)

    def links(self) -> list[str]:
        return [task["WhoId"] for task in self.tasks.values() if "WhoId" in task]

    def contact(self, number: str, created: str = "2026-01-01T00:00:00.000+0000", **more: str) -> str:
        made = f"003{next(self._ids):015}"
        self.people[made] = {"Phone": number, "LastName": "Known", "CreatedDate": created, **more}
        self.index()
        return made

    def index(self) -> None:
        self._indexed = set(self.people)

    def expire(self) -> None:
        """Take no token given so far any more."""
        self.tokens = [f"{token} old" for token in self.tokens]

    def handle(self, received: Received, steps: list[str], query: dict[str, str], body: Any) -> Reply:
        if steps == ["services", "oauth2", "token"]:
            return self._token(received)
        if received.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return error(401, "INVALID_SESSION_ID", "Session expired or invalid")
        match received.method, steps[3:]:
            case "GET", ["search"]:
                return self._search(query["q"])
            case "GET", ["query"]:
                return self._query(query["q"])
            case "POST", ["sobjects", "Contact"]:
                made = f"003{next(self._ids):015}"
                self.people[made] = {**body, "CreatedDate": "2026-06-01T00:00:00.000+0000"}
                return reply(201, {"id": made, "success": True, "errors": []})
            case "POST", ["sobjects", "Task"]:
                made = f"00T{next(self._ids):015}"
                if fault := self._fault(body):
                    return fault
                self.tasks[made] = body
                return reply(201, {"id": made, "success": True, "errors": []})
            case "PATCH", ["sobjects", "Task", made]:
                if made not in self.tasks:
                    return error(404, "ENTITY_IS_DELETED", "entity is deleted")
                if fault := self._fault(body):
                    return fault
                self.tasks[made] |= body
                return reply(204)
            case ("POST" | "PATCH") as method, ["composite", "sobjects"]:
                return self._collection(method, body)
        return error(404, "NOT_FOUND", "The requested resource does not exist")

    def _token(self, received: Received) -> Reply:
        pair = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        asked = parse_qs(received.body.decode())
        if received.headers.get("authorization") != f"Basic {pair}" or asked != {"grant_type": ["client_credentials"]}:
            return reply(400, {"error": "invalid_client", "error_description": "invalid client credentials"})
        self.tokens.append(f"00D!{len(self.tokens) + 1}")
        return reply(200, {"access_token": self.tokens[-1], "instance_url": self.url, "token_type": "Bearer"})

    def _collection(self, method: str, body: dict[str, Any]) -> Reply:
        records = [dict(one) for one in body["records"]]
        if not 0 < len(records) <= MOST or body["allOrNone"] is not False:
            return error(400, "INVALID_BATCH", f"record limit of {MOST} exceeded")
        return reply(200, [self._one_of_many(method, one.pop("attributes")["type"], one) for one in records])

    def _one_of_many(self, method: str, kind: str, one: dict[str, Any]) -> dict[str, Any]:
        known, made = (self.tasks, "00T") if kind == "Task" else (self.people, "003")
        id_ = one.pop("id") if method == "PATCH" else f"{made}{next(self._ids):015}"
        if method == "PATCH" and id_ not in known:
            return _refused("ENTITY_IS_DELETED", "entity is deleted")
        if kind == "Task" and (fault := self._fault(one)):
            [said] = json.loads(fault.body)
            return _refused(said["errorCode"], said["message"])
        at = {} if kind == "Task" else {"CreatedDate": "2026-06-01T00:00:00.000+0000"}
        known[id_] = {**known.get(id_, {}), **one, **at}
        return {"id": id_, "success": True, "errors": []}

    def _fault(self, body: dict[str, Any]) -> Reply | None:
        for name, value in body.items():
            if name not in _TASK or (name.startswith("Callrouter") and not self._field):
                return error(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type Task")
            if name in _OF_CALLS and not self._call_center:
                return error(400, "INVALID_FIELD_FOR_INSERT_UPDATE", f"Unable to create/update fields: {name}")
            if type(value) is not _TASK[name]:
                return error(400, "JSON_PARSER_ERROR", f"Cannot deserialize {name}")
        if body.get("OwnerId") == NOBODY:
            return error(400, "INVALID_CROSS_REFERENCE_KEY", "Owner ID: id value of incorrect type")
        if body["Status"] not in ("Not Started", "In Progress", "Completed"):
            return error(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "bad value for restricted picklist field")
        if "WhoId" in body and body["WhoId"] not in self.people:
            return error(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        return None

    def _search(self, sosl: str) -> Reply:
        found = re.fullmatch(
            r"FIND \{((?:\"[\d ]+\"(?: OR )?)+)\} IN PHONE FIELDS RETURNING Contact\(.*\) LIMIT (200|2000)", sosl
        )
        # From 4,000 characters on its operators do not count any more.
        if found is None or len(found[1]) > 4000:
            return error(400, "MALFORMED_SEARCH", "malformed")
        terms = [term.split() for term in re.findall(r'"([\d ]+)"', found[1])]
        records = [
            {"attributes": {"type": "Contact"}, "Id": made, **person}
            for made, person in self.people.items()
            if made in self._indexed and any(_phrase(re.findall(r"\d+", person["Phone"]), term) for term in terms)
        ]
        return reply(200, {"searchRecords": records})

    def _query(self, soql: str) -> Reply:
        asked = re.fullmatch(
            r"SELECT Id, (\w+) FROM (\w+) WHERE \1 IN \(((?:'(?:[^'\\]|\\.)*'(?:, )?)+)\) ORDER BY CreatedDate",
            soql,
            re.DOTALL,
        )
        if asked is None:
            return error(400, "MALFORMED_QUERY", "unexpected token")
        field, kind, values = asked.groups()
        if field.startswith("Callrouter") and not self._field:
            return error(400, "INVALID_FIELD", f"No such column '{field}' on entity '{kind}'")
        known = self.tasks if kind == "Task" else self.people
        plain = {re.sub(r"\\(.)", r"\1", value) for value in re.findall(r"'((?:[^'\\]|\\.)*)'", values)}
        found = [{"Id": made, field: one[field]} for made, one in known.items() if one.get(field) in plain]
        return reply(200, {"totalSize": len(found), "done": True, "records": found})


def _phrase(words: list[str], phrase: list[str]) -> bool:
    return any(words[at : at + len(phrase)] == phrase for at in range(len(words)))


def _refused(code: str, message: str) -> dict[str, Any]:
    """What Salesforce says of one record of many."""
    return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": []}]}


def error(status: int, code: str, message: str = "", **headers: str) -> Reply:
    """A refusal in Salesforce's words."""
    return reply(status, [{"message": message, "errorCode": code, "fields": []}], **headers)
