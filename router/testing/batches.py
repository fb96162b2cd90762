"""Checks what a plugin does with several deliveries at once against the contract, without sending anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from router import event as events
from router.errors import DeliveryFailed
from router.plugin import Delivery, Plugin
from router.testing.attempting import FAILURES, Attempting, is_json_object
from router.testing.deliveries import HOSTILE, make_delivery
from router.testing.recording import RecordingMail


def check_batches(attempting: Attempting, *, known: bool = True) -> Iterator[str]:
    """Yield what its plugin does against the contract of ``deliver_many``; nothing where it offers none.

    With *known* its answers are those of its destination, and a delivery that fails by them is a breach. Raises Hung.
    """
    plugin = attempting.plugin
    offered = plugin.deliver_many is not Plugin.deliver_many
    if offered != (plugin.batch_size > 1):
        yield "it has `deliver_many` and no `batch_size` above 1, or the other way round"
    elif offered:
        yield from _delivered(attempting, known=known)
        for failure in FAILURES:
            yield from _failing(attempting, failure)


def _delivered(attempting: Attempting, *, known: bool) -> Iterator[str]:
    batch = _batch(attempting.plugin.batch_size)
    ended = attempting.together("a batch", batch, attempting.http(), RecordingMail())
    results, raised = ended.receipt, ended.failed or ended.bug
    if raised is not None:
        if known or raised is ended.bug:
            yield f"a batch was not delivered: {type(raised).__name__}: {raised}"
    elif not isinstance(results, Sequence) or len(results) != len(batch):
        yield f"for a batch of {len(batch)} deliveries `deliver_many` did not return {len(batch)} results"
    else:
        for delivery, result in zip(batch, results, strict=True):
            kind = delivery.event["event_type"]
            if isinstance(result, DeliveryFailed):
                if known:
                    yield f"a {kind} event in a batch was not delivered: {result}"
            elif result is not None and not is_json_object(result):
                yield f"a {kind} event in a batch has a result that is no receipt, no failure and not None"
    yield from _shown(attempting, "a batch", results)


def _failing(attempting: Attempting, failure: DeliveryFailed) -> Iterator[str]:
    what = f"a {type(failure).__name__} during a batch"
    ended = attempting.together(what, _batch(2), attempting.http(failure), RecordingMail(failure))
    results = ended.receipt
    passed_on = isinstance(results, Sequence) and all(isinstance(one, DeliveryFailed) for one in results)
    if ended.bug is not None:
        yield f"{what} ended in a bug: {type(ended.bug).__name__}: {ended.bug}"
    elif ended.told and ended.failed is None and not passed_on:
        yield f"{what} was swallowed: deliveries would count as delivered"
    yield from _shown(attempting, what, results)


def _shown(attempting: Attempting, what: str, results: Any) -> Iterator[str]:
    failures = [one for one in results if isinstance(one, DeliveryFailed)] if isinstance(results, Sequence) else []
    if any(map(attempting.shows_a_secret, failures)):
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
