"""Keeps each call in Salesforce as a task of the contact or lead who has the number.

Tasks: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_task.htm
A task is told from others by a field of its own, which is looked for before one is made: whether tasks can have an
external id, as an upsert needs, depends on the org.
"""

from __future__ import annotations

import base64
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from plugins.salesforce.answers import codes, meaning
from plugins.salesforce.queries import NUMBERS, holder, holders
from plugins.salesforce.records import MOST, Records
from plugins.salesforce.settings import SalesforceSettings
from plugins.salesforce.task import task
from router.crm import (
    BatchedCrm,
    CallFacts,
    Contact,
    Entry,
    Grant,
    GrantedCrm,
    Kept,
    Known,
    Number,
    identifier,
    join,
    parts,
)
from router.plugin import DeliveryFailed, Http, Mail, Secret, Trial


class Salesforce(BatchedCrm[SalesforceSettings], GrantedCrm[SalesforceSettings]):
    """Keeps the calls in Salesforce."""

    type = "salesforce"
    Settings = SalesforceSettings
    trial = Trial(says={"access_token": "s3cret-access", "instance_url": "https://example.my.salesforce.com",
                        "searchRecords": [], "records": [], "id": "1", "success": True})  # fmt: skip
    batch_size = MOST

    def __init__(self, settings: SalesforceSettings, http: Http, mail: Mail | None = None) -> None:
        super().__init__(settings, http, mail)
        self._records = Records(self.ask, self._at, settings.field)

    def credentials(self) -> Hashable:
        return self.settings.url, self.settings.client_id, self.settings.client_secret

    def fetch(self) -> Grant:
        pair = f"{self.settings.client_id}:{self.settings.client_secret.reveal()}"
        headers = {"Authorization": Secret(f"Basic {base64.b64encode(pair.encode()).decode()}")}
        address = f"{self.settings.url}/services/oauth2/token"
        said = self.token(address, headers, grant_type="client_credentials")
        return Grant(Secret(said["access_token"]), str(said.get("instance_url") or self.settings.url))

    def is_old(self, refused: DeliveryFailed) -> bool:
        return refused.status == 401 and "INVALID_SESSION_ID" in codes(refused)

    def find(self, number: Number) -> Iterable[Contact]:
        return self.find_all([number])

    def find_all(self, numbers: Sequence[Number]) -> Iterable[Contact]:
        for some in parts(numbers, NUMBERS):
            answer = self.ask("GET", self._at("search", "", q=holders(some)))
            yield from map(holder, (answer or {}).get("searchRecords", ()))

    def create(self, number: Number) -> str:
        # The search learns of a new contact late; a query knows at once whom an earlier attempt has made.
        made = self._records.known("Contact", "Phone", [number.e164]).get(number.e164)
        address = self._at("sobjects", "Contact")
        return made or identifier(self.ask("POST", address, json=_contact(number), writes=True), "id")

    def create_all(self, numbers: Sequence[Number]) -> Mapping[str, Kept]:
        known = self._records.known("Contact", "Phone", [number.e164 for number in numbers])
        strangers = [number for number in numbers if number.e164 not in known]
        made = self._records.write_all("Contact", [(None, _contact(number)) for number in strangers])
        return known | {number.e164: one for number, one in zip(strangers, made, strict=True)}

    def write(self, call: CallFacts, texts: tuple[str, str], known: Known, contacts: list[str]) -> str:
        record = known.id or self._records.known("Task", self.settings.field, [call.key]).get(call.key)
        return self._records.write((record, self._said(call, texts, contacts)))

    def write_all(self, entries: Sequence[Entry]) -> Sequence[Kept]:
        new = [one.call.key for one in entries if not one.known.id]
        found = self._records.known("Task", self.settings.field, new)
        records = [one.known.id or found.get(one.call.key) for one in entries]
        said = [self._said(one.call, one.texts, one.contacts) for one in entries]
        return self._records.write_all("Task", list(zip(records, said, strict=True)))

    def judge(self, refused: DeliveryFailed) -> DeliveryFailed:
        return meaning(refused, self.settings.field)

    def _at(self, *steps: str, **query: str) -> str:
        return join(f"{self.grant().address}/services/data/{self.settings.version}", *steps, **query)

    def _said(self, call: CallFacts, texts: tuple[str, str], contacts: Sequence[str]) -> Mapping[str, Any]:
        status = self.settings.done_status if call.outcome else self.settings.open_status
        whom = contacts[0] if contacts else None
        return {self.settings.field: call.key} | task(call, texts, status=status, contact=whom, owner=self.owner(call))


def _contact(number: Number) -> Mapping[str, str]:
    return {"LastName": number.international, "Phone": number.e164}
