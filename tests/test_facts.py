"""What is worked out about an event, for rules, templates and plugins."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from router import clock, samples
from router.calls import OWN, ended_event, facts, subject
from router.event import CallEvent
from router.hours import Hours, Interval
from tests.harness.calls import OURS, START, THEIRS, follow, make_event, played, step_of


def facts_of(*events: CallEvent, zone: str = "Europe/London", own_numbers: frozenset[str] = frozenset(), **others):
    """The facts of the last of *events*."""
    call = follow(*events, own_numbers=own_numbers)
    step = step_of(*events)
    return facts(call, events[-1], step, zone=ZoneInfo(zone), region="GB", own_numbers=own_numbers, **others)


def test_the_facts_of_an_event_are_these():
    assert facts_of(make_event("ringing")) == {
        "first": True, "late": False, "answered": False, "ring_seconds": None, "talk_seconds": None,
        "direction": "inbound",
        "from_number": "+442079460001", "from_number_international": "+44 20 7946 0001", "from_country": "GB",
        "to_number": "+442079460958", "to_number_international": "+44 20 7946 0958", "to_country": "GB",
        "customer_number": "+442079460001", "customer_number_international": "+44 20 7946 0001",
        "customer_country": "GB",
        "local_time": "2025-09-22T13:56+01:00", "weekday": "mon", "date": "2025-09-22",
        "timezone": "Europe/London",
    }  # fmt: skip


def test_only_our_own_events_say_ended_missed_outcome_and_how_often_the_customer_called():
    call = replace(follow(*played("missed")), calls_today=3, missed_today=2)
    own = facts(call, ended_event(call, START + 30), OWN, zone=ZoneInfo("UTC"), region=None)
    said = {"ended": True, "missed": True, "outcome": "no_answer", "calls_today": 3, "missed_today": 2}

    assert said.items() <= own.items()
    assert not said.keys() & facts_of(*played("missed")).keys()


@pytest.mark.parametrize(
    ("fields", "own_numbers", "customer"),
    [
        ({"direction": "inbound"}, set(), THEIRS),
        ({"direction": "outbound"}, set(), OURS),
        ({"direction": None}, {OURS}, THEIRS),
        ({"direction": None}, {THEIRS}, OURS),
        ({"direction": None}, set(), None),
        ({"direction": "inbound"}, {OURS, THEIRS}, None),
        ({"direction": "inbound", "from": "anonymous"}, set(), None),
    ],
)
def test_the_customer_is_the_outside_party_and_never_an_own_number(fields, own_numbers, customer):
    assert facts_of(make_event(**fields), own_numbers=frozenset(own_numbers))["customer_number"] == customer


def test_local_time_and_day_are_those_of_the_configured_zone():
    found = facts_of(make_event(call_started=clock.text(START + 11 * 3600), after=11 * 3600), zone="Asia/Tokyo")

    assert (found["local_time"], found["weekday"], found["date"]) == ("2025-09-23T08:56+09:00", "tue", "2025-09-23")


def test_all_events_of_a_call_agree_on_the_day_it_started():
    started, ended = make_event("ringing"), make_event("completed", after=11 * 3600)
    own = facts(follow(started, ended), ended_event(follow(started, ended), START), OWN, zone=UTC, region=None)

    assert {(own["weekday"], own["date"]), *(day_of(started), day_of(started, ended))} == {("mon", "2025-09-22")}
    assert facts_of(started, ended)["local_time"] == "2025-09-23T00:56+01:00"


def test_a_call_that_does_not_say_when_it_started_did_so_with_its_first_event():
    events = [make_event(call_started=None, after=hours * 3600) for hours in (0, 11)]

    assert (day_of(*events), day_of(events[1])) == (("mon", "2025-09-22"), ("tue", "2025-09-23"))


def day_of(*events: CallEvent) -> tuple[str, str]:
    found = facts_of(*events)
    return found["weekday"], found["date"]


def test_the_hours_of_an_event_are_those_that_held_when_the_call_started():
    # The call starts at 13:56 in London, and its end comes 10 minutes later.
    hours = {
        "until-two": Hours(ZoneInfo("Europe/London"), (Interval(9 * 3600, 14 * 3600),)),
        "business": Hours(ZoneInfo("Europe/London"), (Interval(9 * 3600, 17 * 3600),)),
        "from-two": Hours(ZoneInfo("Europe/London"), (Interval(14 * 3600, 17 * 3600),)),
    }

    found = facts_of(make_event(), make_event("completed", after=600), hours=hours)

    assert found["hours"] == ["business", "until-two"]


def test_facts_say_nothing_of_hours_where_there_are_none():
    assert "hours" not in facts_of(make_event())


def test_rules_see_the_senders_fields_overlaid_by_the_facts():
    event = make_event("completed", direction=None, extra={"a": 1}, **{"from": "020 7946 0001"})

    seen = subject(event, facts_of(event, own_numbers=frozenset({OURS})))

    assert (seen["from"], seen["from_number"], seen["direction"]) == ("020 7946 0001", THEIRS, "inbound")
    assert (seen["extra"], seen["source"], seen["event_type"]) == ({"a": 1}, "wavix", "completed")


def test_a_sender_cannot_state_what_only_the_end_of_a_call_can():
    stated = {"missed": True, "outcome": "busy", "ended": True, "calls_today": 3, "missed_today": 3}
    event = make_event("ringing", **stated)

    assert not stated.keys() & set(subject(event, facts_of(event)))


def test_facts_and_calls_are_json_values():
    call = follow(*played("dtmf"))

    assert json.loads(json.dumps(facts_of(*played("dtmf")))) == facts_of(*played("dtmf"))
    assert json.loads(json.dumps(call.as_mapping())) == call.as_mapping()


def test_a_call_for_templates_has_text_for_times_and_no_bookkeeping():
    assert follow(*played("missed")).as_mapping() == {
        "source": "wavix", "uuid": "c1", "state": "ended", "direction": "inbound", "tag": "",
        "from": samples.CUSTOMER, "to": samples.OFFICE,
        "started_at": "2025-09-22T12:56:38.500Z", "answered_at": None, "ended_at": "2025-09-22T12:56:56.888Z",
        "answered": False, "machine": False, "outcome": "no_answer", "missed": True,
        "ring_seconds": 18.388, "talk_seconds": None, "calls_today": None, "missed_today": None,
        "first_event_at": "2025-09-22T12:56:38.500Z", "last_event_at": "2025-09-22T12:56:56.888Z", "events": 3,
    }  # fmt: skip
