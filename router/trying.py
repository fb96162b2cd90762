"""One event, really sent to one destination from this process: what left, what was answered, and what would follow.

No daemon, no store and no lock: nothing is recorded, nothing is tried again, and a daemon that runs meanwhile is not
disturbed. Pauses, hours, rates and breakers are not asked.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from router import clock
from router.config.model import Config, Destination
from router.deciding import Decided
from router.event import CallEvent
from router.outgoing import Redaction, Watch, redacted, secrets_in
from router.playing import play
from router.sender import Job, Outcome
from router.sender.attempt import Attempts
from router.store import Owed, State
from router.worker.verdict import judge


@dataclass(frozen=True, slots=True)
class Chosen:
    """The event to send, and who would ask for it."""

    decided: Decided
    #: In words; None: nobody, the configuration does not send it there.
    asker: str | None
    #: Whose texts are used; None: the destination's own.
    rule: str | None


@dataclass(frozen=True, slots=True)
class Tried:
    """How it went. Nothing in it has a secret of the destination."""

    chosen: Chosen
    #: delivered, again, dead, expired, paused or bug: what it would be for a delivery of the daemon's.
    verdict: str
    reason: str | None
    status: int | None
    #: Seconds until it would be tried again; None where it would not.
    again_after: float | None
    seconds: float
    receipt: dict[str, Any] | None
    #: Every request and mail, as ``Watch.shown`` has them.
    sent: list[dict[str, Any]]
    #: What the plugin printed, for one that tells whoever looks at the terminal.
    printed: str
    #: The traceback, where the plugin has a bug.
    bug: str | None

    @property
    def delivered(self) -> bool:
        """Whether the destination has accepted it."""
        return self.verdict == "delivered"


def choose(config: Config, destination: str, events: Sequence[CallEvent], *, ended: bool) -> Chosen:
    """Return the last thing that *events* of one call lead to and that *config* sends to *destination*.

    The call's own end counts as the last. Where nothing of the call is sent there: that end if *ended*, else the last
    of *events*, with the destination's own texts.
    """
    everything = list(play(config.decider, events, stale_after=config.stale_after))
    for decided in reversed(everything):
        for send in decided.decision.sends:
            if send.destination == destination:
                return Chosen(decided, config.decider.asker(send, decided.decision), send.rule)
    last = everything[-1] if ended else next(one for one in reversed(everything) if not one.step.own)
    return Chosen(last, None, None)


def attempt(
    config: Config, destination: Destination, chosen: Chosen, *, begins: Callable[[str], None] = lambda _: None
) -> Tried:
    """Make one attempt at *destination*; *begins* is told each host before anything is sent to it. Raises nothing."""
    watch = Watch(begins)
    overrides = config.routes.overrides(destination.name)
    attempts = Attempts(destination, overrides, http=watch.http, mail=watch.mail)
    job = _job(destination, chosen)
    settings = config.settings(destination.name, chosen.rule)
    hidden = [*secrets_in(settings), *secrets_in(destination.proxy), *_addresses_in(settings)]
    with _overheard() as (printed, logged):
        outcome = attempts.make(job)
    verdict, reason, again_after = _verdict(outcome, destination)
    redact = Redaction(hidden)
    return Tried(
        chosen=chosen,
        verdict=verdict,
        reason=reason,
        status=outcome.status,
        again_after=again_after,
        seconds=outcome.ended_at - outcome.started_at,
        receipt=redacted(outcome.receipt, redact),
        sent=watch.shown(hidden),
        printed=redact(printed.getvalue()),
        bug=redact(logged.getvalue()) if outcome.kind == "bug" else None,
    )


def _job(destination: Destination, chosen: Chosen) -> Job:
    event = chosen.decided.event
    return Job(
        delivery_id=0,
        attempt=1,
        destination=destination.name,
        rule=chosen.rule,
        # A key of its own: a destination that remembers keys must drop neither this nor what the daemon owes it.
        key=f"{event.key.hex()}-try-{secrets.token_hex(4)}",
        source=event.source,
        # As if it had just been accepted: what is old would say that it is told late.
        received_at=clock.now(),
        body=event.body,
        facts=json.dumps(dict(chosen.decided.facts)),
        call=chosen.decided.call.values(),
        receipt=None,
    )


def _verdict(outcome: Outcome, destination: Destination) -> tuple[str, str | None, float | None]:
    """Return what the worker would make of *outcome*, had the event been accepted just before."""
    now = outcome.ended_at
    owed = Owed(since=outcome.started_at, tried_since=outcome.started_at, due_at=outcome.started_at)
    attempt, pause = judge(outcome, owed=owed, destination=destination, owner="try", now=now)
    if pause is not None:
        return "paused", pause, None
    if attempt.state is State.READY:
        again_after = None if attempt.due_at is None else attempt.due_at - now
        return "bug" if outcome.kind == "bug" else "again", outcome.reason, again_after
    return attempt.state.word, attempt.reason, None


def _addresses_in(value: Any) -> Iterator[str]:
    """Yield the addresses in settings that do not call them secret: they may carry a token all the same."""
    if isinstance(value, str):
        if "://" in value:
            yield value
    elif isinstance(value, BaseModel):
        for _, inner in value:
            yield from _addresses_in(inner)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _addresses_in(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _addresses_in(inner)


@contextlib.contextmanager
def _overheard() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """Collect what a plugin prints, and what is logged of its bugs."""
    printed, logged = io.StringIO(), io.StringIO()
    log, handler = logging.getLogger("callrouter.sender"), logging.StreamHandler(logged)
    propagated, log.propagate = log.propagate, False
    log.addHandler(handler)
    try:
        with contextlib.redirect_stdout(printed):
            yield printed, logged
    finally:
        log.removeHandler(handler)
        log.propagate = propagated
