"""POST /webhooks/{source}: every answer of the table of bad input, and what is on disk afterwards."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json

import pytest

from tests.web.conftest import SAMPLE, event


def test_an_accepted_event_is_on_disk_byte_for_byte_when_200_is_heard(server):
    answer = server.post("/webhooks/open", SAMPLE)
    (entry,) = server.kept()

    assert answer.status == 200
    assert (entry.source, entry.body, entry.faults) == ("open", SAMPLE, ())
    assert server.counted()[-1] == "accepted open"


def test_the_same_event_again_is_answered_with_200_too(server):
    body = event()

    assert [server.post("/webhooks/open", body).status for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_the_content_type_does_not_matter(content_type, server):
    assert server.post("/webhooks/open", event(), Content_Type=content_type).status == 200


def test_an_unknown_source_is_404_and_nothing_is_kept(server):
    assert server.post("/webhooks/nobody", event()).status == 404
    assert server.kept() == []
    assert server.counted()[-1] == "rejected  unknown_source"


@pytest.mark.parametrize("path", ["/", "/webhooks", "/webhooks/", "/webhooks/open/more", "/metrics"])
def test_any_other_path_is_404(path, server):
    assert server.post(path, event()).status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_wrong_method_is_405_and_names_the_right_one(method, server):
    answer = server.post("/webhooks/open", event(), method)

    assert answer.status == 405
    assert "POST" in answer.headers["allow"]
    assert server.kept() == []


@pytest.mark.parametrize(
    ("source", "good", "challenge"),
    [
        ("token", {"Authorization": "Bearer s3cret"}, "Bearer"),
        ("basic", {"Authorization": "Basic " + base64.b64encode(b"wavix:pass").decode()}, "Basic realm"),
        ("proxied", {"X_Forwarded_For": "203.0.113.7"}, None),
    ],
)
def test_missing_or_wrong_credentials_are_401_and_nothing_is_kept(source, good, challenge, server):
    wrong = {name: value[:-2] + "zz" for name, value in good.items()}
    for headers in ({}, wrong):
        answer = server.post(f"/webhooks/{source}", event(), **headers)
        assert answer.status == 401
        assert (challenge is None) or challenge in answer.headers["www-authenticate"]
        assert server.counted()[-1] == f"rejected {source} unauthorized"

    assert server.kept() == []
    assert server.post(f"/webhooks/{source}", event(), **good).status == 200


def test_the_token_may_be_in_the_query(server):
    assert server.post("/webhooks/token?token=s3cret", event()).status == 200
    assert server.post("/webhooks/token?token=s3cret&token=other", event()).status == 401
    assert server.post("/webhooks/token?token=%FF", event()).status == 401


def test_a_signature_is_over_the_raw_bytes(server):
    body = event() + b"\n "
    signature = hmac.new(b"key", body, hashlib.sha256).hexdigest()

    assert server.post("/webhooks/hmac", body, X_Signature=signature).status == 200
    assert server.post("/webhooks/hmac", body.strip(), X_Signature=signature).status == 401


def test_an_invalid_body_from_a_stranger_is_401_and_not_kept(server):
    assert server.post("/webhooks/token", b"not JSON").status == 401
    assert server.kept() == []


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [256 * 1024 + 1, 1_000_000])
def test_a_body_over_the_limit_is_413_and_nothing_of_it_is_kept(size, chunked, server):
    body = b"x" * size

    if chunked:
        answer = server.post("/webhooks/open", iter([body[:1000], body[1000:]]), Transfer_Encoding="chunked")
    else:
        answer = server.post("/webhooks/open", body)

    assert answer.status == 413
    assert server.kept() == []
    assert server.counted()[-1] == "rejected open too_large"


def test_a_body_of_exactly_the_limit_is_read(server):
    body = event(tag="")
    body = event(tag="x" * (256 * 1024 - len(body)))

    assert len(body) == 256 * 1024
    assert server.post("/webhooks/open", body).status == 200
    assert server.kept()[0].body == body


@pytest.mark.parametrize("body", [b"", b"not JSON", b"[]", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000])
def test_what_is_no_event_is_422_and_kept_aside_with_the_reason(body, server):
    answer = server.post("/webhooks/open", body)
    (entry,) = server.kept()

    assert answer.status == 422
    assert [(fault.path, fault.text) for fault in entry.faults] == [
        (fault["path"], fault["text"]) for fault in answer.json["faults"]
    ]
    assert entry.body == body
    assert server.counted()[-1] == "rejected open invalid"


def test_every_fault_is_named_by_its_path(server):
    answer = server.post("/webhooks/open", event(uuid="seven", tag=..., machine_detected=None))

    assert {fault["path"] for fault in answer.json["faults"]} == {"uuid", "tag", "machine_detected"}
    assert "validation: lenient" in str(answer.json["faults"])


def test_a_source_may_ask_for_200_for_what_is_kept_aside(server):
    answer = server.post("/webhooks/patient", b"not JSON")
    (entry,) = server.kept()

    assert answer.status == 200
    assert entry.faults
    assert server.counted()[-1] == "rejected patient invalid"


def test_the_settings_of_the_source_decide_what_is_an_event(server):
    body = event(event_type="hold", tag=..., event_payload=...)

    assert server.post("/webhooks/lenient", body).status == 200
    assert server.post("/webhooks/open", body).status == 422


def test_unknown_fields_are_kept(server):
    server.post("/webhooks/open", event(queue={"name": "sales"}))

    assert json.loads(server.kept()[0].body)["queue"] == {"name": "sales"}


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate"])
def test_an_encoded_body_is_415(encoding, server):
    assert server.post("/webhooks/open", event(), Content_Encoding=encoding).status == 415
    assert server.kept() == []
    assert server.post("/webhooks/open", event(), Content_Encoding="identity").status == 200


@pytest.mark.parametrize(
    ("forwarded", "remote"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("203.0.113.7:5060", "203.0.113.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, unknown", ""),
        ("10.0.0.1", "10.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_the_sender_is_the_nearest_hop_that_is_no_trusted_proxy(forwarded, remote, server):
    server.post("/webhooks/open", event(), X_Forwarded_For=forwarded)

    assert server.kept()[0].remote == remote


def test_a_query_that_is_not_utf_8_is_no_error_of_ours(server):
    with server.connect() as sender:
        body = event()
        sender.sendall(
            b"POST /webhooks/open?a=\xff HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        answer = http.client.HTTPResponse(sender)
        answer.begin()

        assert answer.status in (200, 400)
        answer.close()


def test_what_is_no_http_is_answered_in_the_shape_of_every_other_error(server):
    with server.connect() as sender:
        sender.sendall(b"GARBAGE\r\n\r\n")
        answer = http.client.HTTPResponse(sender)
        answer.begin()

        assert answer.status == 400
        assert answer.getheader("Content-Type") == "application/problem+json"
        assert json.loads(answer.read())["status"] == 400
        answer.close()


def test_healthz_says_that_the_process_lives(server):
    assert server.post("/healthz", None, "GET").status == 200


def test_readyz_says_ready_when_there_is_no_reason_against_it(server):
    assert server.post("/readyz", None, "GET").status == 200
