"""Keeps each call in Pipedrive as an activity of the person who has the number.

Activities: https://developers.pipedrive.com/docs/api/v1/Activities
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC
from html import escape
from typing import Annotated, Any

from pydantic import AfterValidator, field_validator

from router.crm import CallFacts, Contact, Crm, CrmSettings, Known, Number, https, identifier, join, significant
from router.plugin import (
    DeliveryFailed,
    DestinationUnusable,
    PermanentFailure,
    Secret,
    TemporaryFailure,
    Trial,
    setting,
)

#: A page of activities, and how many pages are looked through for one.
PAGE, PAGES = 500, 20
#: As many of the newest persons are looked through before one is made.
NEWEST = 100
#: Seconds: a day's budget is spent until the server's midnight; and the longest wait that is believed.
_SPENT, _LONGEST = 3600.0, 86400.0


class PipedriveSettings(CrmSettings):
    """Keys of a ``type: pipedrive`` destination."""

    url: Annotated[str, AfterValidator(https)] = setting(
        "Where your company's Pipedrive is.", example="https://mycompany.pipedrive.com"
    )
    token: Secret = setting("The API token of a user.", example="${PIPEDRIVE_TOKEN}")
    activity_type: str = setting("The key of the type of activity that a call is.", default="call")

    @field_validator("owner", "owners")
    @classmethod
    def _ids(cls, owners: Any) -> Any:
        for one in owners.values() if isinstance(owners, dict) else [owners or "0"]:
            if not (one.isascii() and one.isdecimal()):
                raise ValueError(f'"{one}" is no id of a user of Pipedrive; it is a number')
        return owners


class Pipedrive(Crm[PipedriveSettings]):
    """Keeps the calls in Pipedrive."""

    type = "pipedrive"
    Settings = PipedriveSettings
    trial = Trial(says={"success": True, "data": {"id": 1, "items": []}})
    note_is_html = True

    def headers(self) -> Mapping[str, str | Secret]:
        return {"x-api-token": self.settings.token}

    def find(self, number: Number) -> Iterable[Contact]:
        # A person's number is searched as the text it was typed in as: in one piece, or in the usual groups.
        _, _, grouped = number.international.partition(" ")
        for term in dict.fromkeys((significant(number), grouped)):
            asked = self._at("persons", "search", term=term, fields="phone", limit=100)
            for found in _listed(_data(self.ask("GET", asked)).get("items")):
                person = found.get("item") or {}
                yield Contact(str(person["id"]), tuple(map(str, person.get("phones") or ())))

    def create(self, number: Number) -> str:
        # The search learns of a new person late; the list knows at once whom an earlier attempt has made.
        newest = self.ask("GET", self._at("persons", sort_by="id", sort_direction="desc", limit=NEWEST))
        for person in reversed(_listed(newest and newest.get("data"))):
            if number.e164 in [phone.get("value") for phone in person.get("phones") or ()]:
                return str(person["id"])
        made = {"name": number.international, "phones": [{"value": number.e164, "primary": True, "label": "work"}]}
        return identifier(self.ask("POST", self._at("persons"), json=made, writes=True), "data", "id")

    def write(self, call: CallFacts, texts: tuple[str, str], known: Known, contacts: list[str]) -> str:
        mark = f"callrouter {escape(call.key)}"
        said = self._activity(call, texts[0], f"{texts[1]}<br>{mark}", contacts)
        record = known.id or self._written(call, mark)
        if record:
            self.ask("PATCH", self._at("activities", record), json=said, writes=True)
            return record
        return identifier(self.ask("POST", self._at("activities"), json=said, writes=True), "data", "id")

    def judge(self, refused: DeliveryFailed) -> DeliveryFailed:
        if refused.status == 429:
            reset = refused.headers.get("x-ratelimit-reset", "")
            wait = float(reset) if reset.isascii() and reset.isdecimal() and float(reset) <= _LONGEST else None
            if refused.headers.get("x-daily-requests-left") == "0":
                wait = max(wait or 0.0, _SPENT)
            wait = getattr(refused, "retry_after", None) or wait
            return TemporaryFailure(refused.reason, status=429, retry_after=wait)
        if refused.status == 402:
            return DestinationUnusable(f"the Pipedrive account is not paid for: {refused.reason}", status=402)
        return refused

    def _at(self, *parts: str, **query: str | int) -> str:
        return join(f"{self.settings.url}/api/v2", *parts, **query)

    def _activity(self, call: CallFacts, title: str, note: str, contacts: list[str]) -> dict[str, Any]:
        """Return the call for Pipedrive: its day and time in UTC, its duration in minutes begun."""
        started, minutes, owner = call.started.astimezone(UTC), -(-call.talked // 60), self.owner(call)
        said: dict[str, Any] = {
            "subject": title,
            "type": self.settings.activity_type,
            "done": call.outcome is not None,
            "due_date": f"{started:%Y-%m-%d}",
            "due_time": f"{started:%H:%M}",
            "duration": f"{minutes // 60:02}:{minutes % 60:02}",
            "note": note,
            "participants": [
                {"person_id": int(contact), "primary": contact == contacts[0]} for contact in dict.fromkeys(contacts)
            ],
        }
        return said | ({"owner_id": int(owner)} if owner else {})

    def _written(self, call: CallFacts, mark: str) -> str | None:
        """Return the activity of a call whose answer never came: Pipedrive has no key against writing twice."""
        since, cursor = f"{call.since:%Y-%m-%dT%H:%M:%SZ}", dict[str, str]()
        for _ in range(PAGES):
            asked = self._at("activities", updated_since=since, limit=PAGE, **cursor)
            page = self.ask("GET", asked) or {}
            for activity in _listed(page.get("data")):
                if str(activity.get("note") or "").endswith(mark):
                    return str(activity["id"])
            following = (page.get("additional_data") or {}).get("next_cursor")
            if not following:
                return None
            cursor = {"cursor": str(following)}
        raise PermanentFailure(
            f"more than {PAGES * PAGE} activities were changed since the call, so whether it is among them is not known"
        )


def _data(answer: Any) -> dict[str, Any]:
    data = answer.get("data") if isinstance(answer, dict) else None
    return data if isinstance(data, dict) else {}


def _listed(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
