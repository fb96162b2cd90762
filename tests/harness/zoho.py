"""A Zoho CRM that is as strict as the real one: fixed types, results record by record, tokens that expire."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from tests.harness.recording import Received, Reply
from tests.harness.vendor import Vendor, reply

CLIENT, SECRET, REFRESH = "1000.CLIENT", "s3cret-client", "1000.s3cret-refresh"
_CALL = {"Callrouter_Call": str, "Subject": str, "Description": str, "Call_Type": str, "Call_Start_Time": str,
         "Call_Duration": str, "Who_Id": dict, "Owner": dict}  # fmt: skip
#: As many as one request may have, and the id of a user whom no account has.
MOST, NOBODY = 100, "404"
_FIXED = ("Call_Type", "Call_Start_Time", "Owner")


class ZohoVendor(Vendor):
    blind = frozenset({"(020) 7946-0001"})

    def __init__(self, *, field: bool = True, queries: bool = True) -> None:
        """Without *queries* the token has no scope for COQL."""
        super().__init__()
        self._queries = queries
        self.calls: dict[str, dict[str, Any]] = {}
        self.people: dict[str, dict[str, Any]] = {}
        self.tokens: list[str] = []
        self._field = field
        self._indexed: set[str] = set()
        self._ids = itertools.count(3652397000000001)

    @property
    def settings(self) -> dict[str, Any]:
        return {"accounts": self.url, "client_id": CLIENT, "client_secret": SECRET, "refresh_token": REFRESH}

    @property
    def records(self) -> list[dict[str, Any]]:
        return list(self.calls.values())

    @property
    def contacts(self) -> list[str]:
        return list(self.people)

    def links(self) -> list[str]:
        return [call["Who_Id"]["id"] for call in self.calls.values() if "Who_Id" in call]

    def contact(self, number: str, created: str = "2026-01-01T00:00:00+00:00", **more: str) -> str:
        made = str(next(self._ids))
        self.people[made] = {"Phone": number, "Last_Name": "Known", "Created_Time": created, **more}
        self.index()
        return made

    def index(self) -> None:
        self._indexed = set(self.people)

    def expire(self) -> None:
        """Take no token given so far any more."""
        self.tokens = [f"{token} old" for token in self.tokens]

    def handle(self, received: Received, steps: list[str], query: dict[str, str], body: Any) -> Reply:
        if steps == ["oauth", "v2", "token"]:
            return self._token(received)
        if received.headers.get("authorization", "").removeprefix("Zoho-oauthtoken ") not in self.tokens:
            return error(401, "INVALID_TOKEN", "invalid oauth token")
        match received.method, steps[2:]:
            case "GET", ["Contacts", "search"]:
                return self._search(query["criteria"])
            case "GET", ["Contacts"] if query.get("fields"):
                newest = [{"id": made, **one} for made, one in reversed(self.people.items())]
                return reply(200, {"data": newest[: int(query["per_page"])]}) if newest else reply(204)
            case "POST", ["coql"]:
                return self._query(body["select_query"])
            case "POST", ["Contacts"]:
                return self._each(body["data"], self._contact)
            case "POST", ["Calls", "upsert"]:
                return self._each(body["data"], lambda one: self._upsert(one, body["duplicate_check_fields"]))
            case "PUT", ["Calls"]:
                return self._each(body["data"], lambda one: self._change(one.pop("id"), one))
            case "PUT", ["Calls", made]:
                return self._each(body["data"], lambda one: self._change(made, one))
        return error(404, "INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one")

    def _token(self, received: Received) -> Reply:
        asked = {name: values[0] for name, values in parse_qs(received.body.decode()).items()}
        if asked != {"grant_type": "refresh_token", "client_id": CLIENT, "client_secret": SECRET,
                     "refresh_token": REFRESH}:  # fmt: skip
            return reply(200, {"error": "invalid_code"})
        self.tokens.append(f"1000.access{len(self.tokens) + 1}")
        return reply(200, {"access_token": self.tokens[-1], "api_domain": self.url, "expires_in": 3600})

    def _each(self, data: list[dict[str, Any]], do: Callable[[dict[str, Any]], dict[str, Any]]) -> Reply:
        if not 0 < len(data) <= MOST:
            return error(400, "INVALID_DATA", f"the maximum of records is {MOST}")
        said = [do(dict(one)) for one in data]
        good = sum(one["code"] == "SUCCESS" for one in said)
        return reply(200 if good == len(said) else 207 if good else 202, {"data": said})

    def _contact(self, data: dict[str, Any]) -> dict[str, Any]:
        made = str(next(self._ids))
        self.people[made] = {**data, "Created_Time": "2026-06-01T00:00:00+00:00"}
        return _done(made)

    def _change(self, made: str, data: dict[str, Any]) -> dict[str, Any]:
        return self._write(made, data) if made in self.calls else _refused("INVALID_DATA", "id")

    def _upsert(self, data: dict[str, Any], unique: list[str]) -> dict[str, Any]:
        if not self._field:
            return _refused("INVALID_DATA", unique[0], "the field is not unique")
        known = next((made for made, one in self.calls.items() if one[unique[0]] == data[unique[0]]), None)
        if known:
            return self._write(known, data)
        for name in ("Call_Type", "Call_Start_Time"):
            if name not in data:
                return _refused("MANDATORY_NOT_FOUND", name, "required field not found")
        if data["Call_Type"] != "Missed" and "Call_Duration" not in data:
            return _refused("INVALID_DATA", "Call_Duration")
        return self._write(str(next(self._ids)), data)

    def _write(self, made: str, data: dict[str, Any]) -> dict[str, Any]:
        known = self.calls.get(made, {})
        for name, value in data.items():
            wrong = name not in _CALL or type(value) is not _CALL[name]
            if wrong or (known and name in _FIXED and known.get(name) != value):
                return _refused("INVALID_DATA", name)
        if data.get("Owner") == {"id": NOBODY}:
            return _refused("INVALID_DATA", "id", "the id given seems to be invalid")
        if not re.fullmatch(r"\d\d+:\d\d", data.get("Call_Duration", "00:00")):
            return _refused("INVALID_DATA", "Call_Duration")
        if "Who_Id" in data and data["Who_Id"]["id"] not in self.people:
            return _refused("INVALID_DATA", "Who_Id", "the id given seems to be invalid.")
        self.calls[made] = known | data
        return _done(made)

    def _search(self, criteria: str) -> Reply:
        asked = re.findall(r"\((Phone|Mobile):equals:((?:[^()\\,]|\\.)*)\)", criteria)
        if not asked or len(asked) > 10 or "or".join(f"({name}:equals:{value})" for name, value in asked) != criteria:
            return error(400, "INVALID_QUERY", "invalid query formed")
        wanted = {(name, re.sub(r"\\(.)", r"\1", value)) for name, value in asked}
        found = [
            {"id": made, **one}
            for made, one in self.people.items()
            if made in self._indexed and wanted & {(name, one.get(name)) for name in ("Phone", "Mobile")}
        ]
        return reply(200, {"data": found}) if found else reply(204)

    def _query(self, coql: str) -> Reply:
        if not self._queries:
            return error(401, "OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL")
        asked = re.fullmatch(
            r"select Phone, Mobile, Created_Time from Contacts where \(Phone in \((.*)\) or Mobile in \(\1\)\) "
            r"limit (\d+), (\d+)",
            coql,
        )
        values = re.findall(r"'([^']*)'", asked[1]) if asked else []
        if asked is None or not 0 < len(values) <= 100 or int(asked[3]) > 2000:
            return error(400, "SYNTAX_ERROR", "error occurred while parsing the query")
        found = [
            {"id": made, **one}
            for made, one in self.people.items()
            if made in self._indexed and {one.get("Phone"), one.get("Mobile")} & set(values)
        ]
        begin, end = int(asked[2]), int(asked[2]) + int(asked[3])
        if not found[begin:end]:
            return reply(204)
        return reply(200, {"data": found[begin:end], "info": {"more_records": len(found) > end}})


def _done(made: str) -> dict[str, Any]:
    return {"code": "SUCCESS", "status": "success", "details": {"id": made}}


def _refused(code: str, field: str = "", message: str = "invalid data", **details: str) -> dict[str, Any]:
    """What Zoho says of one record that it refuses."""
    return {"code": code, "status": "error", "message": message, "details": {"api_name": field, **details}}


def refusal(code: str, field: str = "", message: str = "invalid data", status: int = 202, **details: str) -> Reply:
    """What Zoho says of one record in an answer that is a success as a whole."""
    return reply(status, {"data": [_refused(code, field, message, **details)]})


def error(status: int, code: str, message: str = "", details: Any = None, **headers: str) -> Reply:
    """A refusal in Zoho's words."""
    return reply(status, {"code": code, "status": "error", "message": message, "details": details or {}}, **headers)
