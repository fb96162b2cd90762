"""One incident per call in PagerDuty, opened when it was missed and closed when it was not."""

from __future__ import annotations

import json

import pytest

from plugins.pagerduty import PagerDuty
from router.errors import DestinationUnusable, PermanentFailure, TemporaryFailure
from router.event import ALERT
from router.testing import HOSTILE, make_delivery
from tests.harness import specs
from tests.harness.judged import JudgedHttp
from tests.harness.pagerduty import KEY, PagerDutyApi, invalid
from tests.harness.recording import Reply
from tests.harness.whole_calls import CALLS, deliveries, ends, tell


def pager(http, **settings):
    return PagerDuty(PagerDuty.Settings.model_validate({"key": KEY, **settings}), http)


def sent(delivery, **settings):
    http = JudgedHttp(PagerDutyApi())
    pager(http, **settings).deliver(delivery)
    return json.loads(http.requests[-1].body)


def test_a_missed_call_wakes_somebody_who_can_see_at_once_whom_to_call_back():
    [end] = deliveries("missed", ends)

    assert sent(end) == {
        "routing_key": KEY,
        "dedup_key": "callrouter:wavix:5dccb6b0-f35c-488c-867b-86fb012c4415",
        "event_action": "trigger",
        "client": "callrouter",
        "payload": {
            "summary": "📵 Missed call from +44 7700 900123",
            "source": "+442079460958",
            "severity": "error",
            "timestamp": "2026-03-02T14:05:18.388Z",
            "component": "wavix",
            "group": "calls",
            "class": "missed call",
            "custom_details": {
                "call back": "tel:+447700900123",
                "direction": "inbound",
                "from": "+447700900123",
                "to": "+442079460958",
                "outcome": "no_answer",
                "started at": "2026-03-02T14:05:00.000Z",
                "ended at": "2026-03-02T14:05:18.388Z",
                "ring seconds": 18.388,
                "calls today": 1,
                "missed today": 1,
                "uuid": "5dccb6b0-f35c-488c-867b-86fb012c4415",
            },
        },
    }


@pytest.mark.parametrize("call", list(CALLS))
def test_a_whole_call_is_at_most_one_incident_and_open_only_while_nobody_answered(call):
    api = PagerDutyApi()

    tell(pager(JudgedHttp(api)), deliveries(call))

    assert len(api.incidents) == 1
    assert api.open == (not CALLS[call]()[-1].event["call_answered"] and call != "out of order")


@pytest.mark.parametrize("lost", range(4))
def test_a_lost_answer_makes_no_second_incident(lost):
    api = PagerDutyApi()

    tell(pager(JudgedHttp(api, {lost})), deliveries("missed"))

    assert (len(api.incidents), api.open) == (1, 1)


def test_a_correction_to_answered_resolves_what_the_missed_call_opened():
    api = PagerDutyApi()
    made = pager(JudgedHttp(api))
    made.deliver(make_delivery("call_ended"))

    made.deliver(make_delivery("call_corrected", call={**make_delivery().call, "answered": True, "missed": False}))

    assert list(api.incidents.values()) == [["trigger", "resolve"]]


@pytest.mark.parametrize(("over", "action"), [(False, "trigger"), (True, "resolve")])
def test_an_alert_opens_an_incident_and_its_end_resolves_it(over, action):
    payload = make_delivery(ALERT).event["event_payload"]

    event = sent(make_delivery(ALERT, event={"event_payload": {**payload, "over": over}}), resolve=False)

    assert event["event_action"] == action


def test_resolving_can_be_left_to_people():
    [end] = deliveries("answered", ends)

    assert sent(end)["event_action"] == "resolve"
    assert sent(end, resolve="false")["event_action"] == "trigger"


def test_the_region_decides_the_address():
    http = JudgedHttp(PagerDutyApi())

    pager(http, region="eu").deliver(make_delivery())

    assert http.requests[0].path == "https://events.eu.pagerduty.com/v2/enqueue"


@pytest.mark.parametrize("text", [*HOSTILE, None])
def test_no_text_of_a_stranger_makes_an_event_that_is_refused(text):
    event = sent(make_delivery(event={"tag": text, "from": text, "to": text}), text="{{ event.tag }}{{ event.from }}")

    assert len(event["payload"]["summary"]) <= 1024
    assert "\n" not in event["payload"]["summary"]


@pytest.mark.parametrize("call", list(CALLS))
def test_pagerdutys_own_spec_finds_no_fault(call):
    spec = specs.load("pagerduty-events-v2.json")
    http = JudgedHttp(PagerDutyApi())

    tell(pager(http), deliveries(call))

    for request in http.requests:
        specs.check_body(spec, "/enqueue", "post", json.loads(request.body))


@pytest.mark.parametrize(
    ("reply", "failure", "wait"),
    [
        (Reply(429, b""), TemporaryFailure, 30.0),
        (Reply(429, b"", {"Retry-After": "9"}), TemporaryFailure, 9.0),
        (Reply(500, b""), TemporaryFailure, None),
        (invalid("'payload.summary' is missing or blank"), PermanentFailure, None),
        (invalid("Invalid routing key"), DestinationUnusable, None),
        (invalid("Length of 'routing_key' is incorrect (should be 32 characters)"), DestinationUnusable, None),
        (Reply(401, b""), DestinationUnusable, None),
    ],
)
def test_each_answer_is_a_failure_of_its_class(reply, failure, wait):
    with pytest.raises(failure) as caught:
        pager(JudgedHttp(PagerDutyApi(reply))).deliver(make_delivery())

    assert type(caught.value) is failure
    assert getattr(caught.value, "retry_after", None) == wait
    assert caught.value.status == reply.status


def test_a_key_of_the_wrong_shape_is_refused_before_anything_is_sent():
    with pytest.raises(ValueError, match="32 letters and digits"):
        PagerDuty.Settings.model_validate({"key": "https://events.pagerduty.com/integration/x"})
