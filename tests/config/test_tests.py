"""What the tests of a configuration become: events as they would be received, and what must follow."""

from __future__ import annotations

from typing import Any

import pytest

from router import clock, samples

TEST = """
tests:
  - name: it
    expect: [crm]
"""
CUSTOMER, OFFICE = samples.CUSTOMER, samples.OFFICE


def one(config: Any, text: str, rest: str = "") -> Any:
    """The only test of a configuration; *text* stands in it, *rest* above it."""
    (test,) = config(rest + TEST + "".join(f"    {line}\n" for line in text.strip().splitlines())).tests
    return test


def field(test: Any, name: str) -> list[Any]:
    return [event.fields[name] for event in test.events]


def test_a_sample_is_the_call_that_send_plays(config: Any) -> None:
    test = one(config, "call: missed")

    assert field(test, "event_type") == ["call_setup", "ringing", "completed"]
    assert [event.received_at - test.events[0].received_at for event in test.events] == pytest.approx(
        [timed.after for timed in samples.play("missed", started_at=0)]
    )


def test_a_call_starts_on_a_weekday_at_noon_of_the_configured_zone(config: Any) -> None:
    test = one(config, "call: missed", "timezone: America/New_York\n")

    assert field(test, "call_started")[0] == "2026-01-05T17:00:00.000Z"


@pytest.mark.parametrize(
    ("at", "started"),
    [
        ("2026-07-04T10:00", "2026-07-04T09:00:00.000Z"),
        ("2026-07-04 10:00:30", "2026-07-04T09:00:30.000Z"),
        ('"2026-07-04T10:00:00Z"', "2026-07-04T10:00:00.000Z"),
        ("2026-07-04T10:00:00+05:00", "2026-07-04T05:00:00.000Z"),
    ],
)
def test_at_is_the_start_of_the_call_on_the_configured_clock_unless_it_names_a_zone(
    config: Any, at: str, started: str
) -> None:
    assert field(one(config, f"call: busy\nat: {at}", "timezone: Europe/London\n"), "call_started")[0] == started


def test_what_stands_under_with_is_in_every_event_with_the_type_that_its_field_has(config: Any) -> None:
    test = one(
        config,
        """
call: missed
with:
  from: +442071234567
  to: 0123
  tag: 12
  direction: null
  machine_detected: true
  event_payload: {a: 1, b: [true, null, "2"], c: 1.5e3, d: 0x1, e: no}
  number: 12
  text: "12"
""",
    )

    for event in test.events:
        changed = {name: event.fields[name] for name in ("from", "to", "tag", "direction", "machine_detected")}
        assert changed == {
            "from": "+442071234567", "to": "0123", "tag": "12", "direction": None, "machine_detected": True,
        }  # fmt: skip
        assert event.fields["event_payload"] == {"a": 1, "b": [True, None, "2"], "c": 1500.0, "d": "0x1", "e": "no"}
        assert (event.fields["number"], event.fields["text"]) == (12, "12")


def test_fields_that_an_event_leaves_out_are_filled_in(config: Any) -> None:
    test = one(config, "events: [{event_type: ringing}, {event_type: answered}, {event_type: completed}]")
    noon = clock.parse("2026-01-05T12:00:00Z")

    assert [event.event_time - noon for event in test.events] == [0, 1, 2]
    assert len(set(field(test, "uuid"))) == 1
    assert field(test, "call_started") == [clock.text(noon)] * 3
    assert field(test, "call_answered") == [None, clock.text(noon + 1), clock.text(noon + 1)]
    assert field(test, "call_completed") == [None, None, clock.text(noon + 2)]
    assert {(e.fields["from"], e.fields["to"], e.fields["direction"]) for e in test.events} == {
        (CUSTOMER, OFFICE, "inbound")
    }


def test_an_outbound_call_is_from_the_office(config: Any) -> None:
    test = one(config, "events: [{event_type: busy, direction: outbound}]")

    assert (field(test, "from"), field(test, "to")) == ([OFFICE], [CUSTOMER])


def test_what_an_event_says_its_call_keeps_saying(config: Any) -> None:
    events = "events: [{event_type: ringing, tag: sales, from: +442079460001}, {event_type: completed}]"

    assert field(one(config, events), "tag") == ["sales", "sales"]
    assert field(one(config, events), "from") == ["+442079460001"] * 2


def test_two_calls_in_one_test_do_not_speak_for_each_other(config: Any) -> None:
    other = "5dccb6b0-f35c-488c-867b-86fb012c4415"
    test = one(config, f"events: [{{event_type: answered, tag: a}}, {{event_type: completed, uuid: {other}}}]")

    assert field(test, "tag") == ["a", ""]
    assert field(test, "call_answered")[1] is None


def test_events_are_received_in_the_order_of_the_file_whatever_their_times(config: Any) -> None:
    test = one(
        config,
        """
events:
  - {event_type: completed, event_time: 2026-01-04T10:00:20Z}
  - {event_type: ringing, event_time: 2026-01-04T10:00:02Z}
  - {event_type: answered}
""",
    )

    received = [event.received_at for event in test.events]
    assert received == sorted(received)
    assert [event.event_time - test.events[0].event_time for event in test.events] == [0, -18, -17]


def test_a_test_is_of_the_first_source_unless_it_names_another(config: Any) -> None:
    sources = "sources: {wavix: {}, dialler: {accept_types: [sms]}}\n"

    assert {event.source for event in one(config, "call: busy", sources).events} == {"wavix"}
    assert [e.source for e in one(config, "source: dialler\nevents: [{event_type: sms}]", sources).events] == [
        "dialler"
    ]


@pytest.mark.parametrize(
    ("expect", "read"),
    [
        ("crm", {"crm": None}),
        ("[crm, log]", {"crm": None, "log": None}),
        ("[]", {}),
        ("{crm: 2, log: 0}", {"crm": 2, "log": 0}),
    ],
)
def test_expect_names_destinations_or_counts_them(config: Any, expect: str, read: dict[str, int | None]) -> None:
    destinations = 'destinations: {crm: {type: web, url: "https://crm.example"}, log: {type: paper, path: a}}\n'
    (test,) = config(f"{destinations}\ntests: [{{name: it, call: busy, expect: {expect}}}]").tests

    assert test.expect == read


def test_texts_are_wanted_of_any_setting_or_of_one(config: Any) -> None:
    assert one(config, 'call: busy\nrendered: {crm: "0123"}').rendered == {"crm": {None: "0123"}}
    assert one(config, "call: busy\nrendered: {crm: {headers.X-Tag: a, body: b}}").rendered == {
        "crm": {"headers.X-Tag": "a", "body": "b"}
    }


def test_a_test_knows_where_it_stands(config: Any) -> None:
    test = one(config, "call: busy")

    assert (test.file.endswith("config.yaml"), test.line, test.column) == (True, 3, 11)
