"""Two configurations over the same events: what one delivers and the other does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from router import config, samples
from router.comparing import Comparison, Example, Report
from router.config import Config
from router.event import CallEvent, read

START = 1_760_000_000.0
CALL = "5dccb6b0-f35c-488c-867b-86fb012c4415"
CONFIG = """\
timezone: Europe/London
region: GB
sources: {phone: {}}
destinations:
  desk: {type: console}
  crm: {type: console}
  archive: {type: console}
rules:
  - {name: missed, when: {missed: true}, send: [desk]}
  - {name: rings, once: call, when: {event_type: ringing}, send: [crm]}
always: [archive]
unmatched: drop
alerts: none
"""

Compare = Callable[..., Report]


def call(name: str, at: float = START, uuid: str = CALL) -> list[CallEvent]:
    return [
        read(json.dumps(timed.event).encode(), "phone", at + timed.after)
        for timed in samples.play(name, started_at=at, uuid=uuid)
    ]


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Config]:
    def load(text: str) -> Config:
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return config.load(path, {}, to_look=True)

    return load


@pytest.fixture
def compare(load: Callable[[str], Config]) -> Compare:
    def compare(
        *changes: tuple[str, str], events: list[CallEvent] | None = None, since: float = START, until: float = 4e9,
        examples: int = 3,
    ) -> Report:  # fmt: skip
        new = CONFIG
        for before, after in changes:
            assert before in new
            new = new.replace(before, after)
        comparison = Comparison(load(CONFIG), load(new), since=since, examples=examples)
        for event in call("missed") if events is None else events:
            comparison.hear(event)
        return comparison.report(until)

    return compare


def counts(report: Report) -> dict[tuple[str, str], tuple[int, int, int]]:
    return {(row.destination, row.rule): (row.gained, row.lost, row.unchanged) for row in report.rows}


def test_the_same_configuration_changes_nothing(compare: Compare) -> None:
    report = compare()

    assert (report.events, report.gained, report.lost, report.unchanged) == (3, 0, 0, 5)
    assert counts(report) == {
        ("archive", "always:"): (0, 0, 3),
        ("crm", "rings"): (0, 0, 1),
        ("desk", "missed"): (0, 0, 1),
    }
    assert [row.examples for row in report.rows] == [[], [], []]


def test_what_only_the_new_one_sends_is_gained_and_what_only_the_old_one_sends_is_lost(compare: Compare) -> None:
    report = compare(("{missed: true}", "{missed: false}"), ("send: [crm]", "send: [crm, desk]"))

    assert counts(report)["desk", "missed"] == (0, 1, 0)
    assert counts(report)["desk", "rings"] == (1, 0, 0)
    assert (report.gained, report.lost) == (1, 1)
    (lost,), (gained,) = (row.examples for row in report.rows if row.destination == "desk")
    assert lost == Example(False, START + 18.388 + 5, "call_ended", CALL, samples.CUSTOMER, samples.OFFICE)
    assert (gained.gained, gained.event_type) == (True, "ringing")


def test_a_rule_with_another_name_changes_no_delivery(compare: Compare) -> None:
    report = compare(("name: rings", "name: ringing"))

    assert (report.gained, report.lost) == (0, 0)
    assert report.other_rule == {("crm", "rings", "ringing"): 1}
    assert counts(report)["crm", "ringing"] == (0, 0, 1)


def test_a_destination_with_another_name_is_the_same(compare: Compare) -> None:
    report = compare(("crm: {type: console}", "kunden: {type: console, formerly: crm}"), ("[crm]", "[kunden]"))

    assert (report.gained, report.lost) == (0, 0)
    assert counts(report)["kunden", "rings"] == (0, 0, 1)


def test_a_destination_that_is_switched_off_hears_nothing(compare: Compare) -> None:
    report = compare(("crm: {type: console}", "crm: {type: console, enabled: false}"))

    assert counts(report)["crm", "rings"] == (0, 1, 0)


def test_a_destination_that_lacks_a_variable_here_counts_as_on(compare: Compare) -> None:
    report = compare(("crm: {type: console}", 'crm: {type: slack, url: "${NO_SUCH_URL}"}'))

    assert (report.gained, report.lost) == (0, 0)


def test_unmatched_and_always_are_named_as_who_asks(compare: Compare) -> None:
    report = compare(("unmatched: drop", "unmatched: [desk]"))

    assert counts(report)["desk", "unmatched:"] == (2, 0, 0)


def test_ends_are_compared_though_the_two_tell_them_at_different_times(compare: Compare) -> None:
    other = call("busy", START + 30, "6dccb6b0-f35c-488c-867b-86fb012c4415")
    report = compare(("unmatched: drop", "unmatched: drop\ncalls: {settle: 1m}"), events=[*call("missed"), *other])

    assert (report.gained, report.lost) == (0, 0)
    assert counts(report)["desk", "missed"] == (0, 0, 1)


def test_an_end_that_only_one_of_them_tells_counts(compare: Compare) -> None:
    late = call("answered")
    events = [call("missed")[-1], late[2]]
    events[1].received_at = events[0].received_at + 30
    report = compare(("unmatched: drop", "unmatched: drop\ncalls: {settle: 1m}"), events=events)

    assert counts(report)["desk", "missed"] == (0, 1, 0)


def test_ends_that_are_not_due_by_the_end_of_the_window_are_not_told(compare: Compare) -> None:
    assert counts(compare(("name: rings", "name: rang"), until=START + 20)).keys() == {
        ("archive", "always:"), ("crm", "rang"),
    }  # fmt: skip


def test_what_was_received_before_the_window_only_makes_calls_known(compare: Compare) -> None:
    report = compare(("event_type: ringing", "event_type: [call_setup, ringing]"), since=START + 0.1)

    assert report.events == 2
    assert counts(report)["crm", "rings"] == (0, 1, 0)


def test_no_more_examples_are_kept_than_asked_for(compare: Compare) -> None:
    events = [event for n in range(9) for event in call("busy", START + n * 60, f"{n:08x}-0000-4000-8000-00000000abcd")]
    report = compare(("always: [archive]", "always: [crm]"), events=events, examples=2)

    assert [len(row.examples) for row in report.rows] == [2, 2]
    assert counts(report) == {("archive", "always:"): (0, 18, 0), ("crm", "always:"): (18, 0, 0)}


def test_events_are_compared_alike_whether_the_two_work_them_out_together_or_apart(compare: Compare) -> None:
    events = sorted(
        (event for n, name in enumerate(samples.names() * 5)
         for event in call(name, START + n * 7, f"{n:08x}-0000-4000-8000-00000000abcd")),
        key=lambda event: event.received_at,
    )  # fmt: skip
    changes = [
        ("{name: missed, when: {missed: true}", "{name: missed, when: {missed: true, weekday: mon}"),
        ("event_type: ringing", "event_type: [call_setup, on_call_event]"),
    ]
    together = compare(*changes, events=events)
    # No call is silent here, so that this changes nothing but how the two are asked.
    apart = compare(
        *changes, ("unmatched: drop", "unmatched: drop\ncalls: {stale_after: 5h}"), events=events, until=START + 9000
    )

    assert together.gained
    assert together.lost
    assert apart == together


def test_a_rule_that_fires_once_a_call_does_so_for_each_of_the_two(compare: Compare) -> None:
    report = compare(("event_type: ringing", "event_type: [call_setup, ringing, completed]"))

    assert counts(report)["crm", "rings"] == (1, 1, 0)
