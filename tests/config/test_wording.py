"""Templates are proved on the events that the rules could send to them, and on no others."""

from __future__ import annotations

from typing import Any

import pytest

from router.config import trials
from router.config.vocabulary import mistakes
from router.event import EVENT_TYPES, OWN_TYPES
from router.plugin import Template
from router.testing import make_delivery

KNOWN = {name: frozenset(has) for name, has in make_delivery().names.items()}


@pytest.mark.parametrize(
    "source",
    [
        "{{ event.from }}{{ facts.missed }}{{ call.state }}{{ delivery.time }}",
        '{{ event.team | default("") }}{{ (event.team | d("x")).y }}',
        "{% if event.team is defined %}{{ event.team }}{% endif %}",
        "{{ event.team if 'team' in event }}",
        '{{ event.get("team") }}{{ event["tag"] }}{% for key in facts.keys() %}{{ key }}{% endfor %}',
        "{% set event = {'mine': 1} %}{{ event.mine }}",
        "{% set who = event.from %}{{ who }}{% for n in range(2) %}{{ loop.index }}{{ n }}{% endfor %}",
        "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1) }}{{ event.event_payload.anything }}",
    ],
)
def test_a_name_that_exists_or_is_provided_for_is_no_mistake(source: str) -> None:
    assert mistakes(Template(source), KNOWN) == []


@pytest.mark.parametrize(
    ("source", "at", "text", "hint"),
    [
        ("a {{ form }}", "form }}", '"form", which does not exist', "allowed are call, delivery, event, facts"),
        ("{{ tag }}", "tag", '"tag", which does not exist', 'write "event.tag"'),
        ("{{ event.tga }}", "tga", '"event.tga", which no documented event has', 'did you mean "tag"?'),
        ("{{ event.missed }}", "missed", '"event.missed", which no documented event has', 'write "facts.missed"'),
        (
            '{{ event.team }}{{ event.team | default("") }}',
            "team }}{{",
            '"event.team", which no documented event has',
            'where a sender of yours adds it, write "event.team | default("")"',
        ),
        ('{{ facts["mised"] }}', "mised", '"facts.mised", which does not exist', 'did you mean "missed"?'),
        ('{{ facts.mised | default("") }}', "mised", '"facts.mised", which does not exist', 'did you mean "missed"?'),
        ("{{ delivery.atempt }}", "atempt", '"delivery.atempt", which does not exist', 'did you mean "attempt"?'),
    ],
)
def test_a_name_that_does_not_exist_is_told_with_what_to_write(source: str, at: str, text: str, hint: str) -> None:
    [mistake] = mistakes(Template(source), KNOWN)

    assert source[mistake.offset :].startswith(at)
    assert (mistake.text, mistake.hint) == (text, hint)


def test_every_mistake_of_a_template_is_told_once() -> None:
    found = mistakes(Template("{{ event.a }}{{ b }}\n{{ event.a }}{{ facts.c }}{{ b }}"), KNOWN)

    assert [mistake.text.partition(",")[0] for mistake in found] == ['"event.a"', '"b"', '"facts.c"']


def test_there_is_a_sample_of_every_kind_of_event(config: Any) -> None:
    loaded = config("sources: {wavix: {accept_types: [sms]}}")

    events = trials.trials(loaded)

    assert {event.event_type for event in events} == EVENT_TYPES | OWN_TYPES | {"sms"}
    for nullable in ("event_payload", "tag", "direction"):
        values = [event.names["event"][nullable] for event in events]
        assert None in values
        assert any(value is not None for value in values)
    outcomes = {event.names["facts"].get("outcome") for event in events if event.own}
    assert outcomes >= {"answered", "no_answer", "busy", "cancelled", "rejected", "failed"}


def written(when: str, text: str) -> str:
    quoted = text.replace('"', '\\"')
    return f"""
destinations: {{paper: {{type: paper, path: a, text: "{quoted}"}}, crm: {{type: web, url: "https://crm.example"}}}}
rules: [{{name: r, when: {when}, send: [paper]}}]
"""


MISSED = "{{ facts.missed }}"
PAYLOAD = "{{ event.event_payload.outcome }}"


@pytest.mark.parametrize(
    ("when", "text"),
    [
        ("{missed: true}", MISSED),
        ("{missed: true, tag: sales}", MISSED + PAYLOAD),
        ("{event_type: [call_ended, call_corrected]}", PAYLOAD),
        ("{any: [{missed: true, tag: a}, {outcome: busy}]}", MISSED),
        ("{all: [{event_type: call_ended}], customer_number: '+4420*'}", MISSED),
        ("{outcome: answered}", "{{ 60 / facts.talk_seconds }}"),
        ("{event_type: answered}", "{{ facts.ring_seconds + 1 }}"),
        ("{calls_today: {gte: 3}}", "{{ facts.calls_today - 1 }}"),
        ("{missed: true, customer_number: {exists: true}}", "{{ facts.missed_today - 1 }}"),
        ("{missed: true}", "{% if (facts.calls_today or 0) > 1 %}{{ facts.calls_today | ordinal }}{% endif %}"),
        ("{direction: [inbound, outbound]}", "{{ event.direction[0] }}"),
        ("{event_type: sms-of-nobody-yet*, tag: x}", "{{ event.event_payload.body }}"),
        ("{tag: x}", '{{ (event.event_payload or {}).type | default("") }}'),
        ("{tag: x}", "{% if event.event_type == 'call_ended' %}{{ 1 / 0 }}{% endif %}"),
        ("{not: {event_type: ringing}}", "{% if event.event_type == 'ringing' %}{{ 1 / 0 }}{% endif %}"),
    ],
)
def test_a_template_that_every_event_of_its_rules_can_be_put_into_is_right(when: str, text: str, config: Any) -> None:
    accepting = "sources: {wavix: {accept_types: [sms-of-nobody-yet]}}" if "sms" in when else ""
    if "sms" in when:
        text = "{{ (event.event_payload or {}).body | default(none) }}"

    assert config(written(when, text) + accepting).destinations["paper"].settings.text.source == text


@pytest.mark.parametrize(
    ("when", "text", "told"),
    [
        ("{tag: x}", MISSED, 'on a call_setup event: facts has no "missed"'),
        ("{event_type: [call_ended, ringing]}", MISSED, 'on a ringing event: facts has no "missed"'),
        ("{any: [{missed: true}, {tag: a}]}", MISSED, 'facts has no "missed"'),
        ("{outcome: {not: answered}, event_type: busy}", MISSED, "on a busy event"),
        ("{event_type: ringing}", PAYLOAD, "on a ringing event, whose event_payload is null: "),
        (
            "{outcome: no_answer}",
            "{{ 60 / facts.talk_seconds }}",
            "on a call_ended event, whose facts.talk_seconds is null: ",
        ),
        ("{missed: true}", "{{ facts.calls_today > 1 }}", "on a call_ended event, whose facts.calls_today is null: "),
        ("{event_type: call_ended}", "{{ facts.calls_today - 1 }}", "whose facts.calls_today is null: "),
        ("{tag: x}", "{{ facts.calls_today }}", 'on a call_setup event: facts has no "calls_today"'),
        ("{event_type: answered}", "{{ event.direction[0] }}", "on an answered event, whose direction is null: "),
        (
            "{not: {event_type: ringing, tag: {not: x}}}",
            "{{ 1 / (event.event_type != 'ringing') }}",
            "on a ringing event",
        ),
        ("{tag: x}", "{{ event.from | phone('x') }}", 'there is no phone("x")'),
    ],
)
def test_a_template_that_some_event_of_its_rules_cannot_be_put_into_is_a_mistake(
    when: str, text: str, told: str, mistakes: Any
) -> None:
    [only] = mistakes(written(when, text))

    assert told in only


def test_what_always_and_unmatched_send_counts_as_every_event_of_a_sender(mistakes: Any) -> None:
    for key in ("always", "unmatched"):
        text = written("{missed: true}", MISSED).replace("[paper]}", "[crm]}") + f"{key}: [paper]\n"

        [only] = mistakes(text)

        assert 'facts has no "missed"' in only


def test_a_template_that_every_rule_replaces_meets_no_event(config: Any) -> None:
    text = written("{tag: x}", MISSED).replace("[paper]", "[{to: paper, text: Hello}]")

    assert config(text).routes.rules[0].overrides["paper"].text.source == "Hello"


@pytest.mark.parametrize("rules", [1000])
def test_the_same_text_is_tried_once_on_each_event_however_many_rules_have_it(
    rules: int, config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    render = Template.render
    monkeypatch.setattr(Template, "render", lambda self, names: tried.append(self.source) or render(self, names))
    entries = "".join(
        f'  - {{name: r{number}, when: {{to_number: "+44207{number:07d}"}}, '
        'send: [{to: paper, text: "{{ event.from }}"}]}\n'
        for number in range(rules)
    )

    config("destinations: {paper: {type: paper, path: a}}\nrules:\n" + entries + "always: paper\n")

    assert 0 < len(tried) < 100


def test_what_a_variable_holds_is_never_told(mistakes: Any) -> None:
    text = 'destinations: {crm: {type: web, url: https://a, body: "${A} {{ event.frm }}", headers: {X: "${B}"}}}'

    first, second, third = mistakes(text, {"A": "s3cret {{ event.s3cret2 }}", "B": "{{ s3cret3 "})

    assert "s3cret" not in first + second + third
    assert "a variable makes this no template" in first
    assert 'uses "event.frm"' in second
    assert "a variable makes this no template" in third


def test_what_fails_with_a_variable_in_it_does_not_repeat_its_value(mistakes: Any) -> None:
    text = "destinations: {crm: {type: web, url: https://a, body: \"{% set a = '${A}' %}{{ a | time }}\"}}"

    [only] = mistakes(text, {"A": "s3cret"})

    assert "s3cret" not in only
    assert "how it fails is not shown, because a variable is filled in" in only
