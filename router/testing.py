"""For authors of plugins: make deliveries, record requests, check a plugin against the contract."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from typing import Any

from pydantic import ValidationError

from router import event as events
from router.errors import (
    AnswerLost,
    DeliveryFailed,
    DestinationUnusable,
    PermanentFailure,
    TemporaryFailure,
)
from router.outgoing import secrets_in
from router.plugin import Answer, Delivery, MailServer, Plugin, Receipt, Secret, Settings, Template

_EVENT: dict[str, Any] = {
    "uuid": "5dccb6b0-f35c-488c-867b-86fb012c4415",
    "event_type": "call_ended",
    "event_time": "2026-03-02T14:05:18.388Z",
    "event_payload": {},
    "from": "+447700900123",
    "to": "442079460958",
    "call_started": "2026-03-02T14:05:00.000Z",
    "call_answered": None,
    "call_completed": "2026-03-02T14:05:18.388Z",
    "machine_detected": False,
    "tag": "",
    "direction": "inbound",
}

_FACTS = {
    "first": False,
    "late": False,
    "answered": False,
    "ring_seconds": 18.0,
    "talk_seconds": None,
    "direction": "inbound",
    "from_number": "+447700900123",
    "to_number": "+442079460958",
    "customer_number": "+447700900123",
    "from_number_international": "+44 7700 900123",
    "to_number_international": "+44 20 7946 0958",
    "customer_number_international": "+44 7700 900123",
    "from_country": "GB",
    "to_country": "GB",
    "customer_country": "GB",
    "local_time": "2026-03-02T14:05+00:00",
    "weekday": "mon",
    "date": "2026-03-02",
    "timezone": "Europe/London",
}

_CALL = {
    "source": "test",
    "uuid": _EVENT["uuid"],
    "state": "ended",
    "direction": "inbound",
    "from": "+447700900123",
    "to": "442079460958",
    "tag": None,
    "started_at": "2026-03-02T14:05:00.000Z",
    "answered_at": None,
    "ended_at": "2026-03-02T14:05:18.388Z",
    "answered": False,
    "machine": False,
    "outcome": "no_answer",
    "missed": True,
    "ring_seconds": 18.0,
    "talk_seconds": None,
    "first_event_at": "2026-03-02T14:05:00.000Z",
    "last_event_at": "2026-03-02T14:05:18.388Z",
    "events": 3,
}

#: What is different of a call that is not over.
_GOING_ON = {"ended_at": None, "outcome": None, "missed": False, "ring_seconds": None}
_STATES = {"call_setup": "setup", "ringing": "ringing", "early_media": "ringing", "answered": "answered"}

#: What a caller may have put into a name or a tag, each against another kind of destination.
HOSTILE = (
    "<!channel> <@U123> <https://evil.example|click>",
    "{{ 7 * 7 }} {% for i in range(9) %}x{% endfor %}",
    "line\r\nX-Injected: yes\r\n\r\nbody",
    '"}, "injected": {"a": "',
    "\x1b[2J\x1b]0;title\x07\u202e\ud7ff",
    "日本語 😀 é",
    "x" * 20_000,
)


def make_delivery(
    event_type: str = "call_ended",
    *,
    event: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Delivery:
    """Return a delivery as callrouter would hand it over: a missed call, unless told otherwise.

    *event* and *facts* replace single fields; *changes* replaces anything else of the delivery (``receipt=…``).
    """
    fields = {**_EVENT, "event_type": event_type, **(event or {})}
    body = json.dumps(fields).encode()
    known: dict[str, Any] = dict(_FACTS)
    if event_type in ("call_ended", "call_corrected"):
        known |= {"ended": True, "missed": True, "outcome": "no_answer"}
    delivery = Delivery(
        key="2f1c7c52",
        attempt=1,
        destination="test",
        rule="missed-calls",
        event=events.read(body, "test", 1772460319.0).fields,
        body=body,
        call=_call(event_type, fields),
        facts={**known, **(facts or {})},
        receipt=None,
        accepted_at=1772460319.0,
        attempted_at=1772460319.0,
    )
    return replace(delivery, **changes)


def _call(event_type: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the call after that one event."""
    told = {"from": fields["from"] or "", "to": fields["to"] or "", "tag": fields["tag"]}
    state = _STATES.get(event_type)
    return {**_CALL, **told, **({"state": state, **_GOING_ON} if state else {})}


@dataclass(frozen=True, slots=True)
class Request:
    """One request a plugin made. Header names are lower case, secrets are their text."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class RecordingHttp:
    """An ``Http`` that sends nothing: it keeps each request and gives the next of *answers*, the last one for ever.

    An answer is an ``Answer``, or an exception to raise. Without answers it is an empty 200.
    """

    def __init__(self, *answers: Answer | Exception) -> None:
        self.requests: list[Request] = []
        self._answers = list(answers) or [Answer(200, {}, b"")]

    def request(
        self,
        method: str,
        url: str | Secret,
        *,
        headers: Mapping[str, str | Secret] | None = None,
        json: Any = None,
        body: bytes | None = None,
    ) -> Answer:
        if json is not None and body is not None:
            raise TypeError("give json or body, not both")
        sent = {name.lower(): _text(value) for name, value in (headers or {}).items()}
        if json is not None:
            body = _dump(json)
            sent.setdefault("content-type", "application/json")
        self.requests.append(Request(method, _text(url), sent, body or b""))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass(frozen=True, slots=True)
class SentMail:
    """One mail a plugin sent."""

    server: MailServer
    sender: str
    recipients: tuple[str, ...]
    body: bytes

    @property
    def message(self) -> EmailMessage:
        """The mail, read."""
        return message_from_bytes(self.body, policy=default_policy)


class RecordingMail:
    """A ``Mail`` that sends nothing: it keeps each mail, and raises *failure* where one is given."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.sent: list[SentMail] = []
        self._failure = failure

    def send(self, server: MailServer, sender: str, recipients: Sequence[str], message: bytes) -> None:
        self.sent.append(SentMail(server, sender, tuple(recipients), message))
        if self._failure:
            raise self._failure


def check_plugin(plugin: type[Plugin[Any]], settings: Mapping[str, Any], *answers: Answer) -> list[str]:
    """Return what *plugin* does against the contract, as sentences; nothing when it keeps it.

    *settings* are written as in config.yaml, with every secret set. *answers* are what its destination would say.
    Nothing is sent.
    """
    problems = list(_declared(plugin))
    if problems:
        return problems
    try:
        made = plugin.Settings.model_validate(dict(settings))
    except ValidationError as ex:
        return [
            f"the settings given are refused: {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in ex.errors()
        ]
    check = _Check(plugin, made, answers)
    for attempt in (
        check.deliveries,
        check.hostile_text,
        check.failures,
        check.one_delivery_twice,
        check.templates,
    ):
        problems.extend(attempt())
    return problems


def _text(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _declared(plugin: type[Plugin[Any]]) -> Iterator[str]:
    if not getattr(plugin, "type", ""):
        yield "it has no `type`, the word after type: in config.yaml"
    settings = getattr(plugin, "Settings", None)
    if not (isinstance(settings, type) and issubclass(settings, Settings)):
        yield "its `Settings` is not a class derived from router.plugin.Settings"
        return
    for name, field in settings.model_fields.items():
        if not field.description:
            yield f"the setting {name} has no help; declare it with setting(…)"
    if plugin.uses_receipts and plugin.order == "none":
        yield 'it uses receipts, so its `order` must be "call"'


class _Check:
    def __init__(self, plugin: type[Plugin[Any]], settings: Settings, answers: tuple[Answer, ...]) -> None:
        self._plugin = plugin
        self._settings = settings
        self._answers = answers
        self._secrets = {secret for secret in secrets_in(settings) if len(secret) > 3}

    def deliveries(self) -> Iterator[str]:
        for kind in ("call_setup", "ringing", "answered", "completed", "on_call_event", "call_ended", "call_corrected"):
            yield from self._deliver(f"a {kind} event", make_delivery(kind))
        nulls: dict[str, Any] = dict.fromkeys(_FACTS)
        bare = make_delivery("ringing", event=dict.fromkeys(("from", "to", "tag", "direction")), facts=nulls)
        yield from self._deliver("an event whose fields are null", bare)

    def one_delivery_twice(self) -> Iterator[str]:
        delivery = make_delivery()
        made = self._made(self._http(), RecordingMail())
        for attempt in (1, 2):
            yield from self._attempt(f"attempt {attempt} at one delivery", made, replace(delivery, attempt=attempt))

    def hostile_text(self) -> Iterator[str]:
        for text in HOSTILE:
            http, mail = self._http(), RecordingMail()
            hostile = make_delivery(event={"tag": text, "from": text, "event_payload": {"name": text}})
            yield from self._deliver(f"the text {text[:30]!r}", hostile, http, mail)
            headers = [value for request in http.requests for value in request.headers.values()]
            injected = [sent for sent in mail.sent if "X-Injected" in sent.message]
            if injected or any("\r" in value or "\n" in value for value in headers):
                yield f"the text {text[:30]!r} put a line end into a header"

    def templates(self) -> Iterator[str]:
        for name in type(self._settings).model_fields:
            if not isinstance(getattr(self._settings, name, None), Template):
                continue
            for source, what in (("{{ event.no_such_field }}", "cannot be filled in"), (" ", "makes nothing")):
                settings = self._settings.model_copy(update={name: Template(source)})
                check = _Check(self._plugin, settings, self._answers)
                yield from check._deliver(f"a template of {name} that {what}", make_delivery())

    def failures(self) -> Iterator[str]:
        for failure in (
            TemporaryFailure("crm.example answered 503 Service Unavailable", status=503, retry_after=3.0),
            PermanentFailure("crm.example answered 404 Not Found", status=404),
            DestinationUnusable("crm.example answered 401 Unauthorized", status=401),
            AnswerLost("crm.example did not answer within 30s; whether it accepted is not known"),
        ):
            http, mail = RecordingHttp(failure), RecordingMail(failure)
            name = type(failure).__name__
            caught = yield from self._deliver(f"a {name}", make_delivery(), http, mail, may_fail=True)
            if (http.requests or mail.sent) and caught is None:
                what = "http" if http.requests else "mail"
                yield f"a {name} of its {what} was swallowed: the delivery would count as delivered"

    def _http(self) -> RecordingHttp:
        return RecordingHttp(*self._answers)

    def _made(self, http: RecordingHttp, mail: RecordingMail) -> Plugin[Any]:
        if self._plugin.uses_mail:
            return self._plugin(self._settings, http, mail)
        return self._plugin(self._settings, http)

    def _deliver(
        self,
        what: str,
        delivery: Delivery,
        http: RecordingHttp | None = None,
        mail: RecordingMail | None = None,
        *,
        may_fail: bool = False,
    ) -> Any:
        try:
            made = self._made(http or self._http(), mail or RecordingMail())
        except Exception as ex:  # noqa: BLE001  # the very thing that is looked for
            yield f"it cannot be made: {type(ex).__name__}: {ex}"
            return None
        return (yield from self._attempt(what, made, delivery, may_fail=may_fail))

    def _attempt(self, what: str, made: Plugin[Any], delivery: Delivery, *, may_fail: bool = False) -> Any:
        """Make one attempt; yield what is wrong with it and return the failure it ended in."""
        receipt: Receipt | None = None
        caught: Exception | None = None
        with _overheard() as said:
            try:
                receipt = made.deliver(delivery)
            except Exception as ex:  # noqa: BLE001  # the very thing that is looked for
                caught = ex
        if caught and not isinstance(caught, DeliveryFailed):
            yield f"{what} ended in a bug: {type(caught).__name__}: {caught}"
        elif caught and not may_fail:
            yield f"{what} was not delivered: {caught}"
        if any(secret in said() + _everything(caught) for secret in self._secrets):
            yield f"{what} brought a secret to light, in a failure, a log or the output"
        if not _is_json_object_or_none(receipt):
            yield f"{what} returned a receipt that is neither None nor a dict of JSON values"
        return caught


@contextlib.contextmanager
def _overheard() -> Iterator[Callable[[], str]]:
    """Collect all that is logged or printed meanwhile."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            yield said.getvalue
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def _everything(failure: BaseException | None) -> str:
    said: list[str] = []
    while failure is not None:
        said += [str(failure), repr(failure), *traceback.format_exception_only(failure)]
        failure = failure.__cause__ or failure.__context__
    return "\n".join(said)


def _is_json_object_or_none(receipt: Any) -> bool:
    try:
        return receipt is None or (isinstance(receipt, dict) and json.loads(json.dumps(receipt)) == receipt)
    except (TypeError, ValueError):
        return False
