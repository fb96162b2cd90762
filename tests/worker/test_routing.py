"""Routing: what an inbox entry becomes in the store, and when the end of a call is told."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from router import clock, matching, samples
from router.config import Address, Config, Destination, Source
from router.errors import Fault, StoreError
from router.inbox import Entry
from router.location import SqliteAt
from router.matching import Condition, OneOf, Subject
from router.plugin import Plugin, Settings
from router.retry import RetryPolicy
from router.routes import Routes, Rule
from router.store import Filter, State
from router.store.sqlite.reading import SqliteReading
from router.store.sqlite.store import SqliteStore
from router.worker.routing import Routing

START = 1_758_545_798.5
CALL = "5dccb6b0-f35c-488c-867b-86fb012c4415"

EVERYTHING = Condition(())
MISSED = Condition((matching.Test("missed", OneOf(frozenset({"true"}))),))


class Nowhere(Plugin[Settings]):
    """A plugin whose destinations are only named here."""

    type = "nowhere"
    Settings = Settings

    def deliver(self, delivery):
        return None


def destination(name: str, **keys) -> Destination:
    given = {"disabled": None, "retry": RetryPolicy(), "order": "none"} | keys
    return Destination(name=name, plugin=Nowhere, settings=Settings(), fingerprint="f", **given)


def rule(name: str, *send: str, when: Condition = EVERYTHING, **keys) -> Rule:
    return Rule(name, when, send, **keys)


def failing(when: Condition) -> Condition:
    """Return *when* as it would be if trying it failed."""

    def fail(subject: Subject) -> bool:
        return bool(1 / subject.get("n", 0))

    object.__setattr__(when, "matches", fail)
    return when


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        path=tmp_path / "config.yaml",
        version="v1",
        listen=Address("127.0.0.1", 0),
        admin=Address("127.0.0.1", 0),
        store=SqliteAt(tmp_path / "data"),
        data=tmp_path / "data",
        timezone=ZoneInfo("Europe/London"),
        region="GB",
        own_numbers=frozenset({samples.OFFICE}),
        trusted_proxies=(),
        sources={"wavix": Source("wavix", ())},
        destinations={
            "slack": destination("slack"),
            "crm": destination("crm", order="call"),
            "archive": destination("archive"),
            "off": destination("off", disabled="enabled: false"),
        },
        routes=Routes([rule("missed-calls", "slack", when=MISSED)], unmatched=("archive",)),
    )


@pytest.fixture
def store(config: Config) -> Iterator[SqliteStore]:
    opened = SqliteStore.open(config.data)
    opened.know(config.destinations, {})
    yield opened
    opened.close()


@pytest.fixture
def reading(store: SqliteStore, config: Config) -> Iterator[SqliteReading]:
    opened = SqliteReading.open(config.data)
    yield opened
    opened.close()


def body(event_type: str = "ringing", after: float = 0.0, **fields: object) -> bytes:
    """One event of an inbound call."""
    event = samples.play("missed", started_at=START, uuid=CALL)[0].event
    return json.dumps(event | {"event_type": event_type, "event_time": clock.text(START + after)} | fields).encode()


def entry(event_type: str = "ringing", after: float = 0.0, **fields: object) -> Entry:
    """That event as an inbox entry, received when it happened."""
    return Entry("wavix", body(event_type, after, **fields), START + after, "192.0.2.1")


def route(store: SqliteStore, config: Config, *entries: Entry):
    """Route *entries*, each in a transaction of its own; return what became of them."""
    routing = Routing(store, config)
    routed = []
    for one in entries:
        with store.transaction():
            routed.append(routing.route(one, one.received_at))
    return routed


def end(store: SqliteStore, config: Config, after: float):
    """Tell the ends that are due *after* seconds from the start."""
    with store.transaction():
        return Routing(store, config).end_calls(START + after)


def with_rules(config: Config, *rules: Rule, **keys) -> Config:
    return replace(config, routes=Routes(rules, **keys))


# Events ---------------------------------------------------------------------------------------------------------


def test_an_event_is_kept_with_its_facts_and_what_decided_it(store, reading, config):
    [routed] = route(store, with_rules(config, rule("all", "slack")), entry())

    [kept] = reading.events(Filter(), 10)
    assert (kept.id, kept.call_id, kept.event_type, kept.body) == (routed.event_id, CALL, "ringing", body())
    assert (kept.rules, kept.unmatched, kept.late, kept.config_version) == (["all"], False, False, "v1")
    assert (kept.facts["first"], kept.facts["customer_number"]) == (True, samples.CUSTOMER)
    assert kept.received_at == START


def test_each_destination_a_rule_names_is_owed_a_delivery(store, reading, config):
    [routed] = route(store, with_rules(config, rule("all", "slack", "crm"), always=("archive",)), entry())

    assert routed.destinations == ("slack", "crm", "archive")
    assert {(row.destination, row.rule, row.state) for row in reading.deliveries(Filter(), 10)} == {
        ("slack", "all", State.READY),
        ("crm", "all", State.READY),
        ("archive", None, State.READY),
    }


def test_only_an_ordered_destination_gets_the_events_of_a_call_one_after_the_other(store, reading, config):
    route(store, with_rules(config, rule("all", "slack", "crm")), entry(), entry("completed", 9))

    states = [(row.destination, row.state) for row in reversed(reading.deliveries(Filter(), 10))]
    assert states == [
        ("slack", State.READY), ("crm", State.READY), ("slack", State.READY), ("crm", State.WAITING)
    ]  # fmt: skip


def test_a_disabled_destination_is_owed_nothing_and_is_named(store, reading, config):
    [routed] = route(store, with_rules(config, rule("all", "off", "slack")), entry())

    assert (routed.destinations, routed.skipped) == (("slack",), ("off",))
    assert [row.destination for row in reading.deliveries(Filter(), 10)] == ["slack"]


def test_an_event_that_no_rule_matches_is_unmatched(store, reading, config):
    [routed] = route(store, config, entry())

    assert (routed.unmatched, routed.rules, routed.destinations) == (True, (), ("archive",))
    assert [row.unmatched for row in reading.events(Filter(), 10)] == [True]


def test_the_same_event_again_is_one_event(store, reading, config):
    rules = with_rules(config, rule("all", "slack"))

    first, second = route(store, rules, entry(), entry())

    assert (first.duplicate, second.duplicate, second.event_id) == (False, True, None)
    assert len(reading.events(Filter(), 10)) == len(reading.deliveries(Filter(), 10)) == 1


def test_a_duplicate_leaves_its_call_untouched(store, config):
    route(store, config, entry("completed", 9))
    before = store.call("wavix", CALL)

    route(store, config, replace(entry("completed", 9), received_at=START + 4000))

    assert store.call("wavix", CALL) == before


def test_a_late_event_is_marked_and_kept(store, reading, config):
    *_, late = route(store, config, entry("ringing", 5), entry("call_setup", 1))

    assert late.late
    assert [row.late for row in reading.events(Filter(), 10)] == [True, False]


def test_a_rule_once_per_call_sends_once_however_long_the_worker_lives(store, config):
    rules = with_rules(config, rule("once", "slack", once=True))

    [first] = route(store, rules, entry("call_setup"))
    [again] = route(store, rules, entry("ringing", 1))

    assert (first.destinations, again.destinations, again.rules) == (("slack",), (), ("once",))


def test_a_rule_once_per_call_is_not_used_up_by_another_call(store, config):
    rules = with_rules(config, rule("once", "slack", once=True))
    other = entry(uuid="00000000-0000-4000-8000-000000000001")

    assert [routed.destinations for routed in route(store, rules, entry(), other)] == [("slack",), ("slack",)]


def test_what_a_rolled_back_transaction_taught_is_forgotten(store, config):
    routing = Routing(store, config)

    def route_in_vain() -> None:
        with store.transaction():
            routing.route(entry("completed", 9), START + 9)
            raise StoreError("the disk is full")

    with pytest.raises(StoreError):
        route_in_vain()
    routing.forget()

    with store.transaction():
        routed = routing.route(entry("ringing", 1), START + 10)

    assert not routed.late
    assert store.call("wavix", CALL).events == 1


# Quarantine -----------------------------------------------------------------------------------------------------


def test_an_entry_with_faults_goes_to_quarantine(store, reading, config):
    faults = [Fault("uuid", "is missing")]

    [routed] = route(store, config, replace(entry(), faults=faults))

    [kept] = reading.quarantined(10)
    assert (kept.id, kept.faults, kept.body, kept.remote) == (routed.quarantined, faults, body(), "192.0.2.1")
    assert reading.events(Filter(), 10) == []


def test_a_body_that_cannot_be_read_goes_to_quarantine_with_the_reason(store, reading, config):
    [routed] = route(store, config, Entry("wavix", b"{", START, "192.0.2.1"))

    assert [row.id for row in reading.quarantined(10)] == [routed.quarantined]
    assert "JSON" in routed.faults[0].text


def test_an_event_that_breaks_a_rule_is_set_aside_and_the_next_is_routed(store, reading, config, caplog):
    caplog.set_level(logging.CRITICAL)
    rules = with_rules(config, rule("broken", "slack", when=failing(Condition(()))))

    broken, next_ = route(store, rules, entry(n=0), entry("completed", 9, n=1))

    assert broken.quarantined
    assert "ZeroDivisionError" in reading.quarantined(10)[0].faults[0].text
    assert next_.event_id
    assert [row.event_type for row in reading.events(Filter(), 10)] == ["completed"]


def test_what_the_store_refuses_is_not_taken_for_a_bad_event(store, reading, config):
    named = replace(config, destinations={**config.destinations, "new": destination("new")})

    with pytest.raises(StoreError, match=r'never told of destination "new"'):
        route(store, with_rules(named, rule("all", "new")), entry())

    assert reading.quarantined(10) == []


def set_aside(store: SqliteStore, config: Config, **fields: object) -> int:
    """Quarantine an event; return its id there."""
    [routed] = route(store, config, replace(entry(**fields), faults=[Fault("event_type", "is new")]))
    assert routed.quarantined
    return routed.quarantined


def readmit(store: SqliteStore, config: Config, quarantine_id: int):
    with store.transaction():
        return Routing(store, config).readmit(quarantine_id, START + 900)


def test_a_body_its_source_may_send_by_now_is_readmitted_once(store, reading, config):
    kept = set_aside(store, config, event_type="hold_music")
    accepting = replace(config, sources={"wavix": Source("wavix", (), accept_types=frozenset({"hold_music"}))})

    routed = readmit(store, accepting, kept)

    assert routed
    assert [row.id for row in reading.events(Filter(), 10)] == [routed.event_id]
    assert reading.quarantined(10)[0].readmitted_at == START + 900
    assert readmit(store, accepting, kept) is None


def test_a_body_its_source_may_still_not_send_stays_in_quarantine(store, reading, config):
    kept = set_aside(store, config, event_type="hold_music")

    assert readmit(store, config, kept) is None
    assert reading.quarantined(10)[0].readmitted_at is None


@pytest.mark.parametrize("sources", [{}, {"wavix": Source("wavix", ())}])
def test_what_is_not_in_quarantine_or_has_no_source_is_not_readmitted(store, config, sources):
    kept = set_aside(store, config)

    assert readmit(store, replace(config, sources=sources), kept + (1 if sources else 0)) is None


# The end of a call ----------------------------------------------------------------------------------------------


def test_a_missed_call_is_told_once_when_it_has_settled(store, reading, config):
    route(store, config, entry("ringing"), entry("completed", 18))

    assert end(store, config, 22.9) == []
    [ended] = end(store, config, 23.1)
    assert end(store, config, 99) == []
    assert (ended.event_type, ended.outcome, ended.missed) == ("call_ended", "no_answer", True)
    assert (ended.rules, ended.destinations, ended.unmatched) == (("missed-calls",), ("slack",), False)
    newest = reading.events(Filter(), 1)[0]
    assert (newest.event_type, newest.facts["outcome"], newest.call_id) == ("call_ended", "no_answer", CALL)


def test_an_answered_call_is_told_at_once(store, config):
    route(store, config, entry("answered", 5), entry("completed", 18))

    [ended] = end(store, config, 18)

    assert (ended.outcome, ended.missed, ended.destinations) == ("answered", False, ())


def test_a_late_answer_is_told_as_a_correction_once(store, config):
    route(store, config, entry("completed", 18))
    end(store, config, 23.1)
    route(store, config, entry("answered", 5))

    [corrected] = end(store, config, 30)

    assert (corrected.event_type, corrected.outcome, corrected.missed) == ("call_corrected", "answered", False)
    assert end(store, config, 99) == []


def test_always_and_unmatched_do_not_hear_of_our_own_events(store, config):
    heard = with_rules(config, always=("archive",), unmatched=("slack",))
    route(store, heard, entry("completed", 18))

    assert [ended.destinations for ended in end(store, heard, 30)] == [()]


def test_a_call_silent_for_too_long_ends_unknown(store, config):
    route(store, config, entry("answered", 5))

    assert end(store, config, 14400) == []
    [ended] = end(store, config, 14406)
    assert (ended.event_type, ended.outcome, ended.missed) == ("call_ended", "unknown", False)
    assert end(store, config, 99999) == []


def test_no_more_ends_are_told_at_a_time_than_asked_for(store, config):
    route(store, config, *[entry("busy", uuid=f"00000000-0000-4000-8000-00000000000{n}") for n in range(5)])
    routing = Routing(store, config)

    with store.transaction():
        told = [len(routing.end_calls(START + 60, limit=2)) for _ in range(4)]

    assert told == [2, 2, 1, 0]


def test_an_end_that_breaks_a_rule_is_set_aside_and_not_told_for_ever(store, reading, config, caplog):
    caplog.set_level(logging.CRITICAL)
    rules = with_rules(config, rule("broken", "slack", when=failing(Condition(MISSED.parts))))
    route(store, config, entry("busy", 2))

    [ended] = end(store, rules, 30)

    assert [row.id for row in reading.quarantined(10)] == [ended.quarantined]
    assert end(store, rules, 60) == []


@pytest.mark.parametrize("name", samples.names())
def test_every_sample_call_is_routed_and_told_once(store, config, name):
    entries = [
        Entry("wavix", json.dumps(timed.event).encode(), START + timed.after, "192.0.2.1")
        for timed in samples.play(name, started_at=START)
    ]

    assert all(routed.event_id for routed in route(store, config, *entries))
    assert [ended.missed for ended in end(store, config, 400)] == [name in {"missed", "rejected"}]
