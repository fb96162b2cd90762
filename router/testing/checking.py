"""Checks a plugin against everything the contract says, without sending anything."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
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
from router.plugin import Answer, Delivery, Plugin, Receipt, Settings, Template
from router.testing.batches import check_batches
from router.testing.deliveries import FACTS, HOSTILE, make_delivery
from router.testing.recording import RecordingHttp, RecordingMail, Request


def check_plugin(
    plugin: type[Plugin[Any]], settings: Mapping[str, Any], *answers: Answer | Callable[[Request], Answer]
) -> list[str]:
    """Return what *plugin* does against the contract, as sentences; nothing when it keeps it.

    *settings* are written as in config.yaml, with every secret set. *answers* are what its destination would say,
    as ``RecordingHttp`` takes them. Nothing is sent.
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
    problems.extend(check_batches(plugin, made, answers))
    return problems


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
    def __init__(
        self, plugin: type[Plugin[Any]], settings: Settings, answers: tuple[Answer | Callable[[Request], Answer], ...]
    ) -> None:
        self._plugin = plugin
        self._settings = settings
        self._answers = answers
        self._secrets = {secret for secret in secrets_in(settings) if len(secret) > 3}

    def deliveries(self) -> Iterator[str]:
        for kind in ("call_setup", "ringing", "answered", "completed", "on_call_event", "call_ended", "call_corrected"):
            yield from self._deliver(f"a {kind} event", make_delivery(kind))
        yield from self._deliver("an alert", make_delivery(events.ALERT))
        nulls: dict[str, Any] = dict.fromkeys(FACTS)
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
