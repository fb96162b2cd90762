"""Standard Webhooks signatures: what is made is what others check, and nothing malformed gets through."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.secret import Secret
from router.signature import check_secret, sign, verify

#: The example of the specification's own libraries:
#: https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/python/tests/test_webhooks.py
SECRET = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
OTHER = Secret("whsec_" + base64.b64encode(b"o" * 32).decode())
PUBLISHED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
MESSAGE = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')


def test_the_published_example_is_signed_as_published():
    assert sign([SECRET], *MESSAGE) == PUBLISHED


def test_each_secret_signs_in_order():
    assert sign([OTHER, SECRET], *MESSAGE).split() == [sign([OTHER], *MESSAGE), PUBLISHED]


def test_any_signature_by_any_secret_is_enough():
    identifier, timestamp, body = MESSAGE

    assert verify([OTHER, SECRET], identifier, str(timestamp), f"v1a,x v1,AAAA {PUBLISHED}", body)


@pytest.mark.parametrize(
    ("identifier", "timestamp", "signatures", "body"),
    [
        ("msg_other", "1614265330", PUBLISHED, MESSAGE[2]),
        (MESSAGE[0], "1614265331", PUBLISHED, MESSAGE[2]),
        (MESSAGE[0], "1614265330", PUBLISHED, b'{"test": 2432232315}'),
        (MESSAGE[0], "1614265330", PUBLISHED.removeprefix("v1,"), MESSAGE[2]),
        (MESSAGE[0], "1614265330", PUBLISHED.replace("v1,", "v2,"), MESSAGE[2]),
        (MESSAGE[0], "1614265330", PUBLISHED[:-4], MESSAGE[2]),
        (MESSAGE[0], "1614265330", "v1,", MESSAGE[2]),
        (MESSAGE[0], "1614265330", "", MESSAGE[2]),
        ("\udcff", "\udcff", "v1,\udcff", b""),
    ],
)
def test_whatever_was_changed_is_not_verified(identifier, timestamp, signatures, body):
    assert not verify([SECRET], identifier, timestamp, signatures, body)


def test_no_secret_verifies_nothing():
    assert not verify([], MESSAGE[0], str(MESSAGE[1]), PUBLISHED, MESSAGE[2])


@pytest.mark.parametrize("secret", ["whsec_", "whsec_!!!", "\N{SNOWMAN}"])
def test_a_secret_that_anybody_could_guess_verifies_nothing(secret):
    assert not verify([Secret(secret)], "a", "1", "v1,AAAA", b"")


@settings(deadline=None)
@given(st.text(), st.text(), st.text(), st.binary())
def test_malformed_input_is_false_and_never_an_error(identifier, timestamp, signatures, body):
    assert verify([SECRET], identifier, timestamp, f"v1,{signatures}", body) is False


@pytest.mark.parametrize("size", [24, 64])
def test_a_secret_of_the_specified_size_is_accepted(size):
    check_secret(Secret("whsec_" + base64.b64encode(b"k" * size).decode()))


@pytest.mark.parametrize(
    "secret",
    [
        "whsec_" + base64.b64encode(b"k" * 23).decode(),
        "whsec_" + base64.b64encode(b"k" * 65).decode(),
        base64.b64encode(b"k" * 32).decode(),
        "whsec_not base64 at all, but long enough for it",
        "whsec_",
    ],
)
def test_any_other_secret_is_refused_without_being_shown(secret):
    with pytest.raises(ValueError, match="24 to 64 bytes") as caught:
        check_secret(Secret(secret))

    assert secret == "whsec_" or secret not in str(caught.value)
