"""A configuration's own tests pass when they should, and fail with what a person needs to know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from router import config, proving
from tests.config.plugins import REGISTRY

CONFIG = """\
timezone: Europe/London
region: GB
sources: {phone: {}}
destinations:
  desk:
    type: console
    text: |
      Missed call from {{ event.from | phone }}
      at {{ event.event_time | time }}
  pager: {type: slack, url: "${PAGER_URL}", optional: true, text: "{{ event.event_type }}"}
  off: {type: console, enabled: false}
  archive: {type: file, path: a.jsonl}
rules:
  - name: missed
    when: {missed: true}
    send: [desk]
  - name: rings
    when: {event_type: [ringing, answered]}
    send: [pager, off]
always: [archive]
unmatched: drop
alerts: none
tests:
"""

Run = Callable[[str], tuple[str, ...]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def differences(test: str) -> tuple[str, ...]:
        path = tmp_path / "config.yaml"
        path.write_text(CONFIG + f"  - {{name: it, {test}}}\n")
        (verdict,) = proving.run(config.load(path, {}))
        assert verdict.passed == (not verdict.differences)
        return verdict.differences

    return differences


def test_exactly_the_expected_destinations_pass_however_often_they_hear(run: Run) -> None:
    assert run("call: missed, expect: [desk, pager, off, archive]") == ()


def test_a_missing_destination_is_a_difference(run: Run) -> None:
    assert run("call: cancelled, with: {event_type: cancelled}, expect: [archive, desk]") == ("- desk",)


def test_an_additional_destination_is_told_with_its_rule_and_the_events(run: Run) -> None:
    assert run("call: answered, expect: [pager, archive]") == ('+ off ×2  by rule "rings", on ringing, answered',)


def test_nobody_is_an_expectation_too(run: Run) -> None:
    assert run("events: [{event_type: call_setup}], expect: []") == ("+ archive  by always:, on call_setup",)


def test_counts_are_exact(run: Run) -> None:
    assert run("call: missed, expect: {desk: 1, pager: 1, off: 1, archive: 3}") == ()
    assert run("call: missed, expect: {desk: 1, pager: 1, off: 1, archive: 2}") == (
        "- archive ×2",
        "+ archive ×3  by always:, on call_setup, ringing, completed",
    )


def test_a_disabled_destination_counts_as_if_it_were_on(run: Run) -> None:
    assert run("events: [{event_type: ringing}], expect: {pager: 1, off: 1, archive: 1}") == ()


def test_the_clock_of_a_test_is_its_own(run: Run) -> None:
    assert run("call: missed, at: 2026-07-04T03:05, expect: [desk, pager, off, archive], "
               'rendered: {desk: "Missed call from +44 7700 900123\\nat 03:05\\n"}') == ()  # fmt: skip


def test_one_of_the_deliveries_must_say_the_text(run: Run) -> None:
    expect = "call: answered, expect: [pager, off, archive], "

    assert run(expect + "rendered: {pager: answered}") == ()
    assert run(expect + "rendered: {pager: {text: ringing}}") == ()


def test_a_setting_that_is_named_must_say_it_itself(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("""\
sources: {phone: {}}
destinations:
  crm: {type: web, url: "https://crm.example", body: "{{ event.event_type }}", headers: {X-Tag: "{{ event.tag }}"}}
always: crm
unmatched: drop
alerts: none
tests:
  - {name: a, call: busy, expect: crm, rendered: {crm: {headers.X-Tag: sales-callback, body: busy}}}
  - {name: b, call: busy, expect: crm, rendered: {crm: {headers.X-Tag: busy}}}
  - {name: c, call: busy, expect: crm, rendered: {crm: busy}}
""")

    assert [one.passed for one in proving.run(config.load(path, {}, registry=REGISTRY))] == [True, False, True]


def test_a_text_that_differs_is_shown_line_by_line_against_the_nearest(run: Run) -> None:
    assert run("call: missed, expect: [desk, pager, off, archive], "
               'rendered: {desk: "Missed call from +44 7700 900123\\nat 12:01"}') == (
        "desk, text, on call_ended:",
        "  Missed call from +44 7700 900123",
        "- at 12:01",
        "+ at 12:00",
    )  # fmt: skip


def test_a_text_of_a_destination_that_hears_nothing_is_missing(run: Run) -> None:
    assert run("events: [{event_type: ringing}], expect: [pager, off, archive], rendered: {desk: hello}") == (
        "desk: there is no text",
        "- hello",
    )


@pytest.mark.parametrize("path", ["config.yaml", "router/cli/starter.yaml"])
def test_the_configurations_that_come_with_callrouter_pass_their_tests(path: str) -> None:
    verdicts = proving.run(config.load(Path(__file__).parents[1] / path, {}))

    assert [verdict.passed for verdict in verdicts] == [True, True]


def test_what_a_rule_says_in_place_of_its_destination_is_what_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    own = CONFIG.replace("send: [desk]", 'send: [{to: desk, text: "Own {{ event.to | phone }}"}]')
    path.write_text(own + "  - {name: it, call: missed, expect: [desk, archive, pager], rendered: {desk: Own}}\n")
    loaded = config.load(path, {"PAGER_URL": "https://hooks.example/x"}, registry=None)

    [verdict] = proving.run(loaded)

    assert any("+ Own +44 20 7946 0958" in line for line in verdict.differences)
