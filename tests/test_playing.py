"""Playing events without a store decides what the worker decides."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from router import config, samples
from router.calls import CALL_CORRECTED, CALL_ENDED
from router.config import Config
from router.deciding import Decided
from router.event import CallEvent, read
from router.inbox import Entry
from router.playing import REMEMBERED, Player, play
from router.store import Filter
from router.store.sqlite.reading import SqliteReading
from router.store.sqlite.store import SqliteStore
from router.worker.routing import Routing, find

START = 1_758_545_798.0
CALL, OTHER = "5dccb6b0-f35c-488c-867b-86fb012c4415", "6dccb6b0-f35c-488c-867b-86fb012c4415"
CONFIG = """\
timezone: Europe/London
region: GB
own_numbers: ["+442079460958"]
sources: {phone: {}}
destinations:
  slack: {type: console}
  crm: {type: console}
  archive: {type: console}
rules:
  - name: missed
    when: {missed: true}
    send: [slack]
  - name: corrected
    when: {event_type: call_corrected}
    send: [slack, crm]
  - name: first-ring
    when: {event_type: [ringing, early_media]}
    once: call
    send: [crm]
  - name: late
    when: {late: true}
    send: [crm]
  - name: again
    when: {calls_today: {gte: 3}, missed_today: {gte: 2}}
    send: [crm]
always: [archive]
unmatched: [crm]
alerts: none
"""


@pytest.fixture
def loaded(tmp_path: Path) -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return config.load(path)


def heard(name: str, at: float, uuid: str, *, delay: float = 0.0) -> list[CallEvent]:
    """A sample call as it is received, every event *delay* seconds after it happened."""
    played = samples.play(name, started_at=at, uuid=uuid)
    return [read(json.dumps(one.event).encode(), "phone", at + one.after + delay) for one in played]


def a_busy_day(seed: int) -> list[CallEvent]:
    """Calls of every kind that overlap; some events come late, twice or never."""
    chance = random.Random(seed)
    events: list[CallEvent] = []
    for number in range(60):
        begins, uuid = START + chance.uniform(0, 40_000), f"{number:08x}-0000-4000-8000-00000000abcd"
        call = heard(chance.choice(samples.names()), begins, uuid)
        for event in call:
            lot = chance.random()
            if lot < 0.1:
                continue
            if lot < 0.25:
                event.received_at += chance.uniform(1, 30_000)
            events.append(event)
            if lot > 0.9:
                events.append(read(event.body, "phone", event.received_at + chance.uniform(0.1, 90)))
    return sorted(events, key=lambda event: event.received_at)


Made = tuple[str, bool, object, tuple[str, ...], bool, list[tuple[str, str | None]]]


def decided(loaded: Config, events: list[CallEvent]) -> dict[str, list[Made]]:
    """What playing makes of *events*, call by call."""
    made: dict[str, list[Made]] = {}
    for one in play(loaded.decider, events, stale_after=loaded.stale_after):
        decision = one.decision
        sends = sorted(((send.destination, send.rule) for send in decision.sends), key=str)
        made.setdefault(one.event.call_id, []).append(
            (one.event.event_type, one.step.late, counts(one.facts), decision.rules, decision.unmatched, sends)
        )
    return made


def routed(loaded: Config, events: list[CallEvent]) -> dict[str, list[Made]]:
    """What the worker's own routing makes of them. It has told every end when it was due, and before the next event."""
    waits = (0.0, loaded.settle, loaded.stale_after)
    due = sorted({math.nextafter(event.received_at + wait, math.inf) for event in events for wait in waits})
    with closing(SqliteStore.open(loaded.data)) as store:
        store._db.execute("PRAGMA synchronous = OFF")
        with store.transaction():
            store.know(loaded.destinations, {})
            routing = Routing(store, loaded)
            for event in events:
                while due and due[0] < event.received_at:
                    routing.end_calls(due.pop(0))
                routing.end_calls(math.nextafter(event.received_at, 0))
                routing.route(find(Entry("phone", event.body, event.received_at, "192.0.2.1")), event.received_at)
            routing.end_calls(4e9, silent=False)
    with closing(SqliteReading.open(loaded.data)) as reading:
        owed: dict[int, list[tuple[str, str | None]]] = {}
        for delivery in reading.deliveries(Filter(), 10_000):
            owed.setdefault(delivery.event_id, []).append((delivery.destination, delivery.rule))
        made: dict[str, list[Made]] = {}
        for row in reversed(reading.events(Filter(), 10_000)):
            sends = sorted(owed.get(row.id, []), key=str)
            made.setdefault(row.call_id, []).append(
                (row.event_type, row.late, counts(row.facts), tuple(row.rules), row.unmatched, sends)
            )
        return made


def counts(facts: Mapping[str, Any]) -> object:
    return facts.get("calls_today"), facts.get("missed_today")


@pytest.mark.parametrize("seed", range(4))
def test_playing_decides_what_the_worker_decides(loaded: Config, seed: int) -> None:
    events = a_busy_day(seed)
    played = decided(loaded, events)

    assert played == routed(loaded, events)
    kinds = {kind for made in played.values() for kind, *_ in made}
    assert {CALL_ENDED, CALL_CORRECTED} <= kinds
    # It rings from one customer all day and over midnight.
    assert max(told[2][0] or 0 for made in played.values() for told in made) > 10


def types(made: list[Decided]) -> list[str]:
    return [one.event.event_type for one in made]


def test_the_end_of_a_call_is_told_before_what_was_received_after_it_was_due(loaded: Config) -> None:
    *_, completed = heard("missed", START, CALL)
    player = Player(loaded.decider, stale_after=loaded.stale_after)
    player.hear(completed)

    soon = heard("busy", completed.received_at + loaded.settle, OTHER)
    assert types(player.hear(soon[0])) == ["call_setup"]
    assert types(player.hear(soon[1])) == ["call_ended", "busy"]


def test_the_same_event_again_changes_nothing(loaded: Config) -> None:
    first, *_ = heard("missed", START, CALL)
    player = Player(loaded.decider, stale_after=loaded.stale_after)

    assert types(player.hear(first)) == ["call_setup"]
    assert player.hear(read(first.body, "phone", START + 60)) == []


def test_a_silent_call_ends_with_its_outcome_unknown(loaded: Config) -> None:
    first, *_ = heard("missed", START, CALL)
    player = Player(loaded.decider, stale_after=loaded.stale_after)
    player.hear(first)

    assert player.until(START + loaded.stale_after) == []
    (ended,) = player.until(START + loaded.stale_after + 1)
    assert (ended.event.event_type, ended.facts["outcome"]) == ("call_ended", "unknown")


def test_a_call_that_is_not_over_stays_so_at_the_end(loaded: Config) -> None:
    events = heard("missed", START, CALL)[:2]

    assert types(list(play(loaded.decider, events, stale_after=loaded.stale_after))) == ["call_setup", "ringing"]


def test_a_long_history_needs_the_memory_of_its_last_day(loaded: Config) -> None:
    player = Player(loaded.decider, stale_after=loaded.stale_after)
    for number in range(500):
        for event in heard("answered", START + number * REMEMBERED / 50, f"{number:08x}-0000-4000-8000-00000000abcd"):
            player.hear(event)

    assert len(player._calls) <= 52
    assert len(player._looks) <= 2 * 52
    assert sum(map(len, player._customers._calls.values())) <= 52


def test_the_first_call_of_the_longest_day_counts_until_it_ends(loaded: Config) -> None:
    # In London, summer time ended on 26 October 2025.
    begins = 1_761_433_200.0
    events = [*heard("missed", begins + 60, CALL), *heard("missed", begins + 90_000 - 600, OTHER)]
    played = play(loaded.decider, events, stale_after=loaded.stale_after)

    assert [counts(one.facts) for one in played if one.step.own] == [(1, 1), (2, 2)]


def test_calls_that_overlap_are_counted_as_they_started(loaded: Config) -> None:
    answered, missed = heard("answered", START, CALL), heard("missed", START + 20, OTHER)
    events = sorted([*answered, *missed], key=lambda event: event.received_at)
    played = play(loaded.decider, events, stale_after=loaded.stale_after)

    assert {one.event.call_id: counts(one.facts) for one in played if one.step.own} == {OTHER: (2, 1), CALL: (1, 0)}
