"""The contract between callrouter and a plugin. The only module of ``router`` that a plugin may import.

A plugin is one class that knows how to tell one kind of destination of one call event. It is made once per
destination and sender thread, and then called again and again from that thread.
"""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticUndefined

from router import clock
from router.errors import AnswerLost, DeliveryFailed, DestinationUnusable, PermanentFailure, TemporaryFailure
from router.event import ALERT
from router.filters import Link
from router.places import Url, form
from router.secret import Secret
from router.signature import check_secret, sign
from router.templates import CannotFillIn, Template, plain
from router.wording import HEADLINE, PARTICULARS, story

__all__ = [
    "HEADLINE",
    "PARTICULARS",
    "Answer",
    "AnswerLost",
    "Delivery",
    "DeliveryFailed",
    "DestinationUnusable",
    "Http",
    "Mail",
    "MailServer",
    "PermanentFailure",
    "Plugin",
    "Receipt",
    "Result",
    "Secret",
    "Settings",
    "Template",
    "TemporaryFailure",
    "Trial",
    "Url",
    "check_secret",
    "form",
    "setting",
    "sign",
    "story",
]

#: What a destination gave back that the next delivery of the same call will need: JSON values only.
Receipt = dict[str, Any]

#: What became of one delivery of a batch: delivered, with a receipt or without, or the failure it ended in.
Result = Receipt | DeliveryFailed | None

#: What every template says of an alert, whatever it says of calls.
_ALERT = Template("callrouter: {{ event.event_payload.sentence }}")
#: From this many seconds on the small print says that a text is late.
_LATE = 300
#: More of an id, or of the name of a rule, is noise.
_LONGEST_NAME = 80

#: What is said of an event where an operator's own words fail; it can be filled in for every event.
_PLAIN_WORDS = Template("""\
{%- set kind = event.event_type -%}
{{ "Correction: " if kind == "call_corrected" -}}
{%- if facts.missed | default(false) -%} Missed call
{%- elif kind in ("call_ended", "call_corrected") -%}
  Call ended ({{ (facts.outcome | default(none) or "unknown") | replace("_", " ") }})
{%- else -%} {{ (kind or "event") | replace("_", " ") | capitalize }}: call
{%- endif %} from {{ event.from | phone or "an unknown number" }} to {{ event.to | phone or "an unknown number" }}
{%- if event.event_time %}, {{ event.event_time | time(date=true) }}{% endif %}""")


def empty(text: str) -> str | None:
    """Return what is wrong with a *text* in which there is nothing to read."""
    return None if text.strip() else "it makes an empty text"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One call event owed to one destination, as handed to a plugin at one attempt."""

    #: The same over all attempts; give it to destinations that drop what they have seen before.
    key: str
    #: 1 at the first attempt.
    attempt: int
    destination: str
    #: The rule that asked for this delivery; None when ``always`` or ``unmatched`` did.
    rule: str | None
    #: Every field of the sender by its own name, plus ``source``.
    event: Mapping[str, Any]
    #: The sender's own JSON, byte for byte.
    body: bytes
    #: The call as it stands at this attempt.
    call: Mapping[str, Any]
    #: What callrouter worked out when it routed the event: ``missed``, ``ring_seconds``, …
    facts: Mapping[str, Any]
    #: What the last successful delivery of the same call to the same destination returned.
    receipt: Receipt | None
    #: When callrouter answered 200 for the event, in seconds since 1970.
    accepted_at: float
    #: When this attempt is made, in seconds since 1970.
    attempted_at: float
    #: Templates that could not be filled in, each with the reason; ``render`` writes them down. Those that had a
    #: *fallback* are here for an alert as well.
    unfilled: list[tuple[Template, str]] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def names(self) -> dict[str, Any]:
        """What a template of a destination can use: ``event``, ``call``, ``facts`` and ``delivery``."""
        return {
            "event": self.event,
            "call": self.call,
            "facts": self.facts,
            "delivery": {
                "key": self.key,
                "attempt": self.attempt,
                "rule": self.rule,
                "time": clock.text(self.attempted_at),
            },
        }

    @property
    def is_alert(self) -> bool:
        """Whether this is callrouter's own news about itself, and of no call: ``event.event_payload`` has it."""
        return self.event.get("event_type") == ALERT

    def render(
        self,
        template: Template,
        escape: Callable[[Any], str] = plain,
        fallback: str | None = None,
        *,
        link: Link | None = None,
        fault: Callable[[str], str | None] = empty,
    ) -> str:
        """Return what *template* says of this delivery, every value in it escaped by *escape*.

        A mistake in an operator's text must not lose a delivery: where the template cannot be filled in, or *fault*
        finds something wrong with the text made (an empty one by default), the reason is kept in ``unfilled`` and
        *fallback* returned; without one, a sentence that says who called whom, what happened and when, escaped as
        well. *link* writes a link out of its address and its words, both unescaped.

        A template is written for calls. Of an alert, callrouter's own news about itself, every one says the alert's
        sentence; where there is a *fallback*, that counts.
        """
        if self.is_alert:
            if fallback is None:
                return _ALERT.render(self.names, escape)
            self.unfilled.append((template, "it is for calls, and this is an alert"))
            return fallback
        try:
            text = template.render(self.names, escape, link)
            why = fault(text)
        except CannotFillIn as ex:
            text, why = "", ex.why
        if why is None:
            return text
        self.unfilled.append((template, why))
        return _PLAIN_WORDS.render(self.names, escape) if fallback is None else fallback

    def address(self, url: Url) -> Secret:
        """Return *url* with its templates filled in for this delivery, for ``http.request``.

        Every value is percent-encoded. Raises PermanentFailure where the address cannot be made: there is no other
        place that the news could go to.
        """
        return url if url.template is None else url.filled(self.names)

    def small_print(self, escape: Callable[[Any], str] = plain) -> str:
        """Return the rule, the source and the id of the call in one line, and how late it is told if by minutes.

        It goes below a text, for whoever looks into it. Strangers' words in it are cut short, then escaped.
        """
        parts = (self.rule, self.event.get("source"), self.event.get("uuid"))
        text = " · ".join(escape(" ".join(part[:_LONGEST_NAME].split())) for part in parts if part)
        age = self.attempted_at - self.accepted_at
        return f"told {age / 60:.0f} min late · {text}" if age > _LATE else text


@dataclass(frozen=True, slots=True)
class Answer:
    """A destination's 2xx answer. ``body`` is cut at a megabyte; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http(Protocol):
    """The router's own way out to the network, handed to every plugin."""

    def request(
        self,
        method: str,
        url: str | Secret,
        *,
        headers: Mapping[str, str | Secret] | None = None,
        json: Any = None,
        body: bytes | None = None,
        for_access: bool = False,
    ) -> Answer:
        """Send one request and return the answer when it is a 2xx.

        Otherwise raise the fitting failure: time limits, Retry-After, which statuses are worth another try,
        refused addresses, redirects, and keeping *url* and headers out of every text are decided here, so
        that no plugin can forget them. Give *json* (any JSON value) or *body*, not both. A request *for_access* asks
        for a token: ``answers:`` of the destination, which is about news of calls, says nothing of its statuses, and
        its 2xx answer is kept nowhere.
        """


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server that takes our mail, and how to speak to it."""

    host: str
    port: int
    #: ``starttls``: TLS once connected, or nothing is sent. ``implicit``: TLS from the first byte. ``none``: no TLS.
    tls: Literal["starttls", "implicit", "none"]
    user: str | None = None
    password: Secret | None = None


class Mail(Protocol):
    """The router's own way to a mail server, handed to every plugin that says ``uses_mail``."""

    def send(self, server: MailServer, sender: str, recipients: Sequence[str], message: bytes) -> None:
        """Hand *message* (RFC 5322, lines ending in CRLF) to *server* and return when it has accepted it for everybody.

        Otherwise raise the fitting failure, and nothing was sent to anybody; only AnswerLost means that it may have
        been. Time limits, refused addresses, certificates, which replies are worth another try, and keeping the
        password out of every text are decided here.
        """


class Settings(BaseModel):
    """Base of a plugin's settings: the keys its destinations may have in config.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def setting(help: str, *, default: Any = PydanticUndefined, example: str | None = None) -> Any:
    """Declare one setting; without *default* the operator must give it. *help* is the manual's sentence."""
    return Field(default, description=help, examples=[example] if example is not None else None)


@dataclass(frozen=True, slots=True)
class Trial:
    """What the checks of a plugin need (``callrouter plugins check``, ``check_plugin``). They send nothing."""

    #: As in config.yaml, where they cannot be made of the settings' examples. Every secret is made up.
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: The JSON that the destination answers to whatever it is asked, with status 200; None: an empty answer.
    says: Any = None


S = TypeVar("S", bound=Settings)


class Plugin(ABC, Generic[S]):
    """Tells one kind of destination of call events."""

    #: The word after ``type:`` in config.yaml.
    type: ClassVar[str]
    #: The class of ``settings``.
    Settings: ClassVar[builtins.type[Settings]]
    #: True when the destination itself drops what it has seen before (upsert, dedup key).
    repeatable: ClassVar[bool] = False
    #: True when ``deliver`` reads ``delivery.receipt``; such a plugin refuses ``order: none``.
    uses_receipts: ClassVar[bool] = False
    #: True when ``deliver`` sends mail, through ``self.mail``.
    uses_mail: ClassVar[bool] = False
    #: How many deliveries ``deliver_many`` takes at once. 1: it is not offered, and each is delivered by itself.
    batch_size: ClassVar[int] = 1
    #: What ``order:`` is where config.yaml does not say.
    order: ClassVar[Literal["call", "none"]] = "none"
    #: What its checks use.
    trial: ClassVar[Trial] = Trial()

    def __init__(self, settings: S, http: Http, mail: Mail | None = None) -> None:
        self.settings = settings
        self.http = http
        self._mail = mail

    @property
    def mail(self) -> Mail:
        """The way to a mail server; raises TypeError in a plugin that does not say ``uses_mail``."""
        if self._mail is None:
            raise TypeError("only a plugin that says uses_mail = True is given mail")
        return self._mail

    @abstractmethod
    def deliver(self, delivery: Delivery) -> Receipt | None:
        """Tell the destination; return when it has accepted, with a receipt where the next one needs it.

        Raise TemporaryFailure to be called again later, PermanentFailure to give up, DestinationUnusable to
        pause the destination until an operator has acted, AnswerLost when nobody can know. Any other
        exception is a bug: it is logged with its traceback and tried again under the same policy. The same
        delivery may come more than once.
        """

    def deliver_many(self, deliveries: Sequence[Delivery]) -> Sequence[Result]:
        """Tell the destination of *deliveries*, at most ``batch_size``, and return what became of each, in their order.

        It is called where several wait, each of another call; ``deliver`` goes on being called for one. Raise only what
        is true of all: a failure that may come to an end, a lost answer and an unusable destination then count for each
        of them; after a PermanentFailure, or a bug, the batch is tried again in halves, until who is at fault stands
        alone. A delivery of which the destination said nothing has ended in AnswerLost.
        """
        raise TypeError(
            f"batch_size is {self.batch_size}, but there is no deliver_many for {len(deliveries)} deliveries"
        )
