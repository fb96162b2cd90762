"""Keeps each call in Zoho CRM, with the contact who has the number.

Calls: https://www.zoho.com/crm/developer/docs/api/v8/upsert-records.html
Zoho tells a missed call from others by its type, and lets nobody change the type: calls are kept when they are over.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from plugins.zoho.answers import code, contact, listed, meaning
from plugins.zoho.record import ASKED, NUMBERS, PAGE, criteria, query, record
from plugins.zoho.records import MOST, Records
from plugins.zoho.settings import ZohoSettings
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
    join,
    json_of,
    parts,
)
from router.plugin import DeliveryFailed, DestinationUnusable, Http, Mail, Secret, TemporaryFailure, Trial

#: As many of the newest contacts are looked through before one is made.
NEWEST = 100
#: Seconds for which too many requests for tokens are held against us.
_TOO_MANY_TOKENS = 600.0


class Zoho(BatchedCrm[ZohoSettings], GrantedCrm[ZohoSettings]):
    """Keeps the calls in Zoho CRM."""

    type = "zoho"
    Settings = ZohoSettings
    trial = Trial(says={"access_token": "s3cret", "data": [{"id": "1", "code": "SUCCESS", "details": {"id": "1"}}]})
    scheme = "Zoho-oauthtoken"
    batch_size = MOST
    #: Until the scope for queries turns out to be missing.
    _may_query = True

    def __init__(self, settings: ZohoSettings, http: Http, mail: Mail | None = None) -> None:
        super().__init__(settings, http, mail)
        self._records = Records(self.ask, self._at, settings.field)

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

    def find_all(self, numbers: Sequence[Number]) -> Iterable[Contact]:
        if self._may_query and len(numbers) > 1:
            try:
                return [one for some in parts(numbers, ASKED) for one in self._queried(some)]
            except DestinationUnusable as ex:
                if code(json_of(ex.body)) != "OAUTH_SCOPE_MISMATCH":
                    raise
            self._may_query = False
        return [one for number in numbers for one in self.find(number)]

    def create(self, number: Number) -> str:
        return self._only(self.create_all([number]).values())

    def create_all(self, numbers: Sequence[Number]) -> Mapping[str, Kept]:
        # The search learns of a new contact late; the list knows at once whom an earlier attempt has made.
        order = {"sort_by": "Created_Time", "sort_order": "desc"}
        newest = self._at("Contacts", fields=",".join((*NUMBERS, "Created_Time")), per_page=NEWEST, **order)
        known = {number: one.id for one in map(contact, listed(self.ask("GET", newest))) for number in one.numbers}
        kept: dict[str, Kept] = {number.e164: known[number.e164] for number in numbers if number.e164 in known}
        strangers = [number for number in numbers if number.e164 not in kept]
        data = [{"Last_Name": number.international, "Phone": number.e164} for number in strangers]
        made = self._records.make("Contacts", data)
        return kept | {number.e164: one for number, one in zip(strangers, made, strict=True)}

    def write(self, call: CallFacts, texts: tuple[str, str], known: Known, contacts: list[str]) -> str:
        return self._only(self.write_all([Entry(call, texts, known, tuple(contacts))]))

    def write_all(self, entries: Sequence[Entry]) -> Sequence[Kept]:
        return self._records.write([(one.known.id, one.call.key, self._said(one)) for one in entries])

    def judge(self, refused: DeliveryFailed) -> DeliveryFailed:
        return meaning(refused)

    def _at(self, *steps: str, **query: str | int) -> str:
        return join(f"{self.grant().address}/crm/v8", *steps, **query)

    def _queried(self, numbers: Sequence[Number]) -> Iterator[Contact]:
        more, offset = True, 0
        while more:
            asked = {"select_query": query(numbers, offset)}
            answer = self.ask("POST", self._at("coql"), json=asked)
            yield from map(contact, listed(answer))
            more = bool(((answer or {}).get("info") or {}).get("more_records"))
            offset += PAGE

    def _said(self, one: Entry) -> dict[str, Any]:
        whom = one.contacts[0] if one.contacts else None
        return record(one.call, one.texts, duration=self.settings.duration, contact=whom, owner=self.owner(one.call))

    @staticmethod
    def _only(kept: Iterable[Kept]) -> str:
        [one] = kept
        if isinstance(one, DeliveryFailed):
            raise one
        return one
