"""What a configuration takes from the environment and from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from router.config import load
from router.errors import ConfigError
from tests.config.plugins import REGISTRY

CRM = 'destinations: {crm: {type: web, url: "https://crm.example", body: "%s"}}'


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("${NAME}", "Ada"),
        ("Dear ${NAME}, dear ${NAME}", "Dear Ada, dear Ada"),
        ("${NONE:-nobody}", "nobody"),
        ("${NONE:-}", ""),
        ("${EMPTY:-nobody}", "nobody"),
        ("${NAME:-nobody}", "Ada"),
        ("$${NAME}", "${NAME}"),
        ("$NAME costs $5", "$NAME costs $5"),
        ("${file:secrets/name}", "from a file"),
        ("${BRACES}", "{{ event.tag }}${NAME}"),
    ],
)
def test_a_variable_is_replaced_once(config: Any, tmp_path: Path, written: str, text: str) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "name").write_text("from a file\r\n", encoding="utf-8")
    environ = {"NAME": "Ada", "EMPTY": "", "BRACES": "{{ event.tag }}${NAME}"}

    assert config(CRM % written, environ).destinations["crm"].settings.body.source == text


def test_what_two_places_share_is_replaced_once(config: Any) -> None:
    both = """
destinations:
  one: &one {type: web, url: "https://crm.example", body: "$${NAME}"}
  two: *one
always: [one, two]
"""

    assert config(both, {"NAME": "Ada"}).destinations["two"].settings.body.source == "${NAME}"


def test_a_value_is_never_read_as_yaml(config: Any) -> None:
    loaded = config("sources: {wavix: {auth: {token: '${TOKEN}'}}}", {"TOKEN": "a: [b, *c]"})

    assert loaded.sources["wavix"].authentication[0].token.reveal() == "a: [b, *c]"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, 'there is no file "secret"'),
        (lambda path: path.mkdir(), 'there is no file "secret"'),
        (lambda path: path.write_bytes(b"\n"), 'the file "secret" is empty'),
        (lambda path: path.write_bytes(b"\xff\xfe"), 'the file "secret" is not UTF-8 text'),
        (lambda path: path.write_bytes(b"x" * 70000), 'the file "secret" is larger than'),
    ],
)
def test_a_file_that_holds_no_value_is_a_mistake_at_its_place(
    mistakes: Any, tmp_path: Path, make: Any, sentence: str
) -> None:
    make(tmp_path / "secret")

    told = mistakes(CRM % "${file:secret}")

    assert told[0].startswith("1:67: ")
    assert sentence in told[0]


def test_an_optional_destination_without_its_variable_is_visibly_disabled(config: Any) -> None:
    text = "destinations: {crm: {type: web, url: '${CRM_URL}', optional: true, copies: 2, body: '{{ event.tag }}'}}"

    off, on = config(text), config(text, {"CRM_URL": "https://crm.example"})

    assert off.destinations["crm"].disabled == "CRM_URL is not set"
    assert off.destinations["crm"].settings.copies == 2
    assert on.destinations["crm"].disabled is None


def test_a_missing_variable_in_a_shared_key_disables_too(config: Any) -> None:
    text = "destinations: {crm: {type: web, url: 'https://crm.example', optional: true, proxy: '${PROXY}'}}"

    assert config(text).destinations["crm"].disabled == "PROXY is not set"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("copies: many", "copies"),
        ("mehtod: PUT", 'did you mean "method"?'),
        ("body: '{{ frm }}'", 'uses "frm"'),
        ("body: '{{ event. }}'", "expected name or number"),
        ("timeout: 5", "timeout"),
    ],
)
def test_everything_else_of_an_optional_destination_must_be_right(mistakes: Any, settings: str, sentence: str) -> None:
    told = mistakes(f"destinations: {{crm: {{type: web, url: '${{CRM_URL}}', optional: true, {settings}}}}}")

    assert len(told) == 1
    assert sentence in told[0]


def test_optional_forgives_nothing_outside_its_destination(mistakes: Any) -> None:
    assert "TOKEN is not set" in mistakes("sources: {wavix: {auth: {token: '${TOKEN}'}}}")[0]


@pytest.mark.parametrize("secret", ["hunter2 hunter2", " hunter2", "hunter2:8080", "10.0.0.1/8 hunter2", "hunter2*"])
def test_what_a_variable_holds_is_in_no_message(mistakes: Any, secret: str) -> None:
    text = """
listen: "${S}"
store: "${S}"
timezone: "${S}"
region: "${S}"
own_numbers: ["${S}"]
trusted_proxies: ["${S}"]
calls: {settle: "${S}"}
sources: {wavix: {validation: "${S}", accept_types: ["${S}"], auth: {allow: ["${S}"]}}}
destinations:
  crm: {type: web, url: "x", method: "${S}", copies: "${S}", compress: "${S}", pause: "${S}",
        timeout: "${S}", rate: "${S}"}
rules: [{name: "${S}", when: {direction: "${S}", missed: "${S}", customer_number: "${S}"}, send: ["${S}"]}]
"""

    told = mistakes(text, {"S": secret})

    assert len(told) > 15
    assert "hunter2" not in "".join(told)


def test_to_look_at_a_daemon_its_secrets_need_not_be_known(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(
        'sources: {wavix: {auth: {token: "${TOKEN}"}}}\n'
        'destinations: {crm: {type: web, url: "${CRM_URL}"}}\n'
        "always: [crm]\nunmatched: drop\nalerts: none\n"
    )

    config = load(file, {}, registry=REGISTRY, to_look=True)

    assert config.unset == ("TOKEN is not set", "CRM_URL is not set")
    assert config.destinations["crm"].disabled == "CRM_URL is not set"
    with pytest.raises(ConfigError):
        load(file, {}, registry=REGISTRY)


@pytest.mark.parametrize("own", ["pause: 200ms", "tags: [a, b], signing: {secret: s}", "secrets: one"])
def test_what_a_plugin_checks_for_itself_is_checked_beside_a_variable_that_is_unset(config: Any, own: str) -> None:
    text = f'destinations: {{crm: {{type: web, url: "${{CRM_URL}}", optional: true, {own}}}}}'

    assert config(text, {}).destinations["crm"].disabled == "CRM_URL is not set"


def test_a_mistake_is_one_also_when_only_looking(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(
        'sources: {wavix: {}}\ndestinations: {crm: {type: web, url: "${CRM_URL}", tiem: 5}}\n'
        "always: [crm]\nunmatched: drop\nalerts: none\n"
    )

    with pytest.raises(ConfigError, match="tiem"):
        load(file, {}, registry=REGISTRY, to_look=True)
