"""Records in HubSpot that are written once, however often they are written, and their links.

Upserts: https://developers.hubspot.com/docs/api/crm/calls. Properties: https://developers.hubspot.com/docs/api/crm/properties
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from plugins.hubspot.answers import associated, is_missing, of_one, upserted
from router.crm import Kept, given, identifier, join, parts
from router.plugin import PermanentFailure

#: By these properties HubSpot knows a call, and a contact of our making, again. They stand in a group of their own.
KEYS, GROUP = {"calls": "callrouter_call", "contacts": "callrouter_number"}, "callrouter"
#: HubSpot takes no more in one request.
MOST = 100

#: What is to be said of a record, by the value of the property that names it.
Records = Mapping[str, Mapping[str, str]]


class _Ask(Protocol):
    def __call__(self, method: str, address: str, *, json: Any = None, writes: bool = False) -> Any: ...


class Writing:
    """Writes to the HubSpot at *url* by way of *ask*."""

    def __init__(self, url: str, ask: _Ask) -> None:
        self._url, self._ask = url, ask

    def upsert(self, kind: str, value: str, said: Mapping[str, str]) -> str:
        """Write the one record of *kind* that *value* names, and return its id."""
        missing = False
        try:
            answer = self._upsert(kind, {value: said}, told_apart=False)
        except PermanentFailure as ex:
            if not is_missing(ex, KEYS[kind]):
                raise
            missing = True
        if missing:
            self._make_property(kind, KEYS[kind])
            answer = self._upsert(kind, {value: said}, told_apart=False)
        for error in given((answer or {}).get("errors")):
            raise of_one(error)
        return identifier(answer, "results", 0, "id")

    def upsert_all(self, kind: str, records: Records) -> dict[str, Kept]:
        """Write those of *kind*, at most ``MOST``, and return what became of each."""
        kept: dict[str, Kept] = {}
        missing = False
        try:
            kept = upserted(self._upsert(kind, records), KEYS[kind], records)
        except PermanentFailure as ex:
            if not is_missing(ex, KEYS[kind]):
                raise
            missing = True
        if missing or any(is_missing(one, KEYS[kind]) for one in kept.values()):
            self._make_property(kind, KEYS[kind])
            kept = upserted(self._upsert(kind, records), KEYS[kind], records)
        return kept

    def associate(self, call: str, contact: str) -> None:
        """Link *call* with *contact*; once or twice is the same."""
        way = (call, "associations", "default", "contacts", contact)
        self._ask("PUT", join(f"{self._url}/crm/v4/objects/calls", *way), writes=True)

    def associate_all(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Kept]:
        """Link the call and the contact of each of *pairs*, and return what became of each."""
        address = f"{self._url}/crm/v4/associations/calls/contacts/batch/associate/default"
        kept: dict[tuple[str, str], Kept] = {}
        for some in parts(list(dict.fromkeys(pairs)), MOST):
            inputs = [{"from": {"id": call}, "to": {"id": contact}} for call, contact in some]
            kept |= associated(self._ask("POST", address, json={"inputs": inputs}, writes=True), some)
        return kept

    def _upsert(self, kind: str, records: Records, *, told_apart: bool = True) -> Any:
        key = KEYS[kind]
        inputs: list[dict[str, Any]] = [
            {"id": value, "idProperty": key, "properties": {**said, key: value}} for value, said in records.items()
        ]
        if told_apart:
            # With this HubSpot answers for each record; without, one wrong record is a refusal of all.
            inputs = [{**one, "objectWriteTraceId": one["id"]} for one in inputs]
        address = f"{self._url}/crm/v3/objects/{kind}/batch/upsert"
        return self._ask("POST", address, json={"inputs": inputs}, writes=True)

    def _make_property(self, kind: str, key: str) -> None:
        group = {"name": GROUP, "label": "callrouter", "displayOrder": -1}
        made = {"name": key, "label": key.replace("_", " "), "groupName": GROUP, "type": "string", "fieldType": "text",
                "hasUniqueValue": True, "description": "callrouter knows by this what it wrote."}  # fmt: skip
        for path, json in ((f"crm/v3/properties/{kind}/groups", group), (f"crm/v3/properties/{kind}", made)):
            try:
                self._ask("POST", f"{self._url}/{path}", json=json)
            except PermanentFailure as ex:
                if ex.status != 409:  # somebody else was faster
                    raise
