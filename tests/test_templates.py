"""Templates: what operators may write, what prints, and what a hostile event or template cannot do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from router.errors import PermanentFailure
from router.templates import MalformedTemplate, Template

EVENT = {"from": "18045961058", "to": "+442071234567", "tag": "<!channel>", "direction": None, "event_payload": None}


def render(source: str, facts: dict[str, Any] | None = None, **options: Any) -> str:
    return Template(source).render({"event": EVENT, "facts": facts or {}}, **options)


def brackets(value: Any) -> str:
    return str(value).replace("<", "&lt;")


@pytest.mark.parametrize(
    "source",
    [
        "{{ event.direction }}",
        "{{ event.direction | upper }}",
        "{{ event.direction | replace('a', 'b') }}",
        "{{ event.direction | truncate(3) }}",
        "{{ '' ~ event.direction }}",
        "{{ event.direction | phone }}{{ event.direction | duration }}{{ event.direction | time }}",
    ],
)
def test_a_null_prints_as_nothing(source: str) -> None:
    assert render(source) == ""


def test_every_value_is_escaped_for_where_it_lands() -> None:
    assert render("<b> {{ event.tag }} {{ 'x' ~ event.tag }}", escape=brackets) == "<b> &lt;!channel> x&lt;!channel>"


def test_a_field_is_never_taken_for_a_method() -> None:
    assert Template("{{ event.items }}").render({"event": {"items": "two"}}) == "two"


def test_one_template_serves_several_ways_to_escape() -> None:
    template = Template("{{ event.tag }}")

    assert template.render({"event": EVENT}, brackets) == "&lt;!channel>"
    assert template.render({"event": EVENT}) == "<!channel>"


def test_tojson_gives_json_that_no_escaping_spoils() -> None:
    def quotes(value: Any) -> str:
        return str(value).replace('"', "&quot;")

    assert json.loads(render("{{ event | tojson }}", escape=quotes)) == EVENT


@pytest.mark.parametrize("name", ["safe", "escape", "e", "forceescape", "urlize", "xmlattr"])
def test_no_filter_passes_by_the_escaping(name: str) -> None:
    with pytest.raises(MalformedTemplate, match=f"No filter named '{name}'"):
        Template("{{ event.tag | " + name + " }}")


def test_autoescape_cannot_be_switched_by_a_template() -> None:
    with pytest.raises(MalformedTemplate, match="the destination decides how text is escaped"):
        Template("{% autoescape true %}{{ event.tag }}{% endautoescape %}")


def test_a_malformed_template_names_its_line() -> None:
    with pytest.raises(ValueError, match=r"line 2 of the template") as caught:
        Template("a\n{{ event. }}")

    assert isinstance(caught.value, MalformedTemplate)
    assert caught.value.line == 2


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("{{ event.frm }}", 'event has no "frm"'),
        ("{{ caller }}", 'there is no "caller"; a template knows event, facts'),
        ("{{ event.event_payload.type }}", '"type" was asked of a value that is null'),
        ("{{ event.__class__ }}", "machinery"),
        ("{{ event.items.__globals__ }}", 'there is no "__globals__"'),
        ("{{ event.update({}) }}", "machinery"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{% for n in range(10000000) %}x{% endfor %}", "Range too big"),
        ("{{ 'x' * 1000000000 }}", "longer than"),
        ("{{ 9 ** 99999999 }}", "is not available"),
        ("{{ 'soon' | duration }}", "soon"),
        ("{{ 'soon' | time }}", "soon"),
    ],
)
def test_what_cannot_be_filled_in_is_a_permanent_failure_that_says_why(source: str, sentence: str) -> None:
    template = Template(source)

    with pytest.raises(PermanentFailure, match="the template cannot be filled in") as caught:
        template.render({"event": EVENT, "facts": {}})

    assert sentence in str(caught.value)


@pytest.mark.parametrize("source", ["{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}"])
def test_a_template_cannot_use_other_templates(source: str) -> None:
    with pytest.raises(MalformedTemplate, match="cannot use other templates"):
        Template(source)


def test_unknown_names_are_found_with_their_lines() -> None:
    template = Template("{{ event.tag }}\n{{ frm }} {% set mine = 1 %}{{ mine }}\n{{ frm }}{{ calls.tag }}")

    assert template.unknown_names({"event"}) == [("frm", 2), ("calls", 3)]


def test_phone_uses_what_the_router_read_with_its_region() -> None:
    facts = {"from_number_international": "+1 804-596-1058"}

    assert render("{{ event.from | phone }}", facts) == "+1 804-596-1058"


@pytest.mark.parametrize(
    ("source", "text"),
    [("{{ 161 | duration }}", "2m 41s"), ("{{ '90061' | duration }}", "1d 1h"), ("{{ 0.2 | duration }}", "200ms")],
)
def test_durations_print_in_their_two_largest_units(source: str, text: str) -> None:
    assert render(source) == text


@pytest.mark.parametrize(
    ("source", "zone", "text"),
    [
        ("{{ '2025-09-22T12:56:38.547Z' | time }}", None, "12:56"),
        ("{{ '2025-09-22T12:56:38.547Z' | time }}", "Europe/London", "13:56"),
        ("{{ '2025-09-22T23:56:38Z' | time(date=true) }}", "Europe/London", "23 Sep 00:56"),
        ("{{ 0 | time(date=true) }}", None, "1 Jan 00:00"),
        ("{{ 0 | time }}", "No/Such", "00:00"),
    ],
)
def test_moments_print_on_the_wall_clock_of_the_router(source: str, zone: str | None, text: str) -> None:
    assert render(source, {"timezone": zone} if zone else {}) == text


class Card(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    text: Template


def test_a_plugin_setting_can_be_a_template() -> None:
    card = Card.model_validate({"text": "{{ event.tag }}"})

    assert card.text.render({"event": EVENT}) == "<!channel>"
    assert Card.model_validate({"text": card.text}).text is card.text
    assert card.model_dump_json() == '{"text":"{{ event.tag }}"}'
    assert Card.model_json_schema()["properties"]["text"]["type"] == "string"


def test_a_malformed_setting_keeps_its_line_for_the_loader() -> None:
    with pytest.raises(ValidationError) as caught:
        Card.model_validate({"text": "\n\n{% if %}"})

    error = caught.value.errors()[0]["ctx"]["error"]
    assert isinstance(error, MalformedTemplate)
    assert error.line == 3
