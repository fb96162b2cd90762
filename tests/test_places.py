"""Addresses with something to fill in: a value stays where it was put, and nothing but the operator chooses a host."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.outgoing import Redaction, secrets_in
from router.places import Url
from router.templates import CannotFillIn, MalformedTemplate

#: What a value may do that a server could take for something else.
LEAVES = ["", ".", "..", "/", "a/b", "../../admin", "a\\b", "..\\x", "\r\nX-Evil: 1", "a\nb", "\0", "\x7f", None]


def filled(text: str, **names: object) -> str:
    return Url(text).filled(names).reveal()


def test_values_are_encoded_for_the_path_and_for_the_query():
    text = "https://crm.example:8443/v1/{{ tag }}/calls?from={{ number }}&raw=%20&tag={{ tag }}"

    assert filled(text, tag="a b&c=d?e#f%2fé", number="+4479") == (
        "https://crm.example:8443/v1/a%20b%26c%3Dd%3Fe%23f%252f%C3%A9/calls?from=%2B4479&raw=%20"
        "&tag=a%20b%26c%3Dd%3Fe%23f%252f%C3%A9"
    )


def test_an_address_with_nothing_to_fill_in_is_used_as_it_is():
    url = Url("https://crm.example/%7Bcalls%7D?a=b#c")

    assert url.template is None
    assert url.filled({}) is url


@pytest.mark.parametrize("value", LEAVES)
def test_a_value_that_could_leave_its_part_of_the_path_is_not_sent(value):
    with pytest.raises(CannotFillIn, match="the address is not usable"):
        filled("https://crm.example/calls/{{ value }}/notes", value=value)


@pytest.mark.parametrize("value", LEAVES)
def test_a_value_in_the_query_stays_there_whatever_it_is(value):
    url = urlsplit(filled("https://crm.example/calls?a={{ value }}&b=1", value=value))

    assert (url.path, url.query.count("&"), url.query.count("="), url.query.count("/")) == ("/calls", 1, 2, 0)
    assert unquote(url.query) == f"a={value or ''}&b=1"


@pytest.mark.parametrize(
    ("text", "value"),
    [("https://c/.{{ v }}/x", "."), ("https://c/{{ v }}{{ v }}/x", "."), ("https://c/x/{{ v }}", "..")],
)
def test_dots_do_not_lead_elsewhere_by_being_put_together(text, value):
    with pytest.raises(CannotFillIn):
        filled(text, v=value)


def test_no_filter_gets_a_value_past_the_encoding():
    assert filled("https://c/x?v={{ v | tojson }}", v='"&x=1') == "https://c/x?v=%22%5C%22%5Cu0026x%3D1%22"
    with pytest.raises(CannotFillIn):
        filled("https://c/{{ v | tojson }}", v="a/../b")


@given(st.text())
def test_whatever_is_filled_in_the_address_has_the_same_host_and_as_many_parts(value):
    try:
        made = filled("https://crm.example/a/{{ v }}/b?x={{ v }}", v=value)
    except CannotFillIn:
        return
    url = urlsplit(made)

    assert (url.scheme, url.netloc, url.fragment) == ("https", "crm.example", "")
    assert url.path.split("/")[2] not in ("", ".", "..")
    assert [unquote(part) for part in url.path.split("/")] == ["", "a", value.encode(errors="replace").decode(), "b"]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("https://{{ x }}.example/", "{{"),
        ("https://{{ x }}/", "{{"),
        ("https://crm.example:{{ x }}/", "{{"),
        ("https://crm.example{{ x }}/a", "{{"),
        ("https://user:{{ x }}@crm.example/", "{{"),
        ("https://crm.example/a#{{ x }}", "{{"),
        ("https://crm.example/{% if x %}a{% endif %}", "{%"),
        ("https://crm.example/{# x #}", "{#"),
    ],
)
def test_nothing_but_path_and_query_can_be_filled_in(text, at):
    with pytest.raises(MalformedTemplate) as caught:
        Url(text)

    assert caught.value.offset == text.index(at)


@pytest.mark.parametrize(
    "text", ["crm.example", "ftp://crm.example", "https://", "https:///x", "{{ x }}", "https://?x"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match="a url starts with https"):
        Url(text)


def test_what_an_operator_wrote_is_secret_and_what_an_event_filled_in_is_not():
    url = Url("https://crm.example/tokenOfPath/{{ customer_number }}?key=tokenOfQuery")

    for one in (url, url.filled({"customer_number": "+447700900123"})):
        assert "token" not in f"{one} {one!r}"
        redact = Redaction(secrets_in(one))
        assert redact("tokenOfPath tokenOfQuery +447700900123") == "<secret> <secret> +447700900123"
        assert redact('there is no "customer_number"') == 'there is no "customer_number"'
