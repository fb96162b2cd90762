"""What the contract promises of every delivery, tried with one plugin. Each method yields what does not hold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from router import event as events
from router.errors import AnswerLost, DestinationUnusable, TemporaryFailure
from router.plugin import Answer, Delivery, Template
from router.rendering import templates
from router.testing.attempting import FAILURES, Attempting, Ended, is_json_object, shortly
from router.testing.deliveries import FACTS, HOSTILE, make_delivery
from router.testing.recording import RecordingHttp, RecordingMail, Request

_KINDS = ("call_setup", "ringing", "answered", "completed", "on_call_event", "call_ended", "call_corrected")

#: What nobody expects of a destination: the error page of a proxy, another shape, no text at all.
_NONSENSE = (b"", b"<html>Bad gateway</html>", b"null", b"[]", b"[1]", b'"ok"', b'{"error": {"code": 7}}', b"\xff\xfe{")

_BAD_TEMPLATES = (
    ("{{ event.no_such_field }}", "cannot be filled in"),
    ("{{ 1 // 0 }}", "cannot be worked out"),
    (" ", "makes nothing"),
)


class Promises:
    """The promises of one plugin's attempts."""

    def __init__(self, attempting: Attempting) -> None:
        self._attempting = attempting
        plain = attempting.deliver("a call_ended event", make_delivery())
        #: Whether the plugin reaches its destination by itself, and did not find it: then nobody can tell.
        self.reaches_itself = not plain.told and isinstance(
            plain.failed, (TemporaryFailure, DestinationUnusable, AnswerLost)
        )
        self._hosts = set(map(_host, plain.http.requests))

    def deliveries(self) -> Iterator[str]:
        """Every kind of event is delivered, an alert, and one of which nothing is known."""
        for kind in _KINDS:
            yield from self._delivered(f"a {kind} event", make_delivery(kind))
        yield from self._delivered("an alert", make_delivery(events.ALERT))
        nulls: dict[str, Any] = dict.fromkeys(FACTS)
        bare = make_delivery("ringing", event=dict.fromkeys(("from", "to", "tag", "direction")), facts=nulls)
        yield from self._delivered("an event whose fields are null", bare)

    def hostile_text(self) -> Iterator[str]:
        """What strangers write stays text wherever it lands."""
        for text in HOSTILE:
            http, mail = self._attempting.http(), RecordingMail()
            hostile = make_delivery(event={"tag": text, "from": text, "event_payload": {"name": text}})
            what = f"the text {text[:30]!r}"
            yield from self._delivered(what, hostile, http, mail)
            headers = [value for request in http.requests for value in request.headers.values()]
            injected = [sent for sent in mail.sent if "X-Injected" in sent.message]
            if injected or any("\r" in value or "\n" in value for value in headers):
                yield f"{what} put a line end into a header"
            for request in http.requests:
                yield from _broken_by(what, request)
                if self._hosts and _host(request) not in self._hosts:
                    yield f"{what} chose whom a request goes to"

    def failures(self) -> Iterator[str]:
        """What its ways out raise is passed on, and it does not try again by itself."""
        for failure in FAILURES:
            name = type(failure).__name__
            http, mail = self._attempting.http(failure), RecordingMail(failure)
            ended = self._attempting.deliver(f"a {name}", make_delivery(), http, mail)
            yield from _ended_well(f"a {name}", ended)
            if ended.told and ended.failed is None and ended.bug is None:
                what = "http" if http.requests else "mail"
                yield f"a {name} of its {what} was swallowed: the delivery would count as delivered"
            asked = Counter((request.method, request.url, request.body) for request in http.requests)
            if isinstance(failure, TemporaryFailure) and (len(mail.sent) > 1 or any(asked[one] > 1 for one in asked)):
                yield "it tries again by itself; raise TemporaryFailure, and callrouter tries again when it is time"

    def nonsense(self) -> Iterator[str]:
        """An answer that makes no sense is a failure or nothing, and no bug."""
        for body in _NONSENSE:
            what = f"the answer {body[:30]!r}"
            ended = self._attempting.deliver(what, make_delivery(), self._attempting.http(Answer(200, {}, body)))
            yield from _ended_well(what, ended)

    def one_delivery_twice(self) -> Iterator[str]:
        """The same delivery may come again, to the same plugin and to one made anew."""
        delivery, ended = make_delivery(), Ended(self._attempting.http(), RecordingMail())
        try:
            made = self._attempting.made(ended.http, ended.mail)
        except Exception as ex:  # noqa: BLE001  # the very thing that is looked for
            yield f"it cannot be made: {shortly(ex)}"
            return
        for attempt in (1, 2):
            what = f"attempt {attempt} at one delivery"
            ended = self._attempting.attempt(
                what, made, replace(delivery, attempt=attempt), Ended(ended.http, ended.mail)
            )
            yield from self._judged(what, ended)
        yield from self._delivered("attempt 3 at one delivery, after a restart", replace(delivery, attempt=3))

    def receipts(self) -> Iterator[str]:
        """What it returned comes back with the next event of the call, and so does what it returned before a change."""
        receipt = None
        for kind in ("ringing", "answered", "call_ended", "call_corrected"):
            what = f"a {kind} event with the receipt of the one before"
            ended = self._attempting.deliver(what, make_delivery(kind, receipt=receipt))
            yield from self._judged(what, ended)
            receipt = json.loads(json.dumps(ended.receipt)) if is_json_object(ended.receipt) else receipt
        older = make_delivery(receipt={"of": "an older version"})
        yield from _ended_well("a receipt of an older version", self._attempting.deliver("an older receipt", older))

    def templates(self) -> Iterator[str]:
        """A mistake in an operator's text loses no news."""
        settings = self._attempting.settings
        for path, template in templates(settings):
            for source, fault in _BAD_TEMPLATES:
                attempting = self._attempting.with_settings(_with(settings, template, Template(source)))
                what = f"a template of {path} that {fault}"
                yield from self._judged(what, attempting.deliver(what, make_delivery()))

    def _delivered(
        self, what: str, delivery: Delivery, http: RecordingHttp | None = None, mail: RecordingMail | None = None
    ) -> Iterator[str]:
        yield from self._judged(what, self._attempting.deliver(what, delivery, http, mail))

    def _judged(self, what: str, ended: Ended) -> Iterator[str]:
        yield from _ended_well(what, ended)
        if ended.failed is not None and not self.reaches_itself:
            yield f"{what} was not delivered: {ended.failed}"


def _ended_well(what: str, ended: Ended) -> Iterator[str]:
    if ended.bug is not None:
        yield f"{what} ended in a bug: {shortly(ended.bug)}"
    if ended.receipt is not None and not is_json_object(ended.receipt):
        yield f"{what} returned a receipt that is neither None nor a dict of JSON values"


def _host(request: Request) -> str:
    try:
        return urlsplit(request.url).netloc
    except ValueError:  # what stands there is no address any more
        return request.url


def _broken_by(what: str, request: Request) -> Iterator[str]:
    if any(char.isspace() or not char.isprintable() for char in request.url) or "../" in request.url:
        yield f"{what} stands in an address as it is; use delivery.address, or quote it"
    if not request.body or "json" not in request.headers.get("content-type", ""):
        return
    try:
        said = json.loads(request.body)
    except ValueError:
        yield f"{what} makes a body that is no JSON"
        return
    if "injected" in _names_in(said):
        yield f"{what} put a field of its own into a JSON body"


def _names_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        # The sender's own event may be sent on whole, and what strangers named in it is theirs.
        yield from value
        for inner in value.values():
            yield from _names_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names_in(inner)


def _with(value: Any, old: Template, new: Template) -> Any:
    """Return settings with *new* in place of the template *old*, wherever that stands."""
    if value is old:
        return new
    if isinstance(value, BaseModel):
        return value.model_copy(
            update={name: _with(getattr(value, name), old, new) for name in type(value).model_fields}
        )
    if isinstance(value, Mapping):
        return {name: _with(inner, old, new) for name, inner in value.items()}
    return type(value)(_with(inner, old, new) for inner in value) if type(value) in (list, tuple) else value
