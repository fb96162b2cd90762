"""The sample calls are what the sender documents, and what operations people meet."""

from __future__ import annotations

import json

import pytest

from router import clock, phone, samples

STARTED = 1_758_545_798.547

#: The documented fields in the documented order.
FIELDS = [
    "uuid", "event_type", "event_time", "event_payload", "from", "to", "call_started", "call_answered",
    "call_completed", "machine_detected", "tag", "direction",
]  # fmt: skip


@pytest.fixture(params=samples.names())
def played(request) -> list[samples.Timed]:
    return samples.play(request.param, started_at=STARTED)


def test_there_is_a_call_of_each_kind():
    assert samples.names() == ["answered", "missed", "busy", "cancelled", "rejected", "dtmf"]


def test_every_event_has_exactly_the_documented_fields_in_the_documented_order(played):
    assert [list(timed.event) for timed in played] == [FIELDS] * len(played)


def test_the_documented_sample_has_those_fields_too():
    assert list(json.loads(samples.documented())) == FIELDS


def test_an_event_happens_as_long_after_the_start_as_it_is_timed(played):
    assert [clock.parse(timed.event["event_time"]) for timed in played] == pytest.approx(
        [STARTED + timed.after for timed in played], abs=0.001
    )
    assert [timed.after for timed in played] == sorted(timed.after for timed in played)


def test_all_events_of_a_call_have_one_uuid_and_another_call_has_another(played):
    others = samples.play("answered", started_at=STARTED)

    assert len({timed.event["uuid"] for timed in played}) == 1
    assert others[0].event["uuid"] != played[0].event["uuid"]


def test_only_the_last_event_says_when_the_call_was_completed(played):
    completed = [timed.event["call_completed"] for timed in played]

    assert completed == [None] * (len(played) - 1) + [played[-1].event["event_time"]]


def test_both_numbers_of_a_call_are_numbers(played):
    assert phone.parse(played[0].event["from"], None)
    assert phone.parse(played[0].event["to"], None)


def test_an_answered_call_talks_for_two_minutes_and_forty_one_seconds():
    last = samples.play("answered", started_at=STARTED)[-1].event

    assert clock.parse(last["call_completed"]) - clock.parse(last["call_answered"]) == pytest.approx(161, abs=0.002)


def test_a_missed_call_rings_for_eighteen_seconds_and_completes_unanswered():
    ringing, completed = samples.play("missed", started_at=STARTED)[1:]

    assert completed.after - ringing.after == pytest.approx(18)
    assert (completed.event["event_type"], completed.event["call_answered"]) == ("completed", None)
    assert completed.event["direction"] == "inbound"


@pytest.mark.parametrize("name", ["busy", "cancelled", "rejected"])
def test_an_unanswered_call_ends_with_its_own_event(name):
    last = samples.play(name, started_at=STARTED)[-1].event

    assert (last["event_type"], last["call_answered"]) == (name, None)


def test_the_digits_a_caller_presses_come_as_on_call_events():
    payloads = [timed.event["event_payload"] for timed in samples.play("dtmf", started_at=STARTED)]

    assert [payload["payload"] for payload in payloads if payload] == [
        {"digits": "", "status": "started"},
        {"digits": "2", "status": "completed"},
    ]


def test_the_numbers_and_the_uuid_can_be_chosen():
    event = samples.play("busy", started_at=STARTED, uuid="u", from_="+442079460001", to="+442079460002")[0].event

    assert (event["uuid"], event["from"], event["to"]) == ("u", "+442079460001", "+442079460002")
