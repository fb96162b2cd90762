"""What the http plugin sends."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import re
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest
from pydantic import ValidationError

from plugins.http import Http
from router.errors import DestinationUnusable, PermanentFailure, TemporaryFailure
from router.plugin import Answer, Secret
from router.signature import verify
from router.testing import HOSTILE, RecordingHttp, check_plugin, make_delivery

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


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_a_method_that_has_no_body_sends_none(method):
    request = sent(method=method.lower(), secret=ONE, headers={"X-Mine": "1"})

    assert (request.method, request.body) == (method, b"")
    assert "content-type" not in request.headers
    assert request.headers["x-mine"] == "1"
    assert request.headers["webhook-signature"]


def test_any_method_can_be_sent_and_a_delete_may_have_a_body():
    assert sent(method="REPORT").method == "REPORT"
    assert sent(method="DELETE", body='{"id": "{{ event.uuid }}"}').json["id"]


def test_a_form_has_every_field_encoded():
    form = {"phone": "{{ facts.customer_number }}", "list": "call backs & more", "tag": "{{ event.tag }}"}

    request = sent(make_delivery(event={"tag": "a=b&c=\u20ac"}), form=form)

    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.body == b"phone=%2B447700900123&list=call+backs+%26+more&tag=a%3Db%26c%3D%E2%82%AC"
    assert dict(parse_qsl(request.body.decode()))["tag"] == "a=b&c=\u20ac"


def test_a_field_of_a_form_may_be_empty_and_one_that_cannot_be_filled_in_is_sent_in_plain_words():
    delivery = make_delivery(event={"tag": None})

    request = sent(delivery, form={"tag": "{{ event.tag }}", "text": "{{ event.frm }}"})

    fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    assert fields["tag"] == ""
    assert fields["text"].startswith("Missed call from")
    assert [template.source for template, _ in delivery.unfilled] == ["{{ event.frm }}"]


def test_an_alert_fills_a_form_with_its_sentence():
    request = sent(make_delivery("alert", rule=None), form={"to": "+442079460958", "text": "Call {{ event.from }}"})

    fields = dict(parse_qsl(request.body.decode()))
    assert fields["to"] == "+442079460958"
    assert fields["text"].startswith("callrouter: 1 dead letter at crm")


def test_the_key_of_the_delivery_can_have_a_header_of_its_own():
    for attempt in (1, 2):
        request = sent(make_delivery(key="k1", attempt=attempt), idempotency_header="Idempotency-Key")

        assert request.headers["idempotency-key"] == request.headers["webhook-id"] == "k1"


def test_a_cloudevent_has_the_attributes_of_its_specification_and_the_senders_event_in_it():
    body = b'{"uuid": "5dccb6b0-f35c-488c-867b-86fb012c4415", "n": 12345678901234567890.0, "tag": "caf\xc3\xa9"}'

    request = sent(make_delivery(key="k1", body=body), envelope="cloudevents", secret=ONE)

    assert request.headers["content-type"] == "application/cloudevents+json; charset=UTF-8"
    assert body in request.body
    assert request.json == {
        "specversion": "1.0",
        "id": "k1",
        "source": "/callrouter/test",
        "type": "callrouter.call_ended",
        "time": "2026-03-02T14:05:18.388000Z",
        "subject": "5dccb6b0-f35c-488c-867b-86fb012c4415",
        "datacontenttype": "application/json",
        "data": json.loads(body),
    }
    identifier, moment, made = (request.headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    assert verify([Secret(ONE)], identifier, moment, made, request.body)


@pytest.mark.parametrize("event_time", ["2026-03-02T14:05:18", "2026-03-02T16:05:18+02:00", "2026-03-02 14:05:18Z"])
def test_the_time_of_a_cloudevent_is_a_whole_moment(event_time):
    time = sent(make_delivery(event={"event_time": event_time}), envelope="cloudevents").json["time"]

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)", time)
    assert datetime.fromisoformat(time) == datetime(2026, 3, 2, 14, 5, 18, tzinfo=UTC)


def test_an_alert_is_a_cloudevent_about_no_call():
    said = sent(make_delivery("alert", rule=None, event={"uuid": "0"}), envelope="cloudevents").json

    assert (said["type"], said["data"]["event_payload"]["what"]) == ("callrouter.alert", "dead_letter")


def test_an_envelope_takes_a_body_of_your_own_and_the_senders_own_json_where_that_cannot_be_made():
    own = sent(envelope="cloudevents", body='{"phone": "{{ event.from }}"}').json
    plain = sent(envelope="cloudevents", body="{{ event.frm }}")

    assert own["data"] == {"phone": "+447700900123"}
    assert plain.json["data"]["event_type"] == "call_ended"
    assert plain.headers["content-type"].startswith("application/cloudevents+json")


def outcome(answer: bytes, **settings):
    http = RecordingHttp(Answer(200, {}, answer))
    return Http(Http.Settings.model_validate({"url": URL, **settings}), http).deliver(make_delivery())


@pytest.mark.parametrize(
    ("expect", "answer"),
    [
        ({"ok": "true"}, b'{"ok": true}'),
        ({"ok": True}, b'{"ok": true, "more": 1}'),
        ({"error": None}, b'{"id": 7}'),
        ({"count": 1}, b'{"count": 1}'),
        ({"state": ["created", "exists"]}, b'{"state": "exists"}'),
        ({"result.0.state": "ok", "id": "7"}, b'{"result": [{"state": "ok"}], "id": 7}'),
        ({}, b"no JSON"),
    ],
)
def test_an_answer_that_says_what_is_expected_is_an_acceptance(expect, answer):
    assert outcome(answer, expect=expect) is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b'{"ok": false, "error": "no such list"}', "it answered 200, but ok is false, where true is expected"),
        (b'{"ok": "yes"}', "ok is yes, where true"),
        (b"{}", "ok is null, where true"),
        (b"[1]", "ok is null, where true"),
        (b"<html>Log in</html>", "it answered 200, but with no JSON, where ok: true is expected"),
        (b"", "no JSON"),
        (b'{"ok": "' + b"x" * 9999 + b'"}', "x" * 100 + ", where true"),
    ],
)
@pytest.mark.parametrize(
    ("word", "failure"), [(None, PermanentFailure), ("again", TemporaryFailure), ("pause", DestinationUnusable)]
)
def test_a_2xx_that_says_something_else_is_a_refusal(answer, said, word, failure):
    with pytest.raises(failure, match=said) as caught:
        outcome(answer, expect={"ok": True}, **({"unexpected": word} if word else {}))

    assert caught.value.status == 200
    assert len(caught.value.reason) < 200


@pytest.mark.parametrize(
    "settings",
    [
        {"form": {"phone": "{{ event.from }}", "tag": "{{ event.tag }}"}, "auth": {"bearer": "s3cret-token"}},
        {"envelope": "cloudevents", "auth": {"basic": {"user": "me", "password": "s3cret-password"}}},
        {"method": "DELETE", "idempotency_header": "Idempotency-Key"},
        {"auth": {"hmac": {"header": "X-Signature", "secret": "s3cret-key"}}, "body": '{"tag": "{{ event.tag }}"}'},
    ],
)
def test_the_contract_is_kept_in_every_shape(settings):
    assert check_plugin(Http, {"url": "https://crm.example/s3cret-path", **settings}) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "crm.example"},
        {"url": "ftp://crm.example"},
        {"url": "https://"},
        {"url": "https://{{ event.tag }}/"},
        {"method": "CONNECT"},
        {"method": "GET", "body": "x"},
        {"headers": {"Bad Name": "x"}},
        {"headers": {"Content-Length": "1"}},
        {"headers": {"webhook-id": "1"}},
        {"headers": {"X": "a\r\nb"}},
        {"secret": "not a secret"},
        {"secret": [ONE, "whsec_short"]},
        {"body": "{{ event.tag"},
        {"bdoy": "x"},
        {"auth": {"bearer": "t", "hmac": {"header": "authorization", "secret": "s"}}},
        {"auth": {"hmac": {"header": "X-Sign", "secret": "s", "timestamp_header": "x-sign"}}},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        Http.Settings.model_validate({"url": URL, **wrong})


def test_settings_never_show_their_secrets():
    settings = Http.Settings.model_validate({"url": URL, "headers": {"A": "s3cret"}, "secret": ONE})

    shown = repr(settings) + str(settings) + settings.model_dump_json()
    assert not [word for word in ("s3cret", "crm.example", "MfKQ") if word in shown]
