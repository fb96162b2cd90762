"""How often a customer has called on a day, as the end of each call tells it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from router import config, samples
from router.config import Config
from router.inbox import Entry
from router.store import EventRow, Filter
from router.store.sqlite.reading import SqliteReading
from router.store.sqlite.store import SqliteStore
from router.worker.routing import Routing, find

CONFIG = """\
timezone: {zone}
region: GB
sources: {{phone: {{}}, other: {{}}}}
destinations: {{slack: {{type: console}}, manager: {{type: console}}}}
rules:
  - {{name: missed, when: {{missed: true}}, send: [slack]}}
  - {{name: third, when: {{calls_today: {{gte: 3}}}}, send: [manager]}}
unmatched: drop
alerts: none
"""
OTHER_CUSTOMER = "+447700900999"


class Desk:
    """Routes whole calls, each of which ends before the next one begins, and reads what was told of them."""

    def __init__(self, loaded: Config, store: SqliteStore) -> None:
        self.loaded, self.store = loaded, store
        self.calls = 0

    def call(
        self,
        at: str,
        sample: str = "missed",
        *,
        source: str = "phone",
        times: int = 1,
        upto: int | None = None,
        **fields,
    ) -> str:
        """Route the events of a call that starts *at*, each of them so many *times*; return its id."""
        self.calls += 1
        began = datetime.fromisoformat(at).timestamp()
        uuid = f"{self.calls:08d}-f35c-488c-867b-86fb012c4415"
        routing = Routing(self.store, self.loaded)
        with self.store.transaction():
            self.store.know(self.loaded.destinations, {})
            for timed in samples.play(sample, started_at=began, uuid=uuid)[:upto]:
                for _ in range(times):
                    body = json.dumps({**timed.event, **fields}).encode()
                    routing.route(find(Entry(source, body, began + timed.after, "192.0.2.1")), began + timed.after)
        self.end(began + 600)
        return uuid

    def end(self, now: float) -> None:
        with self.store.transaction():
            Routing(self.store, self.loaded).end_calls(now)

    def told(self) -> list[EventRow]:
        with closing(SqliteReading.open(self.loaded.data)) as reading:
            return [row for row in reversed(reading.events(Filter(), 1000)) if "ended" in row.facts]

    def counts(self) -> list[tuple[int | None, int | None]]:
        """Return ``calls_today`` and ``missed_today`` of every end that was told, in their order."""
        return [(row.facts["calls_today"], row.facts["missed_today"]) for row in self.told()]


@pytest.fixture
def open_desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    opened = []

    def open_desk(zone: str = "Europe/London") -> Desk:
        path = tmp_path / "config.yaml"
        path.write_text(CONFIG.format(zone=zone))
        loaded = config.load(path)
        opened.append(SqliteStore.open(loaded.data))
        return Desk(loaded, opened[-1])

    yield open_desk
    for store in opened:
        store.close()


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    return open_desk()


def test_each_call_of_a_customer_is_told_as_the_next_of_the_day(desk):
    for at in ("2026-03-02T09:00Z", "2026-03-02T09:10Z", "2026-03-02T17:00Z"):
        desk.call(at)

    assert desk.counts() == [(1, 1), (2, 2), (3, 3)]
    assert [row.rules for row in desk.told()] == [["missed"], ["missed"], ["missed", "third"]]


def test_of_calls_of_which_one_was_answered_fewer_were_missed(desk):
    for sample in ("missed", "answered", "rejected"):
        desk.call(f"2026-03-02T0{desk.calls + 1}:00Z", sample)

    assert desk.counts() == [(1, 1), (2, 1), (3, 2)]


def test_an_event_that_comes_twice_makes_no_second_call(desk):
    for at in ("2026-03-02T09:00Z", "2026-03-02T10:00Z"):
        desk.call(at, times=3)

    assert desk.counts() == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("zone", "counts"),
    [("Europe/London", [1, 2]), ("Asia/Tokyo", [1, 1]), ("America/New_York", [1, 2])],
)
def test_the_day_is_that_of_the_configured_zone(open_desk, zone, counts):
    desk = open_desk(zone)
    desk.call("2026-03-02T14:30Z")  # 23:30 in Tokyo
    desk.call("2026-03-02T15:30Z")

    assert [calls for calls, _ in desk.counts()] == counts


def test_a_call_over_midnight_belongs_to_the_day_on_which_it_started(desk):
    desk.call("2026-03-02T23:00Z")
    desk.call("2026-03-02T23:59:55Z")
    desk.call("2026-03-03T00:30Z")

    assert [calls for calls, _ in desk.counts()] == [1, 2, 1]


@pytest.mark.parametrize(
    "fields",
    [
        {"from": OTHER_CUSTOMER},
        {"from": ""},
        {"from": "anonymous"},
        {"direction": "outbound", "from": samples.OFFICE, "to": samples.CUSTOMER},
        {"source": "other"},
    ],
    ids=["another number", "no number", "withheld", "we called them", "another source"],
)
def test_other_calls_do_not_count(desk, fields):
    desk.call("2026-03-02T09:00Z", **fields)
    desk.call("2026-03-02T10:00Z")

    assert desk.counts()[-1] == (1, 1)


@pytest.mark.parametrize("fields", [{"from": "anonymous"}, {"direction": "outbound"}, {"direction": None}])
def test_where_nobody_knows_the_customer_the_count_is_null(desk, fields):
    desk.call("2026-03-02T09:00Z", **fields)
    desk.call("2026-03-02T10:00Z", **fields)

    assert desk.counts() == [(None, None), (None, None)]


def test_a_call_that_still_goes_on_counts_and_is_not_missed(desk):
    desk.call("2026-03-02T09:00Z", "answered", upto=3)
    desk.call("2026-03-02T09:05Z")

    assert desk.counts() == [(2, 1)]


def test_what_comes_later_in_the_day_changes_no_earlier_number(desk):
    first = desk.call("2026-03-02T09:00Z")
    desk.call("2026-03-02T10:00Z")
    event = samples.play("answered", started_at=desk.told()[0].event_time, uuid=first)[2].event
    with desk.store.transaction():
        Routing(desk.store, desk.loaded).route(
            find(Entry("phone", json.dumps(event).encode(), desk.told()[0].received_at + 7200, "192.0.2.1")), 0.0
        )
    desk.end(2e9)

    assert [(row.event_type, *counts) for row, counts in zip(desk.told(), desk.counts(), strict=True)] == [
        ("call_ended", 1, 1), ("call_ended", 2, 2), ("call_corrected", 1, 0)
    ]  # fmt: skip


def test_a_silent_call_is_counted_as_missed_when_its_end_is_told(desk):
    desk.call("2026-03-02T09:00Z")
    desk.call("2026-03-02T09:10Z", upto=2)
    desk.end(2e9)

    assert desk.counts() == [(1, 1), (2, 2)]


def test_a_call_whose_number_comes_with_a_later_event_counts_from_then_on(desk):
    uuid = desk.call("2026-03-02T09:00Z", upto=1, **{"from": ""})
    began = datetime.fromisoformat("2026-03-02T09:00Z").timestamp()
    with desk.store.transaction():
        for timed in samples.play("missed", started_at=began, uuid=uuid)[1:]:
            entry = Entry("phone", json.dumps(timed.event).encode(), began + timed.after, "192.0.2.1")
            Routing(desk.store, desk.loaded).route(find(entry), began + timed.after)
    desk.end(began + 600)
    desk.call("2026-03-02T10:00Z")

    assert desk.counts() == [(1, 1), (2, 2)]


def test_our_event_and_the_call_say_the_same_as_the_facts(desk):
    desk.call("2026-03-02T09:00Z")
    uuid = desk.call("2026-03-02T10:00Z")

    payload = json.loads(desk.told()[-1].body)["event_payload"]
    call = desk.store.call("phone", uuid)
    assert (payload["calls_today"], payload["missed_today"]) == desk.counts()[-1] == (2, 2)
    assert call is not None
    assert (call.calls_today, call.missed_today) == (2, 2)
