"""What is kept of an answer: what helps an operator, without a secret and never more than fits."""

from __future__ import annotations

import contextlib
import gzip
import json
import tracemalloc
import zlib

import pytest

from router.errors import DeliveryFailed
from router.outgoing import Redaction
from router.outgoing.client import MAX_ANSWER
from router.outgoing.kept import BODY, Heard, kept
from router.secret import Secret
from tests.outgoing.conftest import answer

NONE = Redaction([])


def ask(http, url, **more):
    with contextlib.suppress(DeliveryFailed):
        http.request("POST", url, body=b"x", **more)


def test_a_refusal_is_kept_with_status_headers_time_and_words(receive, client):
    receiver = receive(answer(422, b"no such\nfield", "X-Request-Id: r-7", "Content-Type: text/plain", "X-Other: y"))
    http = client()

    ask(http, receiver.url())

    got = http.kept(NONE)
    assert got["seconds"] > 0
    assert got | {"seconds": 0} == {
        "status": 422,
        "seconds": 0,
        "headers": {"content-length": "13", "content-type": "text/plain", "x-request-id": "r-7"},
        "body": "no such\nfield",
        "cut": False,
    }


def test_an_acceptance_can_be_kept_as_well(receive, client):
    http = client()

    ask(http, receive(answer(200, b"queued")).url())

    assert http.kept(NONE)["body"] == "queued"


def test_an_access_token_is_not_kept_and_its_refusal_is(receive, client):
    http = client()

    ask(http, receive(answer(200, b'{"access_token": "s3cret"}')).url(), for_access=True)
    assert http.kept(NONE) is None
    ask(http, receive(answer(401, b'{"error": "invalid_client"}')).url(), for_access=True)
    assert http.kept(NONE)["body"] == '{"error": "invalid_client"}'


def test_where_no_answer_came_there_is_none_to_keep(receive, client):
    receiver = receive(answer(200, b"queued"))
    http = client()
    ask(http, receiver.url())
    http.heard = None

    ask(http, receive(lambda connection, _: connection.close()).url())

    assert http.kept(NONE) is None


def test_only_headers_that_help_are_kept_and_never_one_that_opens_a_door():
    headers = {
        "set-cookie": "session=1",
        "authorization": "Bearer 1",
        "x-api-key": "1",
        "location": "https://crm.example/?token=1",
        "retry-after": "7",
        "x-ratelimit-remaining": "0",
        "ratelimit-reset": "9",
        "server": "x" * 1000,
    }

    got = kept(Heard(429, headers, b"", 0.1), NONE)["headers"]

    assert got == {"ratelimit-reset": "9", "retry-after": "7", "server": "x" * 200, "x-ratelimit-remaining": "0"}


def test_no_secret_of_the_request_or_of_the_destination_is_kept(receive, client):
    def echo(connection, request):
        connection.sendall(answer(400, request, f"X-Error-Message: {'tokenOfSettings'}"))

    receiver = receive(echo)
    url = Secret(f"http://tokenInUser:tokenInUser@127.0.0.1:{receiver.port}/T012345/tokenInPath?key=tokenInQuery")
    http = client()

    ask(http, url, headers={"Authorization": Secret("Bearer tokenInHeader"), "X-Note": "tokenOfSettings"})

    said = json.dumps(http.kept(Redaction(["tokenOfSettings"])))
    secrets = ["tokenInPath", "T012345", "tokenInQuery", "tokenInHeader", "tokenInUser", "tokenOfSettings", "dG9rZW5J"]
    assert [secret for secret in secrets if secret in said] == []
    assert "POST /<secret>" in said or "POST <secret>" in said


@pytest.mark.parametrize("at", range(BODY - 20, BODY + 2))
def test_no_half_of_a_secret_is_left_where_a_body_is_cut(at):
    body = b"." * at + b"abcdefghijklmnop" + b"." * 20_000

    got = kept(Heard(500, {}, body, 0.1), Redaction(["abcdefghijklmnop"]))

    assert "abc" not in got["body"]
    assert len(got["body"]) <= BODY
    assert got["cut"]


@pytest.mark.parametrize("shift", range(0, 40, 3))
def test_no_half_of_a_secret_is_left_where_reading_ended(shift):
    # What is taken out makes the text so short that the end of all that was read is kept.
    secret = "abcdefghijklmnopqrstuvwxyz0123456789ABCD"
    body = b"." * shift + secret.encode() * 1000

    got = kept(Heard(500, {}, body, 0.1), Redaction([secret]))

    assert got["body"].replace("<secret>", "") == "." * shift
    assert got["cut"]


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize(
    ("encoding", "layers"),
    [("gzip", [gzip.compress]), ("deflate", [zlib.compress]), ("gzip, gzip", [gzip.compress] * 2)],
)
def test_an_answer_that_unpacks_into_a_flood_is_cut_while_it_is_unpacked(receive, client, status, encoding, layers):
    bomb = bytes(100 * MAX_ANSWER)
    for pack in layers:
        bomb = pack(bomb)
    receiver = receive(answer(status, bomb, f"Content-Encoding: {encoding}"))
    http = client(timeout=30.0)

    tracemalloc.start()
    try:
        ask(http, receiver.url())
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert http.heard.status == status
    assert len(http.heard.body) <= MAX_ANSWER
    assert most < 20 * MAX_ANSWER


def test_an_answer_in_an_encoding_nobody_asked_for_keeps_its_status(receive, client):
    http = client()

    ask(http, receive(answer(503, b"\x8b\x02\x80not really", "Content-Encoding: br")).url())

    assert http.kept(NONE)["status"] == 503
