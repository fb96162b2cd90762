"""What the http plugin sends."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import re

import pytest
from pydantic import ValidationError

from plugins.http import Http
from router.errors import PermanentFailure
from router.testing import HOSTILE, RecordingHttp, make_delivery

URL = "https://crm.example/in?key=1"
ONE = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TWO = "whsec_" + base64.b64encode(b"x" * 32).decode()


def sent(delivery=None, **settings):
    http = RecordingHttp()
    Http(Http.Settings.model_validate({"url": URL, **settings}), http).deliver(delivery or make_delivery())
    [request] = http.requests
    return request


def test_the_senders_own_json_is_forwarded_byte_for_byte():
    body = b'{ "uuid" :"c1",\r\n\t"tag": "caf\\u00e9 \xe2\x82\xac" , "n": 1.0 }'

    request = sent(make_delivery(body=body))

    assert (request.method, request.url, request.body) == ("POST", URL, body)
    assert request.headers["content-type"] == "application/json"


def test_the_receiver_can_tell_what_it_has_seen():
    first, again = sent(make_delivery(key="k1")), sent(make_delivery(key="k1", attempt=2))

    assert first.headers["webhook-id"] == again.headers["webhook-id"] == "k1"
    assert first.headers["webhook-timestamp"].isdigit()
    assert "webhook-signature" not in first.headers


@pytest.mark.parametrize("secrets", [ONE, [ONE], [ONE, TWO]])
def test_a_request_is_signed_with_every_secret(secrets):
    request = sent(secret=secrets)

    signatures = request.headers["webhook-signature"].split(" ")
    for secret, signature in zip([secrets] if isinstance(secrets, str) else secrets, signatures, strict=True):
        head = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode()
        key = base64.b64decode(secret.removeprefix("whsec_"))
        expected = base64.b64encode(hmac.digest(key, head + request.body, "sha256")).decode()
        assert signature == f"v1,{expected}"


def test_the_address_is_filled_in_for_each_delivery():
    url = "https://crm.example/calls/{{ event.uuid }}?tag={{ event.tag }}"

    request = sent(make_delivery(event={"tag": "a&b=/../c"}), url=url)

    assert request.url == "https://crm.example/calls/5dccb6b0-f35c-488c-867b-86fb012c4415?tag=a%26b%3D%2F..%2Fc"


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_from_an_event_chooses_another_address(text):
    http = RecordingHttp()
    settings = Http.Settings.model_validate({"url": "https://crm.example/calls/{{ event.tag }}/notes"})

    with contextlib.suppress(PermanentFailure):
        Http(settings, http).deliver(make_delivery(event={"tag": text}))

    for request in http.requests:
        assert re.fullmatch(r"https://crm\.example/calls/[\w.~%-]+/notes", request.url)


def test_an_address_that_cannot_be_made_is_a_dead_letter_with_the_reason():
    with pytest.raises(PermanentFailure, match="the address is not usable: a part of the path would be empty"):
        sent(make_delivery(event={"tag": None}), url="https://crm.example/{{ event.tag }}")


def test_headers_and_method_are_the_operators():
    request = sent(method="PUT", headers={"Authorization": "Bearer t", "content-type": "application/cloudevents+json"})

    assert request.method == "PUT"
    assert request.headers["authorization"] == "Bearer t"
    assert request.headers["content-type"] == "application/cloudevents+json"


def test_text_from_an_event_stays_inside_its_quotes():
    hostile = '"}, "admin": true, {"x": "\\ \u2028 \n'

    request = sent(make_delivery(event={"tag": hostile}), body='{"tag": "{{ event.tag }}"}')

    assert json.loads(request.body) == {"tag": hostile}


def test_numbers_and_nulls_can_be_written_as_such():
    body = '{"rang": {{ facts.ring_seconds }}, "talked": {{ facts.talk_seconds | tojson }}, "late": {{ facts.late }}}'

    assert json.loads(sent(body=body).body) == {"rang": 18.0, "talked": None, "late": False}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ('{"talked": {{ facts.talk_seconds }}}', {}),
        ("{{ event.frm }}", {}),
        ("{{ event.frm }}", {"content-type": "text/plain", "X-Mine": "1"}),
        ("{{ event.tag }}", {"Content-Type": "text/plain"}),
    ],
)
def test_where_the_body_cannot_be_made_the_senders_own_json_is_sent(body, headers):
    delivery = make_delivery()

    request = sent(delivery, body=body, headers=headers)

    assert request.body == delivery.body
    assert request.headers["content-type"] == "application/json"
    assert ("x-mine" in request.headers) is ("X-Mine" in headers)
    assert len(delivery.unfilled) == 1


@pytest.mark.parametrize("settings", [{}, {"body": "{{ event.from }}", "headers": {"Content-Type": "text/plain"}}])
def test_an_alert_is_sent_as_json_whatever_is_said_of_calls(settings):
    delivery = make_delivery("alert", rule=None)

    request = sent(delivery, **settings)

    assert (request.body, request.headers["content-type"]) == (delivery.body, "application/json")


def test_another_content_type_gets_the_text_as_it_is():
    request = sent(body='"{{ event.from }}"', headers={"Content-Type": "text/plain"})

    assert request.body == b'"+447700900123"'


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "crm.example"},
        {"url": "ftp://crm.example"},
        {"url": "https://"},
        {"url": "https://{{ event.tag }}/"},
        {"method": "GET"},
        {"headers": {"Bad Name": "x"}},
        {"headers": {"Content-Length": "1"}},
        {"headers": {"webhook-id": "1"}},
        {"headers": {"X": "a\r\nb"}},
        {"secret": "not a secret"},
        {"secret": [ONE, "whsec_short"]},
        {"body": "{{ event.tag"},
        {"bdoy": "x"},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        Http.Settings.model_validate({"url": URL, **wrong})


def test_settings_never_show_their_secrets():
    settings = Http.Settings.model_validate({"url": URL, "headers": {"A": "s3cret"}, "secret": ONE})

    shown = repr(settings) + str(settings) + settings.model_dump_json()
    assert not [word for word in ("s3cret", "crm.example", "MfKQ") if word in shown]
