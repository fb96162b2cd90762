"""Posting events one by one or many at the same time, and what each was answered."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from tests.harness.daemon import Answer, Daemon
from tests.harness.events import MOST_EVENTS, OpenCall, TimeText
from tests.harness.verdict import Event


def event_of(call: int, position: int = 0, length: int = MOST_EVENTS) -> bytes:
    """Event number *position* of a call of *length* events, as its sender would post it."""
    clock = TimeText()
    going = OpenCall(call, 1, clock.now(), length)
    for _ in range(position):
        going.write(clock.now(), 0)
    return going.write(clock.now(), 0)


def calls(first: int, count: int) -> dict[Event, bytes]:
    """One event of each of *count* calls."""
    return {(call, 0): event_of(call) for call in range(first, first + count)}


def post_all(daemon: Daemon, bodies: Iterable[bytes], at_once: int = 16) -> list[Answer | None]:
    """Post all *bodies*, *at_once* of them at a time, and return the answers; None: the connection broke."""

    def post(body: bytes) -> Answer | None:
        try:
            return daemon.post(body)
        except (ConnectionError, TimeoutError):
            return None

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(post, bodies))


def note(ledger: list[str], events: Iterable[Event], answers: Iterable[Answer | None]) -> None:
    """Put into *ledger*, in its own words, what was sent and answered."""
    for (call, position), answer in zip(events, answers, strict=True):
        ledger.append(f"sent {call} {position}")
        if answer:
            ledger.append(f"{answer.status} {call} {position}")
