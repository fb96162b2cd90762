"""Templates: what operators may write, what prints, and what a hostile event or template cannot do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from router.errors import PermanentFailure
from router.templates import CannotFillIn, MalformedTemplate, Template

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
    with pytest.raises(MalformedTemplate, match=f'there is no filter "{name}"'):
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


@pytest.mark.parametrize(
    ("source", "fault", "hint"),
    [
        ("a\n{{ event. }}", "}", None),
        ("{{ event.from | phon }}", "phon", 'did you mean "phone"?'),
        ("{{ event.tag is not stirng }}", "stirng", 'did you mean "string"?'),
        ("{%- iff event.tag %}", "iff", None),
        ("  {{- event.tag event }}", "event }}", None),
        ("{{ event.tag }", "}", 'what begins with "{{" ends with "}}", and "{%" with "%}"'),
        ("{{ event.tag ? 1 : 2 }}", "?", 'write {{ A if CONDITION else B }}, or {{ A | default("…") }}'),
        ("{{ event.tag $ }}", "$", None),
        ("{% if event.tag %}\n{% endfor %}", "endfor", None),
        ("{% include 'other' %}", "include", None),
    ],
)
def test_a_malformed_template_knows_the_very_character(source: str, fault: str, hint: str | None) -> None:
    with pytest.raises(MalformedTemplate) as caught:
        Template(source)

    error = caught.value
    assert error.offset is not None
    assert source[error.offset :].startswith(fault)
    assert source[error.offset :][: error.width] == fault.partition(" ")[0]
    assert error.line == source[: error.offset].count("\n") + 1
    assert error.hint == hint


@pytest.mark.parametrize(
    ("source", "line", "name", "inside"),
    [
        ("a\n{{ event.frm }}", 2, "frm", "event"),
        ("\n\n{{ event.event_payload.type }}", 3, "type", "null"),
        ("{{ 1 / 0 }}", 1, None, None),
    ],
)
def test_what_cannot_be_filled_in_knows_its_line_and_name(
    source: str, line: int, name: str | None, inside: str | None
) -> None:
    with pytest.raises(CannotFillIn) as caught:
        render(source)

    assert (caught.value.line, caught.value.name, caught.value.inside) == (line, name, inside)


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
