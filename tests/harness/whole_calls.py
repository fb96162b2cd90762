"""Whole calls as a destination hears of them: every event, the end that follows, and what goes wrong on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from router import event, samples
from router.deciding import Decided, Decider
from router.errors import AnswerLost, TemporaryFailure
from router.playing import play
from router.plugin import Delivery, Plugin, Receipt
from router.routes import Routes

#: A Monday, 2 March 2026 at 14:05 in London.
START = 1_772_460_300.0
UUID = "5dccb6b0-f35c-488c-867b-86fb012c4415"

_DECIDER = Decider(Routes(()), ZoneInfo("Europe/London"), "GB", frozenset(), 5.0)

Only = Callable[[Delivery], bool]


def _transferred() -> list[samples.Timed]:
    *first, last = samples.play("answered", started_at=START, uuid=UUID)
    moved = {**last.event, "event_type": "transfer", "event_time": "2026-03-02T14:06:10.000Z", "call_completed": None}
    return [*first, samples.Timed(70.0, moved), last]


def _out_of_order() -> list[samples.Timed]:
    setup, ringing, answered, completed = samples.play("answered", started_at=START, uuid=UUID)
    return [setup, completed, answered, ringing]


def _withheld() -> list[samples.Timed]:
    played = samples.play("missed", started_at=START, uuid=UUID)
    nothing = {"from": "", "tag": None, "event_payload": None}
    return [samples.Timed(timed.after, {**timed.event, **nothing}) for timed in played]


def _third_try() -> list[samples.Timed]:
    """Two missed calls of the same customer earlier that day, and a third."""
    tries = []
    for number, before in ((1, 7200.0), (2, 1800.0)):
        played = samples.play("missed", started_at=START - before, uuid=f"0000000{number}-f35c-488c-867b-86fb012c4415")
        tries += [samples.Timed(timed.after - before, timed.event) for timed in played]
    return [*tries, *samples.play("missed", started_at=START, uuid=UUID)]


def _sample(name: str) -> Callable[[], list[samples.Timed]]:
    return lambda: samples.play(name, started_at=START, uuid=UUID)


#: The six sample calls, and others that people meet. Where a call has others before it, it is the last.
CALLS: dict[str, Callable[[], list[samples.Timed]]] = {
    **{name: _sample(name) for name in samples.names()},
    "transferred": _transferred,
    "out of order": _out_of_order,
    "withheld number": _withheld,
    "third try": _third_try,
}


def ends(delivery: Delivery) -> bool:
    """Whether callrouter itself says it: a call has ended, or had ended otherwise."""
    return delivery.event["event_type"] in ("call_ended", "call_corrected")


def deliveries(name: str, only: Only = lambda _: True) -> list[Delivery]:
    """Return what a destination is owed of the call *name*, each as it would be handed over at once."""
    timed = CALLS[name]()
    # Events that come out of order are received in that order, whatever times are written in them.
    received = [max(one.after for one in timed[: n + 1]) for n in range(len(timed))]
    events = [
        event.read(json.dumps(one.event).encode(), "wavix", START + at) for one, at in zip(timed, received, strict=True)
    ]
    made = (_delivery(n, decided) for n, decided in enumerate(play(_DECIDER, events, stale_after=14400.0)))
    return [delivery for delivery in made if delivery.event["uuid"] == UUID and only(delivery)]


def _delivery(number: int, decided: Decided) -> Delivery:
    return replace(decided.delivery("desk", "calls"), key=f"key-{number}")


def tell(made: Plugin[Any], owed: list[Delivery], attempts: int = 4) -> Receipt | None:
    """Make attempts at each delivery in turn as the worker would, handing on receipts; return the last receipt."""
    receipt: Receipt | None = None
    for delivery in owed:
        for attempt in range(1, attempts + 1):
            try:
                receipt = made.deliver(replace(delivery, attempt=attempt, receipt=receipt)) or receipt
            except (TemporaryFailure, AnswerLost):
                if attempt == attempts:
                    raise
            else:
                break
    return receipt
