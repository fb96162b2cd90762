"""Who is let in by each kind of ``auth:``, and that everybody else is kept out."""

from __future__ import annotations

import base64
import hashlib
import hmac
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.authentication import Allow, Basic, Header, Hmac, Request, StandardWebhooks, Token
from router.errors import NotAuthentic
from router.secret import Secret
from router.signature import sign

BODY = b'{"uuid": "1"}'
KEY = Secret("whsec_" + base64.b64encode(b"k" * 32).decode())


def request(headers=None, query=None, body=BODY, remote="192.0.2.7", now=1000.0) -> Request:
    return Request(headers or {}, query or {}, body, ip_address(remote) if remote else None, now)


def basic(text: str | bytes) -> dict[str, str]:
    raw = text.encode() if isinstance(text, str) else text
    return {"authorization": "Basic " + base64.b64encode(raw).decode()}


def hexdigest(secret: str, algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), BODY, getattr(hashlib, algorithm)).hexdigest()


def webhook(timestamp: str = "1000", **changes: str) -> dict[str, str]:
    headers = {"webhook-id": "m1", "webhook-timestamp": timestamp, "webhook-signature": sign([KEY], "m1", 1000, BODY)}
    return headers | {name.replace("_", "-"): value for name, value in changes.items()}


TOKEN = Token(Secret("s3cret"))
BASIC = Basic("wavix", Secret("pass:word"))
HEADER = Header("X-Api-Key", Secret("clé"))
HMAC = Hmac("X-Signature", Secret("s3cret"), prefix="sha256=")
STANDARD = StandardWebhooks((Secret("whsec_" + base64.b64encode(b"n" * 32).decode()), KEY))
ALLOW = Allow((ip_network("192.0.2.0/28"), ip_network("2001:db8::/32")))


@pytest.mark.parametrize(
    ("check", "good"),
    [
        (TOKEN, request({"authorization": "Bearer s3cret"})),
        (TOKEN, request({"authorization": "bearer  s3cret"})),
        (TOKEN, request({"x-callrouter-token": "s3cret"})),
        (TOKEN, request(query={"token": "s3cret"})),
        (TOKEN, request(basic("proxy:proxy"), {"token": "s3cret"})),
        (BASIC, request(basic("wavix:pass:word"))),
        (HEADER, request({"x-api-key": "clé"})),
        (HMAC, request({"x-signature": "sha256=" + hexdigest("s3cret")})),
        (HMAC, request({"x-signature": "sha256=" + hexdigest("s3cret").upper()})),
        (Hmac("X-S", Secret("s3cret"), "sha1"), request({"x-s": hexdigest("s3cret", "sha1")})),
        (Hmac("X-S", Secret("s3cret"), "sha512"), request({"x-s": hexdigest("s3cret", "sha512")})),
        (
            Hmac("X-S", Secret("s3cret"), encoding="base64"),
            request({"x-s": base64.b64encode(bytes.fromhex(hexdigest("s3cret"))).decode()}),
        ),
        (STANDARD, request(webhook())),
        (STANDARD, request(webhook(), now=1300.0)),
        (STANDARD, request(webhook(), now=700.0)),
        (ALLOW, request(remote="192.0.2.15")),
        (ALLOW, request(remote="2001:db8::1")),
        (ALLOW, request(remote="::ffff:192.0.2.15")),
    ],
)
def test_what_carries_the_right_thing_is_let_in(check, good):
    check.verify(good)


@pytest.mark.parametrize(
    ("check", "bad"),
    [
        (TOKEN, request()),
        (TOKEN, request({"authorization": "Bearer s3cre"})),
        (TOKEN, request({"authorization": "Bearer s3cret2"})),
        (TOKEN, request({"authorization": "Bearer"})),
        (TOKEN, request({"authorization": "Basic s3cret"})),
        (TOKEN, request({"x-callrouter-token": "\udcffé"})),
        (TOKEN, request(query={"token": ""})),
        (BASIC, request()),
        (BASIC, request(basic("wavix:"))),
        (BASIC, request(basic("wavix:pass"))),
        (BASIC, request(basic("other:pass:word"))),
        (BASIC, request(basic(b"\xff\xfe"))),
        (BASIC, request({"authorization": "Basic not base64"})),
        (BASIC, request({"authorization": "Basic \N{SNOWMAN}"})),
        (BASIC, request({"authorization": "Bearer " + base64.b64encode(b"wavix:pass:word").decode()})),
        (HEADER, request()),
        (HEADER, request({"x-api-key": "cle"})),
        (HMAC, request()),
        (HMAC, request({"x-signature": hexdigest("s3cret")})),
        (HMAC, request({"x-signature": "sha256=" + hexdigest("other")})),
        (HMAC, request({"x-signature": "sha256=" + hexdigest("s3cret")}, body=BODY + b" ")),
        (HMAC, request({"x-signature": "sha256=\udcff"})),
        (STANDARD, request()),
        (STANDARD, request(webhook(), now=1301.0)),
        (STANDARD, request(webhook(), now=699.0)),
        (STANDARD, request(webhook(webhook_id="m2"))),
        (STANDARD, request(webhook("1001"))),
        (STANDARD, request(webhook("1000.0"))),
        (STANDARD, request(webhook("-1000"))),
        (STANDARD, request(webhook("\N{ARABIC-INDIC DIGIT ONE}000"))),
        (STANDARD, request(webhook("9" * 5000))),
        (STANDARD, request(webhook(webhook_signature="v1,"))),
        (ALLOW, request(remote="192.0.2.16")),
        (ALLOW, request(remote="2001:db9::1")),
        (ALLOW, request(remote=None)),
    ],
)
def test_whatever_is_missing_wrong_or_malformed_is_kept_out(check, bad):
    with pytest.raises(NotAuthentic):
        check.verify(bad)


@settings(deadline=None)
@given(
    st.sampled_from([TOKEN, BASIC, HEADER, HMAC, STANDARD]),
    st.dictionaries(
        st.sampled_from(["authorization", "x-api-key", "x-signature", *webhook()]),
        st.text() | st.text().map("Basic {}".format) | st.text().map("sha256={}".format),
    ),
)
def test_no_header_whatever_raises_anything_but_not_authentic(check, headers):
    with pytest.raises(NotAuthentic):
        check.verify(request(headers))


@pytest.mark.parametrize("check", [TOKEN, BASIC, HEADER, HMAC, STANDARD])
def test_the_refusal_never_shows_what_was_expected(check):
    with pytest.raises(NotAuthentic) as caught:
        check.verify(request())

    assert not {"s3cret", "pass:word", "clé", KEY.reveal()} & set(str(caught.value).split())
