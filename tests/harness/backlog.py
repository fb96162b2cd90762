"""A backlog of many calls, and how callrouter delivers it: together what fits together, each recorded for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from router.errors import AnswerLost, DeliveryFailed, PermanentFailure, TemporaryFailure
from router.plugin import Delivery, Plugin, Receipt, Result
from tests.harness.calls import make_event
from tests.harness.vendor import deliveries

#: Another line of ours.
SECOND = "+442079460999"


def customer(number: int) -> str:
    """A number of a caller."""
    return f"+44207946{number:04}"


def missed(count: int, *, callers: int = 1000, line: str | None = None) -> list[Delivery]:
    """The ends of *count* missed calls, each of another of *callers*, the first to *line*."""
    [_, _, model] = deliveries([make_event("call_setup"), make_event("completed", 18.0)])
    return [_call(model, number, customer(number % callers), line if number == 0 else None) for number in range(count)]


def _call(model: Delivery, number: int, caller: str, line: str | None) -> Delivery:
    to = line or model.call["to"]
    call = {**model.call, "uuid": f"call-{number}", "from": caller, "to": to}
    facts = {**model.facts, "from_number": caller, "customer_number": caller, "to_number": to}
    return replace(model, key=f"key-{number}", call=call, facts={**facts, "customer_number_international": caller})


def together(plugin: Plugin[Any], owed: Sequence[Delivery]) -> list[Result]:
    """What became of each of *owed* at one attempt, delivered as a slot does it that found them waiting."""
    results: list[Result] = []
    for at in range(0, len(owed), plugin.batch_size):
        results += _batch(plugin, owed[at : at + plugin.batch_size])
    return results


def _batch(plugin: Plugin[Any], owed: Sequence[Delivery]) -> list[Result]:
    try:
        results = plugin.deliver_many(owed) if len(owed) > 1 else [plugin.deliver(owed[0])]
    except PermanentFailure as ex:
        if len(owed) == 1:
            return [ex]
        middle = len(owed) // 2
        return [*_batch(plugin, owed[:middle]), *_batch(plugin, owed[middle:])]
    except DeliveryFailed as ex:
        return [ex] * len(owed)
    assert len(results) == len(owed)
    return list(results)


def keep_all(plugin: Plugin[Any], owed: Sequence[Delivery], tries: int = 4) -> dict[str, Receipt | DeliveryFailed]:
    """Deliver *owed* until each is delivered or refused; return what became of each, by its key."""
    ended: dict[str, Any] = {}
    waiting = list(owed)
    for _ in range(tries):
        said = together(plugin, waiting)
        again = []
        for delivery, result in zip(waiting, said, strict=True):
            if isinstance(result, (TemporaryFailure, AnswerLost)):
                again.append(delivery)
            else:
                ended[delivery.key] = result
        waiting = again
        if not waiting:
            return ended
    raise AssertionError(f"{len(waiting)} are still waiting: {said[0]}")
