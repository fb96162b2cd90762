"""Tells people and Prometheus what a turn has done: one line per event and per attempt."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from router import __version__
from router.calls import Call
from router.config import Config
from router.logs import Log
from router.metrics import Metrics
from router.store import FINISHED, Attempt, Claim, Lapsed, State
from router.units import spell
from router.worker.alerts import Alert, sentence
from router.worker.claiming import Claiming
from router.worker.routing import Routed

_TONES = {State.DELIVERED: "good", State.DEAD: "error", State.EXPIRED: "warning", State.READY: "warning"}


def routed(log: Log, metrics: Metrics, event: Routed, seconds: float) -> None:
    """Report one inbox entry, routed *seconds* after it was accepted."""
    metrics.routed(
        event.source,
        duplicate=event.duplicate,
        unmatched=event.unmatched,
        quarantined=event.quarantined is not None,
        seconds=seconds,
    )
    call = (event.call_id or "")[:8]
    if event.quarantined is not None:
        why = event.faults[0].text if event.faults else "not a call event"
        text = f"{event.source}  body {event.quarantined}: {why}; see: callrouter events --rejected"
        log.add("quarantine", text, level="warning", source=event.source, quarantined=event.quarantined)
        return
    if event.duplicate:
        log.add("duplicate", f"{event.source}  {event.event_type}  call {call}", tone="quiet", call=event.call_id)
        return
    marks = "".join(f"  {mark}" for mark, holds in (("missed", event.missed), ("late", event.late)) if holds)
    told = ", ".join(event.destinations) or "nobody"
    skipped = f"  (off: {', '.join(event.skipped)})" if event.skipped else ""
    for one in event.withheld:
        if one.ended is not None:
            metrics.ended(one.destination, one.ended, 0.0)
            skipped += f"  ({one.ended.word}: {one.destination})"
    log.add(
        "event",
        f"{event.source:<10} {event.event_type:<13} call {call}{marks}  → {told}{skipped}",
        event=event.event_id,
        source=event.source,
        call=event.call_id,
        event_type=event.event_type,
        rules=list(event.rules),
        destinations=list(event.destinations),
    )


def attempted(log: Log, metrics: Metrics, claim: Claim, attempt: Attempt) -> None:
    """Report how one attempt ended, and the delivery with it where it is over."""
    seconds = max(0.0, attempt.ended_at - attempt.started_at)
    metrics.attempted(claim.destination, attempt.outcome, seconds)
    age = max(0.0, attempt.ended_at - claim.received_at)
    if attempt.state >= FINISHED:
        metrics.ended(claim.destination, attempt.state, age)
    if attempt.unfilled:
        metrics.in_plain_words(claim.destination)
    if not attempt.counts and attempt.state is State.READY:
        return
    delivered = attempt.state is State.DELIVERED
    text = f"{claim.destination:<10} {claim.event_type:<13} call {claim.call_id[:8]}  delivery {claim.delivery_id}"
    if delivered:
        text += f"  in {spell(age)}" + (f"  {attempt.reason}" if attempt.unfilled else "")
    else:
        text += f"  attempt {attempt.attempt}: {attempt.reason}" if attempt.counts else f"  {attempt.reason}"
    if attempt.state is State.READY and attempt.due_at is not None:
        text += f"; again in {spell(max(0.0, attempt.due_at - attempt.ended_at))}"
    log.add(
        "retry" if attempt.state is State.READY else attempt.state.word,
        text,
        level=_level(attempt),
        tone="warning" if attempt.unfilled else _TONES.get(attempt.state, ""),
        delivery=claim.delivery_id,
        event=claim.event_id,
        call=claim.call_id,
        destination=claim.destination,
        attempt=attempt.attempt,
        outcome=attempt.outcome,
        status=attempt.status,
        seconds=round(seconds, 4),
    )


def _level(attempt: Attempt) -> str:
    if attempt.state is State.DELIVERED and not attempt.unfilled:
        return "info"
    return "warning" if attempt.state in (State.DELIVERED, State.READY) else "error"


def paused(log: Log, destination: str, reason: str) -> None:
    """Report that nothing more is sent to *destination* until somebody has acted."""
    text = f"{destination}: {reason}. Nothing is lost; mend it, then: callrouter resume {destination}"
    log.add("paused", text, level="error", destination=destination)


def alerted(log: Log, metrics: Metrics, alerts: Iterable[Alert], config: Config) -> None:
    """Report *alerts*, whoever is told."""
    for alert in alerts:
        metrics.alerted(alert.what)
        log.add("alert", sentence(alert, config), level="info" if alert.over else "warning", about=alert.about)


def breakers(log: Log, claiming: Claiming) -> None:
    """Report the destinations that *claiming* has begun to leave alone, or that are well again; once."""
    for name in claiming.opened:
        if breaker := claiming.breakers.get(name):
            log.add(
                "breaker",
                f"{name}: {breaker.policy.failures} deliveries failed one after the other; nothing more is sent until "
                f"one has tried and succeeded. What is owed waits. The last failure: {breaker.reason}",
                level="warning",
                tone="warning",
                destination=name,
                breaker=breaker.state,
            )
    for name, seconds in claiming.closed:
        text = f"{name}: it answers again, after {spell(seconds)}; sending what waited"
        log.add("breaker", text, tone="good", destination=name, breaker="closed")
    claiming.opened.clear()
    claiming.closed.clear()


def clock(log: Log, off: float) -> None:
    """Report that the clock is *off* by so many seconds from now on; 0: that it is right again."""
    if not off:
        log.add("clock", "the clock is right again; what is too old expires as usual")
        return
    text = f"the clock jumped {'forward' if off > 0 else 'back'} by {spell(abs(off))}: nothing expires until it is "
    log.add("clock", f"{text}right again; if it is right now, restart callrouter", level="error")


def about(config: Config, in_hand: int, lag: float) -> dict[str, object]:
    """Return what a node says of itself to the others."""
    return {"version": __version__, "config": config.version, "in_hand": in_hand, "lag": round(lag, 3)}


def heartbeat(data: Path, now: float, lag: float, in_hand: int, breakers: Mapping[str, Mapping[str, object]]) -> None:
    """Write what others ask of the worker: that it lives, how far behind it is, and which breakers are not closed."""
    fresh = data / "worker.json.new"
    said = {"at": now, "behind_seconds": round(lag, 3), "in_hand": in_hand, "breakers": breakers}
    try:
        fresh.write_text(json.dumps(said))
        fresh.replace(data / "worker.json")
    except OSError as ex:
        if ex.errno != errno.ENOSPC:
            raise
        # What is written over needs no room. A reader who comes in between finds no JSON, and no word of the worker.
        with (data / "worker.json").open("r+") as present:
            present.write(json.dumps(said))
            present.truncate()


def claim_of(lapsed: Lapsed) -> Claim:
    """Return what the log and the metrics need of a delivery that was not claimed by this worker."""
    return Claim(
        delivery_id=lapsed.delivery_id,
        attempt=lapsed.attempt,
        destination=lapsed.destination,
        rule=None,
        key="",
        source="",
        received_at=lapsed.received_at,
        body=b"",
        facts="{}",
        call=Call("", ""),
        receipt=None,
        event_id=0,
        event_type=lapsed.event_type,
        call_id="",
        owed=lapsed.owed,
    )
