"""A rule's own texts: what becomes of them, and when two rules would say different things."""

from __future__ import annotations

import re
from typing import Any

import pytest

from router.config import overrides

DESTINATIONS = """
destinations:
  paper: {type: paper, path: notes.txt, text: usual}
  crm: {type: web, url: "https://crm.example", body: "usual {{ event.tag }}", copies: 2}
"""


def test_a_rule_replaces_a_text_and_nothing_else_of_its_destination(config: Any) -> None:
    loaded = config(
        DESTINATIONS
        + """
rules:
  - {name: own, when: {tag: x}, send: [{to: crm, body: "own {{ event.tag }}"}, paper]}
  - {name: none, when: {tag: y}, send: [crm]}
"""
    )

    own, none = loaded.routes.rules
    crm = loaded.destinations["crm"].settings
    assert own.send == ("crm", "paper")
    assert none.overrides == {}
    assert list(own.overrides) == ["crm"]
    assert own.overrides["crm"].body.source == "own {{ event.tag }}"
    assert own.overrides["crm"].model_copy(update={"body": crm.body}) == crm
    assert loaded.routes.overrides("crm") == {"own": own.overrides["crm"]}
    assert loaded.routes.overrides("paper") == {}


def test_an_entry_may_stand_alone_and_take_its_text_from_the_environment(config: Any) -> None:
    loaded = config(
        DESTINATIONS + "rules: [{name: r, when: {tag: x}, send: {to: paper, text: 'Hello ${WHO}'}}]\nalways: [crm]",
        {"WHO": "you"},
    )

    assert loaded.routes.rules[0].overrides["paper"].text.source == "Hello you"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("long " * 200, 'text in rule "r": a sheet has room for 500 characters'),
        (
            "a fault of the plugin",
            'plugin "paper" fails while it checks text in rule "r"; this is a fault of the plugin (KeyError)',
        ),
    ],
)
def test_what_a_plugin_asks_of_its_text_it_asks_of_a_rules_text(text: str, told: str, mistakes: Any) -> None:
    rules = f'rules: [{{name: r, when: {{tag: x}}, send: [{{to: paper, text: "{text}"}}]}}]\nalways: [crm, paper]'

    [only] = mistakes(DESTINATIONS + rules)

    assert told in only


def doubts(config: Any, *rules: str) -> list[str]:
    """Return which later rule is doubted because of which earlier one: ``b/a``."""
    lines = "".join(f"  - {{name: {'abcdefgh'[number]}, {rule}}}\n" for number, rule in enumerate(rules))
    warnings = config(DESTINATIONS + "rules:\n" + lines + "always: [crm, paper]\n").warnings
    named = [re.findall('rule "(.)"', one.text) for one in warnings if "says something else" in one.text]
    return [f"{later}/{earlier}" for later, earlier in named]


ONE, TWO, USUAL = "send: [{to: paper, text: one}]", "send: [{to: paper, text: two}]", "send: [paper]"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"when: {{tag: x}}, {ONE}", f"when: {{direction: inbound}}, {TWO}"),
        (f"when: {{tag: x}}, {ONE}", f"when: {{tag: [x, y]}}, {TWO}"),
        (f"when: {{tag: 'x*'}}, {ONE}", f"when: {{tag: '*y'}}, {TWO}"),
        (f"when: {{tag: x}}, {ONE}", f"when: {{tag: x}}, {USUAL}"),
        (f"when: {{tag: x}}, {USUAL}", f"when: {{tag: x}}, {ONE}"),
        (f"when: {{missed: true}}, {ONE}", f"when: {{event_type: call_ended}}, {TWO}"),
        (f"when: {{tag: x}}, {ONE}", f"when: {{tag: x}}, {TWO}, stop: true"),
    ],
)
def test_two_rules_that_can_both_match_and_say_different_things_are_doubted(
    first: str, second: str, config: Any
) -> None:
    assert doubts(config, first, second) == ["b/a"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"when: {{tag: x}}, {ONE}", f"when: {{tag: [y, z]}}, {TWO}"),
        (f"when: {{tag: 'x*'}}, {ONE}", f"when: {{tag: y}}, {TWO}"),
        (f"when: {{tag: {{not: x}}}}, {ONE}", f"when: {{tag: x}}, {TWO}"),
        (f"when: {{any: [{{tag: x}}, {{tag: z}}]}}, {ONE}", f"when: {{tag: y}}, {TWO}"),
        (f"when: {{all: [{{tag: x}}], direction: inbound}}, {ONE}", f"when: {{any: [{{tag: y}}]}}, {TWO}"),
        (f"when: {{tag: x}}, {ONE}", f"when: {{tag: x}}, {ONE}"),
        (f"when: {{tag: x}}, {ONE}, stop: true", f"when: {{tag: x}}, {TWO}"),
        (f"when: {{tag: x}}, {ONE}", "when: {tag: x}, send: [{to: crm, body: two}]"),
        (f"when: {{missed: true}}, {ONE}", f"when: {{tag: x}}, {TWO}"),
        (f"when: {{missed: true}}, {ONE}", f"when: {{event_type: ringing}}, {TWO}"),
        (
            f"when: {{any: [{{missed: true}}, {{event_type: call_ended, tag: x}}]}}, {ONE}",
            f"when: {{tag: x}}, {TWO}",
        ),
        (f"when: {{tag: x}}, {USUAL}", f"when: {{tag: x}}, {USUAL}"),
    ],
)
def test_rules_that_exclude_each_other_or_say_the_same_are_not_doubted(first: str, second: str, config: Any) -> None:
    assert doubts(config, first, second) == []


def test_a_rule_is_doubted_once_with_the_first_that_wins_over_it(config: Any) -> None:
    found = doubts(
        config,
        f"when: {{tag: x}}, {ONE}",
        f"when: {{tag: y, direction: inbound}}, {ONE}",
        f"when: {{direction: inbound}}, {TWO}",
        f"when: {{tag: y, direction: outbound}}, {USUAL}",
        f"when: {{tag: [y, x]}}, {ONE}",
    )

    assert found == ["c/a", "e/c"]


def test_many_rules_are_compared_by_what_they_have_in_common_alone(
    config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    exclude = overrides._exclude
    monkeypatch.setattr(overrides, "_exclude", lambda *pair: compared.append(1) or exclude(*pair))
    rules = "".join(
        f'  - {{name: r{number}, when: {{direction: inbound, to_number: "+44207{number % 900:07d}", missed: true}}, '
        f"send: [{{to: paper, text: own {number % 900}}}]}}\n"
        for number in range(1000)
    )

    assert config(DESTINATIONS + "rules:\n" + rules + "always: [crm, paper]\n").warnings == ()
    assert compared == []


def test_what_cannot_be_compared_in_time_is_not_doubted(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = (f"when: {{tag: x}}, {ONE}", f"when: {{tag: x}}, {ONE}", f"when: {{tag: x}}, {TWO}")
    assert doubts(config, *rules) == ["c/a"]

    monkeypatch.setattr(overrides, "_MOST_COMPARISONS", 1)

    assert doubts(config, *rules) == []
