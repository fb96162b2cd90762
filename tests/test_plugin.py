"""What a delivery does for its plugin: a text, whatever the operator wrote and whatever the event holds."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.deciding import Decider
from router.event import read
from router.plugin import Template
from router.routes import Routes
from router.testing import make_delivery

BROKEN = Template("{{ event.no_such_field }}")


def brackets(value: Any) -> str:
    return str(value).replace("<", "&lt;")


def test_a_template_that_can_be_filled_in_leaves_no_word_about_it() -> None:
    delivery = make_delivery(event={"tag": "<!here>"})

    assert delivery.render(Template("<b>{{ event.tag }}"), brackets) == "<b>&lt;!here>"
    assert delivery.unfilled == []


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (BROKEN, 'event has no "no_such_field"'),
        (Template("{{ event.event_payload.a.b }}"), 'there is no "a" here'),
        (Template(" \n"), "it makes an empty text"),
    ],
)
def test_one_that_cannot_is_replaced_and_remembered_with_the_reason(template: Template, why: str) -> None:
    delivery = make_delivery()

    assert delivery.render(template) == "Missed call from +44 7700 900123 to +44 20 7946 0958, 2 Mar 14:05"
    assert delivery.render(template, fallback="{}") == "{}"
    assert delivery.unfilled == [(template, why)] * 2


def test_of_an_alert_every_template_says_its_sentence_or_leaves_it_to_the_plugin() -> None:
    payload = {"sentence": "crm is <paused>."}
    delivery = make_delivery("alert", event={"event_payload": payload}, rule=None)

    assert delivery.is_alert
    assert delivery.render(Template("Missed {{ event.from }}"), brackets) == "callrouter: crm is &lt;paused>."
    assert delivery.unfilled == []
    assert delivery.render(Template("Missed"), fallback="") == ""
    assert len(delivery.unfilled) == 1
    assert not make_delivery().is_alert


def test_a_plugin_can_say_what_else_is_wrong_with_a_text() -> None:
    delivery = make_delivery()

    assert delivery.render(Template(""), fallback="x", fault=lambda _: None) == ""
    assert delivery.render(Template("long"), fallback="x", fault=lambda text: f"{text} is too long") == "x"
    assert [why for _, why in delivery.unfilled] == ["long is too long"]


@pytest.mark.parametrize(
    ("kind", "facts", "words"),
    [
        ("ringing", {}, "Ringing: call from"),
        ("on_call_event", {}, "On call event: call from"),
        ("call_ended", {"missed": False, "outcome": "no_answer"}, "Call ended (no answer) from"),
        ("call_corrected", {"missed": False, "outcome": None}, "Correction: Call ended (unknown) from"),
        ("call_corrected", {}, "Correction: Missed call from"),
    ],
)
def test_plain_words_say_what_happened(kind: str, facts: dict[str, Any], words: str) -> None:
    assert make_delivery(kind, facts=facts).render(BROKEN).startswith(f"{words} +44 7700 900123 to +44 20 7946 0958")


def test_plain_words_name_nobody_who_is_not_known() -> None:
    bare = make_delivery("ringing", event={"from": None, "to": None}, facts={"from_number": None, "to_number": None})

    assert bare.render(BROKEN) == "Ringing: call from an unknown number to an unknown number, 2 Mar 14:05"


@given(st.text(max_size=20), st.text(max_size=20), st.one_of(st.none(), st.text(max_size=20)), st.text(max_size=10))
def test_plain_words_can_be_said_of_every_event_and_are_escaped(from_: str, to: str, tag: str, kind: str) -> None:
    body = json.dumps({"uuid": "u", "event_type": kind or "x", "event_time": "2026-03-02T14:05:18Z", "from": from_,
                       "to": to, "tag": tag}).encode()  # fmt: skip
    decider = Decider(Routes(()), UTC, "GB", frozenset(), 5.0)
    delivery = decider.decide(None, read(body, "wavix", 0.0)).delivery("slack", None)

    text = delivery.render(BROKEN, brackets)

    assert text.endswith(", 2 Mar 14:05")
    assert "<" not in text


def test_the_small_print_names_rule_source_and_call() -> None:
    assert make_delivery().small_print() == "missed-calls · test · 5dccb6b0-f35c-488c-867b-86fb012c4415"


def test_the_small_print_says_how_late_a_text_is() -> None:
    late = make_delivery(attempted_at=make_delivery().accepted_at + 7200)

    assert late.small_print().startswith("told 120 min late · missed-calls · ")


def test_the_small_print_is_one_short_escaped_line_whatever_stands_in_it() -> None:
    text = make_delivery(rule=None, event={"uuid": "<b>\r\n" + "x" * 20_000}).small_print(brackets)

    assert text.startswith("test · &lt;b> xxx")
    assert "\n" not in text
    assert len(text) < 120
