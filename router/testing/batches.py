"""Checks what a plugin does with several deliveries at once against the contract, without sending anything."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from router import event as events
from router.errors import AnswerLost, DeliveryFailed, DestinationUnusable, PermanentFailure, TemporaryFailure
from router.outgoing import secrets_in
from router.plugin import Answer, Delivery, Plugin, Settings
from router.testing.deliveries import HOSTILE, make_delivery
from router.testing.recording import RecordingHttp, RecordingMail, Request

_FAILURES = (
    TemporaryFailure("crm.example answered 503 Service Unavailable", status=503, retry_after=3.0),
    PermanentFailure("crm.example answered 404 Not Found", status=404),
    DestinationUnusable("crm.example answered 401 Unauthorized", status=401),
    AnswerLost("crm.example did not answer within 30s; whether it accepted is not known"),
)


def check_batches(
    plugin: type[Plugin[Any]],
    settings: Settings,
    answers: Sequence[Answer | Callable[[Request], Answer]],
    *,
    known: bool = True,
) -> Iterator[str]:
    """Yield what *plugin* does against the contract of ``deliver_many``; nothing where it offers none.

    With *known* the *answers* are those of its destination, and a delivery that fails by them is a breach.
    """
    offered = plugin.deliver_many is not Plugin.deliver_many
    if offered != (plugin.batch_size > 1):
        yield "it has `deliver_many` and no `batch_size` above 1, or the other way round"
    elif offered:
        check = _Check(plugin, settings, {secret for secret in secrets_in(settings) if len(secret) > 3})
        yield from check.delivered(RecordingHttp(*answers), known=known)
        for failure in _FAILURES:
            yield from check.failing(failure)


class _Check:
    def __init__(self, plugin: type[Plugin[Any]], settings: Settings, secrets: Collection[str]) -> None:
        self._plugin, self._settings, self._secrets = plugin, settings, secrets

    def delivered(self, http: RecordingHttp, *, known: bool) -> Iterator[str]:
        batch = _batch(self._plugin.batch_size)
        ended = self._made(batch, http, RecordingMail())
        if isinstance(ended, BaseException):
            if known or not isinstance(ended, DeliveryFailed):
                yield f"a batch was not delivered: {type(ended).__name__}: {ended}"
        elif not isinstance(ended, Sequence) or len(ended) != len(batch):
            yield f"for a batch of {len(batch)} deliveries `deliver_many` did not return {len(batch)} results"
        else:
            for delivery, result in zip(batch, ended, strict=True):
                kind = delivery.event["event_type"]
                if isinstance(result, DeliveryFailed):
                    if known:
                        yield f"a {kind} event in a batch was not delivered: {result}"
                elif not _is_receipt(result):
                    yield f"a {kind} event in a batch has a result that is no receipt, no failure and not None"
        yield from self._shown("a batch", ended)

    def failing(self, failure: DeliveryFailed) -> Iterator[str]:
        http, mail, name = RecordingHttp(failure), RecordingMail(failure), type(failure).__name__
        ended = self._made(_batch(2), http, mail)
        told = isinstance(ended, DeliveryFailed) or (
            isinstance(ended, Sequence) and all(isinstance(one, DeliveryFailed) for one in ended)
        )
        if isinstance(ended, BaseException) and not isinstance(ended, DeliveryFailed):
            yield f"a {name} during a batch ended in a bug: {type(ended).__name__}: {ended}"
        elif (http.requests or mail.sent) and not told:
            yield f"a {name} during a batch was swallowed: deliveries would count as delivered"
        yield from self._shown(f"a {name} during a batch", ended)

    def _made(self, batch: list[Delivery], http: RecordingHttp, mail: RecordingMail) -> Any:
        """Return what ``deliver_many`` returned or raised."""
        try:
            made = self._plugin(self._settings, http, *([mail] if self._plugin.uses_mail else []))
            return made.deliver_many(batch)
        except Exception as ex:  # noqa: BLE001  # the very thing that is looked for
            return ex

    def _shown(self, what: str, ended: Any) -> Iterator[str]:
        failures = [one for one in (ended if isinstance(ended, Sequence) else [ended]) if isinstance(one, Exception)]
        said = "".join("".join(traceback.format_exception(one)) + repr(one) for one in failures)
        if any(secret in said for secret in self._secrets):
            yield f"{what} brought a secret to light, in a failure"


def _batch(size: int) -> list[Delivery]:
    """Return deliveries of as many calls as *size*, ten at most: of every kind, with hostile text, and an alert."""
    kinds = ("call_ended", "ringing", "answered", "completed", "call_corrected", events.ALERT)
    batch = []
    for number in range(min(size, 10)):
        call = f"00000000-0000-4000-8000-{number:012}"
        tag = HOSTILE[number % len(HOSTILE)] if number else ""
        made = make_delivery(kinds[number % len(kinds)], event={"uuid": call, "tag": tag}, key=f"key-{number}")
        batch.append(replace(made, call={**made.call, "uuid": call}))
    return batch


def _is_receipt(result: Any) -> bool:
    try:
        return result is None or (isinstance(result, dict) and json.loads(json.dumps(result)) == result)
    except (TypeError, ValueError):
        return False
