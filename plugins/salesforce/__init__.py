"""Keeps each call in Salesforce as a task of the contact or lead who has the number.

Tasks: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_task.htm
A task is told from others by a field of its own, which is looked for before one is made: whether tasks can have an
external id, as an upsert needs, depends on the org.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from plugins.salesforce.queries import holder, holders, oldest
from plugins.salesforce.task import OF_CALL_CENTERS, task
from router.crm import (
    CallFacts,
    Contact,
    CrmSettings,
    Grant,
    GrantedCrm,
    Known,
    Number,
    https,
    identifier,
    join,
    json_of,
)
from router.plugin import (
    DeliveryFailed,
    DestinationUnusable,
    PermanentFailure,
    Secret,
    TemporaryFailure,
    Trial,
    setting,
)

#: Seconds: the limit counts the requests of the last 24 hours, so a few are free soon.
_LIMITED = 1800.0


def _field(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z]\w*__c", name, re.ASCII):
        raise ValueError("the name of a field of your own ends in __c")
    return name


class SalesforceSettings(CrmSettings):
    """Keys of a ``type: salesforce`` destination."""

    url: Annotated[str, AfterValidator(https)] = setting(
        "Your My Domain address.", example="https://mycompany.my.salesforce.com"
    )
    client_id: str = setting("The consumer key of the external client app.", example="${SALESFORCE_ID}")
    client_secret: Secret = setting("Its consumer secret.", example="${SALESFORCE_SECRET}")
    several: Literal["oldest", "newest"] = setting(
        "Which contact is taken when several have the number: `oldest` or `newest` by creation.", default="oldest"
    )
    field: Annotated[str, AfterValidator(_field)] = setting(
        "The text field of activities that names the call.", default="Callrouter_Call__c"
    )
    open_status: str = setting("The status of a task whose call goes on.", default="In Progress")
    done_status: str = setting("The status of a task whose call is over.", default="Completed")
    version: str = setting("The version of Salesforce's API.", default="v62.0")


class Salesforce(GrantedCrm[SalesforceSettings]):
    """Keeps the calls in Salesforce."""

    type = "salesforce"
    Settings = SalesforceSettings
    trial = Trial(says={"access_token": "s3cret-access", "instance_url": "https://example.my.salesforce.com",
                        "searchRecords": [], "records": [], "id": "1", "success": True})  # fmt: skip
    #: Until the org refuses the fields that go with it.
    _has_call_center = True

    def credentials(self) -> Hashable:
        return self.settings.url, self.settings.client_id, self.settings.client_secret

    def fetch(self) -> Grant:
        pair = f"{self.settings.client_id}:{self.settings.client_secret.reveal()}"
        headers = {"Authorization": Secret(f"Basic {base64.b64encode(pair.encode()).decode()}")}
        address = f"{self.settings.url}/services/oauth2/token"
        said = self.token(address, headers, grant_type="client_credentials")
        return Grant(Secret(said["access_token"]), str(said.get("instance_url") or self.settings.url))

    def is_old(self, refused: DeliveryFailed) -> bool:
        return refused.status == 401 and "INVALID_SESSION_ID" in _codes(refused)

    def find(self, number: Number) -> Iterable[Contact]:
        answer = self.ask("GET", self._at("search", "", q=holders(number)))
        for found in (answer or {}).get("searchRecords", ()):
            yield holder(found)

    def create(self, number: Number) -> str:
        # The search learns of a new contact late; a query knows at once whom an earlier attempt has made.
        made = self._first(oldest("Contact", "Phone", number.e164))
        contact = {"LastName": number.international, "Phone": number.e164}
        return made or identifier(self.ask("POST", self._at("sobjects", "Contact"), json=contact, writes=True), "id")

    def write(self, call: CallFacts, texts: tuple[str, str], known: Known, contacts: list[str]) -> str:
        record = known.id or self._first(oldest("Task", self.settings.field, call.key))
        status = self.settings.done_status if call.outcome else self.settings.open_status
        contact = contacts[0] if contacts else None
        said = {self.settings.field: call.key} | task(
            call, texts, status=status, contact=contact, owner=self.owner(call)
        )
        try:
            return self._written(record, said)
        except PermanentFailure as ex:
            if not (self._has_call_center and any(code.startswith("INVALID_FIELD") for code in _codes(ex))):
                raise
        self._has_call_center = False
        return self._written(record, said)

    def judge(self, refused: DeliveryFailed) -> DeliveryFailed:
        codes = _codes(refused)
        if "REQUEST_LIMIT_EXCEEDED" in codes:  # with 403: a limit, not a permission
            return TemporaryFailure(refused.reason, status=refused.status, retry_after=_LIMITED)
        if codes & {"UNABLE_TO_LOCK_ROW", "DUPLICATE_VALUE"}:  # the next attempt finds what another one wrote
            return TemporaryFailure(refused.reason, status=refused.status)
        if "INVALID_FIELD" in codes and self.settings.field.encode() in refused.body:
            said = f"activities have no field {self.settings.field} that we may use; the manual says how to make it"
            return DestinationUnusable(f"{said}: {refused.reason}", status=refused.status)
        return refused

    def _at(self, *parts: str, **query: str) -> str:
        return join(f"{self.grant().address}/services/data/{self.settings.version}", *parts, **query)

    def _first(self, soql: str) -> str | None:
        records = (self.ask("GET", self._at("query", "", q=soql)) or {}).get("records")
        return identifier(records, 0, "Id") if records else None

    def _written(self, record: str | None, said: Mapping[str, Any]) -> str:
        fixed = () if record is None else ("TaskSubtype", self.settings.field)
        left_out = (*fixed, *(() if self._has_call_center else OF_CALL_CENTERS))
        json = {name: value for name, value in said.items() if name not in left_out}
        if record is None:
            return identifier(self.ask("POST", self._at("sobjects", "Task"), json=json, writes=True), "id")
        self.ask("PATCH", self._at("sobjects", "Task", record), json=json, writes=True)
        return record


def _codes(refused: DeliveryFailed) -> set[str]:
    said = json_of(refused.body)
    return {str(one.get("errorCode")) for one in said if isinstance(one, dict)} if isinstance(said, list) else set()
