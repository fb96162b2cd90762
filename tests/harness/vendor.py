"""A CRM inside the test: keeps records, refuses and loses answers as told, and is as strict as the real one."""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

from router.calls import Call, advance, ended_event, facts, tell
from router.calls.state import OWN, Step
from router.errors import AnswerLost, DeliveryFailed, TemporaryFailure
from router.event import CallEvent
from router.outgoing import Redaction
from router.outgoing.answers import excerpt, failure
from router.plugin import Answer, Delivery, Plugin, Receipt
from router.testing import Request
from tests.harness.calls import OURS, SETTLE
from tests.harness.recording import Received, Recorder, Reply


def reply(status: int, said: Any = None, **headers: str) -> Reply:
    """A JSON answer; header names with _ for -."""
    body = b"" if said is None else json.dumps(said).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, body, {"Content-Type": "application/json", **named})


class Vendor(ABC):
    """A fake CRM. ``refuse`` takes the place of what it would do; ``lose_after`` does it and tells nobody."""

    #: Ways to type a number that its search does not see through.
    blind: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.received: list[Received] = []
        self._refusals: list[tuple[str, Reply]] = []
        self._lose: int | None = None
        self.lost = 0
        self._recorder: Recorder | None = None

    @property
    def url(self) -> str:
        """Where it takes requests; it listens from the first time on."""
        if self._recorder is None:
            self._recorder = Recorder(self.take)
        return self._recorder.url.rstrip("/")

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What config.yaml says of it."""

    @property
    @abstractmethod
    def records(self) -> list[dict[str, Any]]:
        """Every call it keeps, in its own words."""

    @property
    @abstractmethod
    def contacts(self) -> list[str]:
        """The ids of its contacts."""

    @abstractmethod
    def links(self) -> list[str]:
        """The contact of each link of a call with one."""

    @abstractmethod
    def contact(self, number: str, created: str = "", **more: str) -> str:
        """Make a contact that its search finds; return its id."""

    @abstractmethod
    def index(self) -> None:
        """Let its search find every contact there is."""

    def close(self) -> None:
        if self._recorder is not None:
            self._recorder.close()

    def refuse(self, answer: Reply, at: str = "") -> None:
        """Give *answer* to the next request whose method and path contain *at*."""
        self._refusals.append((at, answer))

    def lose_after(self, requests: int) -> None:
        """Do what this request from now on asks for, and break the connection instead of answering."""
        self._lose = len(self.received) + requests

    def take(self, received: Received) -> Reply:
        """Answer one request, the next one after it."""
        with self._lock:
            return self._take(received)

    def _take(self, received: Received) -> Reply:
        self.received.append(received)
        address = urlsplit(received.path)
        asked = f"{received.method} {received.path}"
        for number, (at, answer) in enumerate(self._refusals):
            if at in asked:
                del self._refusals[number]
                return answer
        steps = [unquote(step) for step in address.path.strip("/").split("/")]
        query = dict(parse_qsl(address.query))
        body = received.json() if received.body.startswith((b"{", b"[")) else None
        answer = self.handle(received, steps, query, body)
        if self._lose == len(self.received):
            self.lost += 1
            return replace(answer, lost=True)
        return answer

    @abstractmethod
    def handle(self, received: Received, steps: list[str], query: dict[str, str], body: Any) -> Reply:
        """Do what the request asks for."""

    def asked(self, at: str) -> list[Received]:
        """The requests whose method and path contain *at*."""
        return [one for one in self.received if at in f"{one.method} {one.path}"]

    def answers(self) -> Callable[[Request], Answer]:
        """The same without a network, for ``RecordingHttp``."""

        def answer(request: Request) -> Answer:
            address = urlsplit(request.url)
            path = address.path + (f"?{address.query}" if address.query else "")
            given = self.take(Received(request.method, path, request.headers, request.body, 0.0))
            if given.status >= 300:
                raise failure("vendor", given.status, given.headers, excerpt(given.body, Redaction([])), now=0.0)
            return Answer(given.status, given.headers, given.body)

        return answer


def deliveries(events: Iterable[CallEvent], late: Iterable[CallEvent] = ()) -> list[Delivery]:
    """What a destination that hears of everything is owed: *events*, the end of the call, and what comes late."""
    return list(_deliveries(events, late))


def _deliveries(events: Iterable[CallEvent], late: Iterable[CallEvent]) -> Iterator[Delivery]:
    call: Call | None = None
    for heard in (events, late):
        for event in heard:
            call, step = advance(call, event, own_numbers=frozenset({OURS}), region="GB", settle=SETTLE)
            yield _delivery(event, call, step)
        if call is not None and call.end_due_at is not None:
            yield _delivery(ended_event(call, call.end_due_at), call, OWN)
            call = tell(call)


def _delivery(event: CallEvent, call: Call, step: Step) -> Delivery:
    known = facts(call, event, step, zone=ZoneInfo("Europe/London"), region="GB", own_numbers={OURS})
    return Delivery(
        key=f"{event.event_type}-{event.event_time}",
        attempt=1,
        destination="crm",
        rule="calls",
        event=event.fields,
        body=event.body,
        call=call.as_mapping(),
        facts=known,
        receipt=None,
        accepted_at=event.received_at,
        attempted_at=event.received_at,
    )


def keep(plugin: Plugin[Any], owed: Iterable[Delivery], receipt: Receipt | None = None, tries: int = 5) -> Receipt:
    """Make all deliveries as callrouter does: one after the other, each tried again, each with the last receipt."""
    for delivery in owed:
        for attempt in range(1, tries + 1):
            try:
                receipt = plugin.deliver(replace(delivery, receipt=receipt, attempt=attempt))
                break
            except (TemporaryFailure, AnswerLost):
                if attempt == tries:
                    raise
    assert receipt is not None
    return receipt


def refused(plugin: Plugin[Any], delivery: Delivery) -> DeliveryFailed:
    """The failure one attempt ends in."""
    try:
        plugin.deliver(delivery)
    except DeliveryFailed as ex:
        return ex
    raise AssertionError("it was delivered")
