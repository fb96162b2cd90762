"""Keeps each call in HubSpot, on the timeline of the contact who has the number.

Calls: https://developers.hubspot.com/docs/api/crm/calls
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence

from plugins.hubspot.answers import meaning
from plugins.hubspot.properties import properties
from plugins.hubspot.records import MOST, Writing
from plugins.hubspot.search import NUMBERS, PAGES, holder, holders, next_page
from plugins.hubspot.settings import HubspotSettings
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
    given,
    json_of,
    parts,
)
from router.plugin import DeliveryFailed, Secret, Trial


class Hubspot(BatchedCrm[HubspotSettings], GrantedCrm[HubspotSettings]):
    """Keeps the calls in HubSpot."""

    type = "hubspot"
    Settings = HubspotSettings
    trial = Trial({"token": "pat-eu1-s3cret"}, says={"results": [{"id": "1"}]})
    note_is_html = True
    batch_size = MOST

    def credentials(self) -> Hashable:
        mine = self.settings
        return mine.url, mine.token, mine.client_id, mine.client_secret, mine.refresh_token

    def fetch(self) -> Grant:
        mine = self.settings
        if mine.token is not None:
            return Grant(mine.token, mine.url)
        shown = {"client_secret": mine.client_secret, "refresh_token": mine.refresh_token}
        said = self.token(
            f"{mine.url}/oauth/v1/token",
            {},
            grant_type="refresh_token",
            client_id=mine.client_id or "",
            **{name: secret.reveal() for name, secret in shown.items() if secret},
        )
        lasts = said.get("expires_in")
        return Grant(Secret(said["access_token"]), mine.url, lasts if isinstance(lasts, int) else 1800)

    def is_old(self, refused: DeliveryFailed) -> bool:
        # Any other 401 is no reason to fetch another: https://developers.hubspot.com/docs/api/oauth/tokens
        said = json_of(refused.body)
        expired = isinstance(said, dict) and said.get("category") == "EXPIRED_AUTHENTICATION"
        return refused.status == 401 and expired and self.settings.token is None

    def find(self, number: Number) -> Iterable[Contact]:
        return self.find_all([number])

    def find_all(self, numbers: Sequence[Number]) -> Iterable[Contact]:
        address = f"{self.settings.url}/crm/v3/objects/contacts/search"
        for some in parts(numbers, NUMBERS):
            after: str | None = "0"
            for _ in range(PAGES):
                if after is None:
                    break
                answer = self.ask("POST", address, json=holders(some, after))
                yield from map(holder, given((answer or {}).get("results")))
                after = next_page(answer)

    def create(self, number: Number) -> str:
        return self._writing.upsert("contacts", number.e164, {"phone": number.e164})

    def create_all(self, numbers: Sequence[Number]) -> Mapping[str, Kept]:
        return self._writing.upsert_all("contacts", {number.e164: {"phone": number.e164} for number in numbers})

    def write(self, call: CallFacts, texts: tuple[str, str], known: Known, contacts: list[str]) -> str:
        record = self._writing.upsert("calls", call.key, self._said(call, texts))
        for contact in contacts:
            if contact not in known.contacts or record != known.id:
                self._writing.associate(record, contact)
        return record

    def write_all(self, entries: Sequence[Entry]) -> Sequence[Kept]:
        said = {one.call.key: self._said(one.call, one.texts) for one in entries}
        records = self._writing.upsert_all("calls", said)
        kept = [records[one.call.key] for one in entries]
        missing = [
            [
                (record, contact)
                for contact in one.contacts
                if contact not in one.known.contacts or record != one.known.id
            ]
            if isinstance(record, str)
            else []
            for one, record in zip(entries, kept, strict=True)
        ]
        linked = self._writing.associate_all([pair for pairs in missing for pair in pairs])
        return [
            next((failure for pair in pairs if not isinstance(failure := linked[pair], str)), record)
            for pairs, record in zip(missing, kept, strict=True)
        ]

    def judge(self, refused: DeliveryFailed) -> DeliveryFailed:
        return meaning(refused)

    @property
    def _writing(self) -> Writing:
        return Writing(self.settings.url, self.ask)

    def _said(self, call: CallFacts, texts: tuple[str, str]) -> Mapping[str, str]:
        return properties(call, *texts, owner=self.owner(call), outcomes=self.settings.outcomes)
