"""The way of a call into any CRM: its contact is found, then its one record is written. Plugins fill in the rest."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator

from router import phone
from router.crm.call import CallFacts, facts_of
from router.crm.contacts import Contact, Several, choose
from router.errors import AnswerLost, DeliveryFailed, TakenAsDelivered, TemporaryFailure
from router.phone import Number
from router.plugin import Delivery, Plugin, Receipt, Secret, Settings, Template, setting

#: No CRM takes a longer title or note, and a single value of an event fills neither.
_TITLE, _NOTE, _VALUE = 255, 30_000, 2000

#: In seconds; what asks for more is a mistake.
_LONGEST_WAIT = 36000.0

_TITLE_TEXT = Template("""\
{%- set outside = call.to if call.direction == "outbound" else call.from -%}
{%- set who = facts.customer_number_international or outside or "an unknown number" -%}
{%- if call.missed %}Missed call from {{ who }}
{%- else %}Call {{ "to" if call.direction == "outbound" else "from" }} {{ who }}
{%- if call.state != "ended" %} ({{ "in progress" if call.answered else call.state }})
{%- elif call.outcome != "answered" %} ({{ call.outcome | replace("_", " ") }})
{%- endif %}{% endif %}""")

_NOTE_TEXT = Template("""\
From {{ call.from | phone or "an unknown number" }} to {{ call.to | phone or "an unknown number" }}
{%- if call.outcome %}
Outcome: {{ "missed" if call.missed else call.outcome | replace("_", " ") }}{% endif %}
{%- if call.missed and (call.calls_today or 0) > 1 %}
{{ call.calls_today | ordinal }}{{ " or later" if call.calls_today == 100 -}}
{#- counting stops there #} {{ "try" if call.missed_today == call.calls_today else "call" }} of the day{% endif %}
{%- if call.ring_seconds is not none %}
Rang {{ call.ring_seconds | duration }}{% endif %}
{%- if call.talk_seconds is not none %}
Talked {{ call.talk_seconds | duration }}{% endif %}
{%- if call.tag %}
Tag: {{ call.tag }}{% endif %}""")


def _own_numbers(owners: dict[str, str]) -> dict[str, str]:
    for number in owners:
        read = phone.parse(number, None)
        if read is None or read.e164 != number:
            raise ValueError(f'"{number}" is no number with plus and country code; write for example "+442079460958"')
    return owners


class CrmSettings(Settings):
    """Keys that every destination of a CRM has."""

    several: Several = setting(
        "Which contact is taken when several have the number: `oldest` or `newest` by creation, or `all` of them.",
        default="oldest",
    )
    create_contact: bool = setting(
        "Whether an outside number that no contact has becomes a new contact. Otherwise such a call has no contact.",
        default=False,
    )
    owners: Annotated[dict[str, str], AfterValidator(_own_numbers)] = setting(
        "Who owns the calls of which of your numbers: the number, and the id of a user of the CRM.",
        default={},
        example='{"+442079460958": "1234567"}',
    )
    owner: str | None = setting(
        "The id of the user who owns all other calls. Without it the CRM decides.", default=None, example="1234567"
    )
    title: Template = setting("The title of the record.", default=_TITLE_TEXT)
    note: Template = setting("The text of the record.", default=_NOTE_TEXT)


@dataclass(frozen=True, slots=True)
class Known:
    """What the receipt tells of the call: the id of its record, None before the first, and whom it was linked with."""

    id: str | None
    contacts: tuple[str, ...]


S = TypeVar("S", bound=CrmSettings)


class Crm(Plugin[S]):
    """Keeps one record per call, and writes it again as the call goes on."""

    uses_receipts = True
    # The CRM, or a look at what it has, tells whether a call has its record already.
    repeatable = True
    order = "call"
    #: Whether title and note are HTML there.
    note_is_html = False

    def deliver(self, delivery: Delivery) -> Receipt | None:
        if delivery.is_alert:  # news of callrouter, and of no call
            return None
        call = facts_of(delivery.call, delivery.facts, delivery.accepted_at)
        if not self.keeps(call):
            return delivery.receipt
        known = known_by(delivery.receipt, self.type)
        contacts = list(known.contacts) or self._contacts(call)
        record = self.write(call, self._texts(delivery), known, contacts)
        return self._receipt(record, contacts)

    def keeps(self, call: CallFacts) -> bool:  # noqa: ARG002 - most CRMs keep every call
        """Return whether the CRM can keep *call* as it stands; if not, the delivery is done without it."""
        return True

    @abstractmethod
    def find(self, number: Number) -> Iterable[Contact]:
        """Return contacts that may have *number*; too many rather than too few, they are compared afterwards."""

    @abstractmethod
    def create(self, number: Number) -> str:
        """Return the id of a new contact with *number*, or of one this plugin created for it before."""

    @abstractmethod
    def write(self, call: CallFacts, texts: tuple[str, str], known: Known, contacts: list[str]) -> str:
        """Write the record of *call*, about *contacts*, with its title and note, and return its id."""

    @abstractmethod
    def headers(self) -> Mapping[str, str | Secret]:
        """Return what makes the CRM believe us."""

    def judge(self, refused: DeliveryFailed) -> DeliveryFailed:
        """Return what *refused* means at this CRM; the same where it says nothing of its own by it."""
        return refused

    def ask(self, method: str, address: str, *, json: Any = None, writes: bool = False) -> Any:
        """Send one request and return the JSON answered, None for an empty answer.

        Where nothing is written by it, a lost answer is no doubt about anything: it is a TemporaryFailure.
        """
        failed: DeliveryFailed | None = None
        try:
            answer = self.http.request(method, address, headers=self.headers(), json=json)
        except TakenAsDelivered:
            raise
        except AnswerLost as ex:
            failed = ex if writes else TemporaryFailure(ex.reason, status=ex.status)
        except DeliveryFailed as ex:
            failed = self.judge(ex)
        if failed is not None:
            raise failed
        if not answer.body:
            return None
        said = json_of(answer.body)
        # What is looked up comes as an object, at every CRM.
        if said is None or not (writes or isinstance(said, dict)):
            raise TemporaryFailure(
                "the CRM's answer is no JSON of its API; is its address right?", status=answer.status
            )
        return said

    def owner(self, call: CallFacts) -> str | None:
        """Return the id of the user who owns *call*; None: the CRM decides."""
        return self.settings.owners.get(call.line or "", self.settings.owner)

    def _receipt(self, record: str, contacts: Iterable[str]) -> Receipt:
        return {"crm": self.type, "id": record, "contacts": list(contacts)}

    def _texts(self, delivery: Delivery) -> tuple[str, str]:
        title = delivery.render(self.settings.title, _cut).strip()[:_TITLE]
        note = delivery.render(self.settings.note, _html if self.note_is_html else _cut).strip()
        return title, note.replace("\n", "<br>") if self.note_is_html else note[:_NOTE]

    def _contacts(self, call: CallFacts) -> list[str]:
        if call.customer is None:
            return []
        found = choose(self.find(call.customer), call.customer, call.home, self.settings.several)
        if not found and self.settings.create_contact:
            return [self.create(call.customer)]
        return found


def known_by(receipt: Receipt | None, type: str) -> Known:
    """Return what *receipt* tells a CRM of this *type*."""
    # Before the last change of config.yaml the destination may have been another CRM, with ids of its own.
    ours = receipt if receipt and receipt.get("crm") == type else {}
    return Known(ours.get("id"), tuple(ours.get("contacts", ())))


def json_of(body: bytes) -> Any:
    """Return what *body* says, None where that is no JSON: an error page comes as HTML."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def asked_to_wait(refused: DeliveryFailed) -> float | None:
    """Return the seconds that a refusal's Retry-After asks for, whatever its status; None where it asks nothing."""
    given = refused.headers.get("retry-after", "")
    return min(float(given), _LONGEST_WAIT) if given.isascii() and given.isdecimal() else None


def identifier(answer: Any, *way: str | int) -> str:
    """Return the id that stands in *answer* at the end of *way*; raise TemporaryFailure when there is none."""
    for step in way:
        try:
            answer = answer[step]
        except (LookupError, TypeError):
            raise TemporaryFailure("the CRM accepted the call and did not say under which id it keeps it") from None
    return str(answer)


def _html(value: Any) -> str:
    return escape(_cut(value))


def _cut(value: Any) -> str:
    return str(value)[:_VALUE]
