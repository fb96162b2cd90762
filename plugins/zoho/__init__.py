"""Keeps each call in Zoho CRM, with the contact who has the number.

Calls: https://www.zoho.com/crm/developer/docs/api/v8/upsert-records.html
Zoho tells a missed call from others by its type, and lets nobody change the type: calls are kept when they are over.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from plugins.zoho.answers import accepted, code, contact, listed, meaning
from plugins.zoho.record import NUMBERS, criteria, record
from router.crm import (
    CallFacts,
    Contact,
    CrmSettings,
    Grant,
    GrantedCrm,
    Known,
    Number,
    https,
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

#: What Zoho lets nobody change in a call that is over.
_FIXED = ("Call_Type", "Call_Start_Time", "Owner")
#: As many of the newest contacts are looked through before one is made.
NEWEST = 100
#: Seconds for which too many requests for tokens are held against us.
_TOO_MANY_TOKENS = 600.0


class ZohoSettings(CrmSettings):
    """Keys of a ``type: zoho`` destination."""

    accounts: Annotated[str, AfterValidator(https)] = setting(
        "Where your data center gives tokens.", default="https://accounts.zoho.com", example="https://accounts.zoho.eu"
    )
    client_id: str = setting("The client id of the self client.", example="${ZOHO_ID}")
    client_secret: Secret = setting("Its client secret.", example="${ZOHO_SECRET}")
    refresh_token: Secret = setting("The refresh token, which does not expire.", example="${ZOHO_REFRESH_TOKEN}")
    several: Literal["oldest", "newest"] = setting(
        "Which contact is taken when several have the number: `oldest` or `newest` by creation.", default="oldest"
    )
    field: str = setting("The unique field of calls that names the call.", default="Callrouter_Call")
    duration: Literal["mm:ss", "hh:mm"] = setting("How Zoho reads the duration of a call.", default="mm:ss")


class Zoho(GrantedCrm[ZohoSettings]):
    """Keeps the calls in Zoho CRM."""

    type = "zoho"
    Settings = ZohoSettings
    trial = Trial(says={"access_token": "s3cret", "data": [{"id": "1", "code": "SUCCESS", "details": {"id": "1"}}]})
    scheme = "Zoho-oauthtoken"

    def credentials(self) -> Hashable:
        mine = self.settings
        return mine.accounts, mine.client_id, mine.client_secret, mine.refresh_token

    def fetch(self) -> Grant:
        address, refused = f"{self.settings.accounts}/oauth/v2/token", None
        fields = {"client_secret": self.settings.client_secret, "refresh_token": self.settings.refresh_token}
        shown = {name: secret.reveal() for name, secret in fields.items()}
        try:
            said = self.token(address, {}, grant_type="refresh_token", client_id=self.settings.client_id, **shown)
        except DestinationUnusable as ex:
            if b"too many requests" not in ex.body:
                raise
            refused = ex
        if refused is not None:
            raise TemporaryFailure(refused.reason, status=refused.status, retry_after=_TOO_MANY_TOKENS)
        usual = self.settings.accounts.replace("//accounts.zoho", "//www.zohoapis")
        lasts = said.get("expires_in")
        domain = str(said.get("api_domain") or usual).rstrip("/")
        return Grant(Secret(said["access_token"]), domain, lasts if isinstance(lasts, int) else 3600)

    def is_old(self, refused: DeliveryFailed) -> bool:
        return refused.status == 401 and code(json_of(refused.body)) in ("INVALID_TOKEN", "AUTHENTICATION_FAILURE")

    def keeps(self, call: CallFacts) -> bool:
        return call.outcome is not None

    def find(self, number: Number) -> Iterable[Contact]:
        asked = self._at("Contacts", "search", criteria=criteria(number), per_page=200)
        return map(contact, listed(self.ask("GET", asked)))

    def create(self, number: Number) -> str:
        # The search learns of a new contact late; the list knows at once whom an earlier attempt has made.
        order = {"sort_by": "Created_Time", "sort_order": "desc"}
        newest = self._at("Contacts", fields=",".join((*NUMBERS, "Created_Time")), per_page=NEWEST, **order)
        for known in reversed([contact(one) for one in listed(self.ask("GET", newest))]):
            if number.e164 in known.numbers:
                return known.id
        made = {"data": [{"Last_Name": number.international, "Phone": number.e164}], "trigger": []}
        return accepted(self._one("POST", self._at("Contacts"), made), self.settings.field)

    def write(self, call: CallFacts, texts: tuple[str, str], known: Known, contacts: list[str]) -> str:
        who, field = contacts[0] if contacts else None, self.settings.field
        said = record(call, texts, duration=self.settings.duration, contact=who, owner=self.owner(call))
        loose = {name: value for name, value in said.items() if name not in _FIXED}
        if known.id:
            return self._changed(known.id, loose)
        for data in (said, loose):
            body = {"data": [{**data, field: call.key}], "duplicate_check_fields": [field], "trigger": []}
            one = self._one("POST", self._at("Calls", "upsert"), body)
            details = one.get("details") or {}
            if code(one) == "DUPLICATE_DATA" and details.get("api_name") == field and details.get("id"):
                return self._changed(str(details["id"]), loose)
            # An earlier attempt wrote it, and what is fixed since has changed.
            if code(one) != "INVALID_DATA" or details.get("api_name") not in _FIXED:
                break
        return accepted(one, field)

    def judge(self, refused: DeliveryFailed) -> DeliveryFailed:
        return meaning(refused)

    def _at(self, *parts: str, **query: str | int) -> str:
        return join(f"{self.grant().address}/crm/v8", *parts, **query)

    def _changed(self, known: str, said: Mapping[str, Any]) -> str:
        return accepted(
            self._one("PUT", self._at("Calls", known), {"data": [said], "trigger": []}), self.settings.field
        )

    def _one(self, method: str, address: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return what Zoho says of the one record of *body*: a request may be accepted and its record not."""
        try:
            data = listed(self.ask(method, address, json=body, writes=True))
        except PermanentFailure as ex:
            data = listed(json_of(ex.body))  # with some refusals of the record the whole answer is a 400
            if not data:
                raise
        return data[0] if data else {}
