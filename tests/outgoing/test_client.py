"""Requests that leave, over real sockets: what is sent, what comes back, and what a broken exchange means."""

from __future__ import annotations

import gzip
import json
import re
import socket
import threading
import time

import pytest

from router.errors import AnswerLost, DestinationUnusable, PermanentFailure, TakenAsDelivered, TemporaryFailure
from router.outgoing.client import MAX_ANSWER
from router.places import Url
from router.secret import Secret
from tests.outgoing.conftest import answer

OK = answer(200, b"ok", "X-Seen: Yes")


def test_a_2xx_answer_comes_back_whole(receive, client):
    receiver = receive(OK)

    got = client().request("POST", Secret(receiver.url("/in?a=b")), body=b"hello", headers={"X-Key": Secret("geheim")})

    assert (got.status, got.body, got.headers["x-seen"]) == (200, b"ok", "Yes")
    head, _, body = receiver.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /in?a=b HTTP/1.1\r\n")
    assert b"\r\nX-Key: geheim" in head
    assert b"\r\nHost: 127.0.0.1:" in head
    assert body == b"hello"


def test_what_the_operator_says_of_a_status_counts_for_the_answer_of_a_destination(receive, client):
    receiver = receive(answer(409, b"exists already"))

    with pytest.raises(TakenAsDelivered, match="409 Conflict: exists already") as caught:
        client(answers={409: "done"}).request("POST", receiver.url(), body=b"1")

    assert caught.value.status == 409


@pytest.mark.parametrize(("word", "failure"), [("dead", PermanentFailure), ("again", TemporaryFailure)])
def test_the_operator_can_say_that_a_2xx_is_no_acceptance(receive, client, word, failure):
    http, url = client(answers={204: word}), receive(answer(204)).url()

    for _ in range(2):
        with pytest.raises(failure, match=f'204 No Content \\("{word}", by answers: of the destination\\)') as caught:
            http.request("POST", url, body=b"1")
        assert caught.value.status == 204
    assert http.request("POST", receive(OK).url(), body=b"1").status == 200


def test_who_gives_tokens_is_not_judged_by_what_the_operator_says_of_the_destination(receive, client):
    http, url = client(answers={200: "dead", 400: "done"}), receive(OK).url()

    for _ in range(2):
        assert http.request("POST", url, body=b"1", for_access=True).status == 200
    with pytest.raises(PermanentFailure):
        http.request("POST", receive(answer(400)).url(), body=b"1", for_access=True)


def test_user_and_password_in_an_address_are_sent_as_basic_credentials(receive, client):
    receiver = receive(OK)
    http = client()

    for number in (1, 2):
        http.request("POST", Secret(f"http://me:p%40ss@127.0.0.1:{receiver.port}/{number}"), body=b"1")
    http.request("POST", receiver.url("/in"), body=b"2")

    *heads, other = receiver.requests
    for number, head in enumerate(heads, start=1):
        assert b"\r\nAuthorization: Basic bWU6cEBzcw==\r\n" in head
        assert head.startswith(f"POST /{number} HTTP/1.1\r\n".encode())
    assert b"Authorization" not in other


def test_user_and_password_in_an_address_are_not_in_the_request_line_to_a_proxy(receive, client):
    proxy = receive(OK)

    client(proxy=Secret(proxy.url())).request("POST", Secret("http://me:pass@crm.example/in"), body=b"1")

    assert proxy.requests[0].startswith(b"POST http://crm.example/in HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Basic bWU6cGFzcw==\r\n" in proxy.requests[0]


@pytest.mark.parametrize(("method", "length"), [("GET", None), ("DELETE", None), ("POST", b"0"), ("PATCH", b"0")])
def test_a_request_without_a_body_says_so_as_its_method_does(receive, client, method, length):
    receiver = receive(OK)
    http = client()

    for _ in range(2):
        http.request(method, receiver.url())

    # Written twice or not at all, a length says the same.
    for request in receiver.requests:
        lengths = set(re.findall(rb"content-length: *(\d+)", request.lower()))
        assert lengths == (set() if length is None else {length})


def test_json_is_sent_as_json(receive, client):
    receiver = receive(OK)

    client().request("PUT", receiver.url(), json={"name": "Zoë", "n": None})

    head, _, body = receiver.requests[0].partition(b"\r\n\r\n")
    assert json.loads(body) == {"name": "Zoë", "n": None}
    assert b"Content-Type: application/json" in head


def test_a_header_given_replaces_ours_whatever_its_case(receive, client):
    receiver = receive(OK)

    client().request("POST", receiver.url(), json=1, headers={"content-type": "text/x", "USER-AGENT": "mine"})

    assert receiver.requests[0].lower().count(b"content-type:") == 1
    assert receiver.requests[0].lower().count(b"user-agent: mine") == 1


def test_headers_of_one_delivery_are_not_sent_with_the_next(receive, client):
    receiver = receive(OK)
    http = client()

    http.request("POST", receiver.url(), body=b"1", headers={"X-One": "1"})
    http.request("POST", receiver.url(), body=b"2")

    assert b"X-One" not in receiver.requests[1]


def test_cookies_are_not_kept(receive, client):
    receiver = receive(answer(200, b"", "Set-Cookie: a=b; Path=/"))
    http = client()

    http.request("POST", receiver.url(), body=b"1")
    http.request("POST", receiver.url(), body=b"2")

    assert b"Cookie" not in receiver.requests[1]


def test_a_connection_is_used_again(receive, client):
    receiver = receive(OK)
    http = client()

    for _ in range(5):
        http.request("POST", receiver.url(), body=b"x")

    assert receiver.connections == 1


def test_a_connection_survives_an_error_answer(receive, client):
    receiver = receive(answer(503, b"busy"))
    http = client()

    for _ in range(3):
        with pytest.raises(TemporaryFailure):
            http.request("POST", receiver.url(), body=b"x")

    assert receiver.connections == 1


def test_a_connection_that_has_rested_is_not_trusted_again(receive, client):
    receiver = receive(OK)
    http = client(keep_idle=0.0)

    for _ in range(3):
        http.request("POST", receiver.url(), body=b"x")

    assert receiver.connections == 3


def test_a_connection_the_server_closed_meanwhile_costs_nothing(receive, client):
    closed = threading.Event()

    def answer_and_close(connection: socket.socket, _: bytes) -> None:
        connection.sendall(OK)
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    receiver = receive(answer_and_close)
    http = client(keep_idle=60.0)

    http.request("POST", receiver.url(), body=b"1")
    assert closed.wait(5)
    assert http.request("POST", receiver.url(), body=b"2").status == 200


def test_a_request_is_sent_once_however_it_ends(receive, client):
    receiver = receive(lambda connection, _: connection.close())

    with pytest.raises(AnswerLost):
        client().request("POST", receiver.url(), body=b"x")

    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
def test_a_redirect_is_not_followed(receive, client, status, method):
    stranger = receive(OK)
    receiver = receive(answer(status, b"", f"Location: {stranger.url()}"))

    with pytest.raises(PermanentFailure, match="redirects are not followed"):
        client().request(method, receiver.url(), body=b"x")

    assert (len(receiver.requests), stranger.connections) == (1, 0)


def test_what_an_event_filled_into_an_address_leaves_as_it_was_encoded(receive, client):
    receiver = receive(OK)
    url = Url(receiver.url("/calls/{{ v }}?v={{ v }}"))

    client().request("POST", url.filled({"v": "%2e%2e;a&b=c d+é"}), body=b"x")

    line = receiver.requests[0].partition(b"\r\n")[0]
    assert line == b"POST /calls/%252e%252e%3Ba%26b%3Dc%20d%2B%C3%A9?v=%252e%252e%3Ba%26b%3Dc%20d%2B%C3%A9 HTTP/1.1"


def test_a_refusal_that_names_the_caller_stays_readable_without_the_token(receive, client):
    receiver = receive(answer(404, b"no customer +447700900123 for tokenOfPath"))
    url = Url(receiver.url("/tokenOfPath/{{ number }}"))

    with pytest.raises(PermanentFailure, match=r"no customer \+447700900123 for <secret>"):
        client().request("POST", url.filled({"number": "+447700900123"}), body=b"x")


def test_the_words_of_an_error_answer_reach_the_reason(receive, client):
    receiver = receive(answer(400, b"invalid_payload"))

    with pytest.raises(PermanentFailure, match=r"^127\.0\.0\.1:\d+ answered 400 Bad Request: invalid_payload$"):
        client().request("POST", receiver.url(), body=b"x")


def test_a_refused_connection_is_temporary_because_nothing_was_sent(client):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(TemporaryFailure, match=r"cannot connect to 127\.0\.0\.1 port .* refused"):
        client().request("POST", f"http://127.0.0.1:{port}/", body=b"x")


def test_an_unknown_name_is_temporary(client):
    def no_such_name(host, port):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(TemporaryFailure, match=r"the name nowhere\.example was not found"):
        client(resolve=no_such_name).request("POST", "http://nowhere.example/", body=b"x")


def test_a_name_server_that_hangs_is_not_waited_for_beyond_the_time_limit(client):
    hang = threading.Event()

    with pytest.raises(TemporaryFailure, match="name server took too long"):
        client(timeout=0.05, resolve=lambda host, port: hang.wait(5)).request("POST", "http://slow.example/", body=b"x")
    hang.set()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
        b"garbage\r\n\r\n",
    ],
)
def test_an_answer_that_breaks_off_is_lost(receive, client, said):
    def break_off(connection: socket.socket, _: bytes) -> None:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_RDWR)

    with pytest.raises(AnswerLost):
        client().request("POST", receive(break_off).url(), body=b"x")


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "])
def test_one_deadline_covers_head_and_body_however_they_trickle(receive, client, first):
    over = threading.Event()

    def trickle(connection: socket.socket, _: bytes) -> None:
        connection.sendall(first)
        while not over.wait(0.02):
            connection.sendall(b"x")

    receiver = receive(trickle)
    begun = time.monotonic()
    with pytest.raises(AnswerLost):
        client(timeout=0.2).request("POST", receiver.url(), body=b"x")
    over.set()

    assert time.monotonic() - begun < 3


def test_a_slow_error_body_does_not_hide_the_status(receive, client):
    over = threading.Event()

    def stall(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nplease")
        over.wait(5)

    with pytest.raises(TemporaryFailure) as caught:
        client(timeout=0.2).request("POST", receive(stall).url(), body=b"x")
    over.set()

    assert caught.value.status == 503


def test_a_huge_answer_is_cut_and_the_next_request_is_not_confused(receive, client):
    receiver = receive(answer(200, b"a" * (MAX_ANSWER + 70_000)))
    http = client()

    assert len(http.request("POST", receiver.url(), body=b"x").body) == MAX_ANSWER
    assert http.request("POST", receiver.url(), body=b"x").status == 200
    assert receiver.connections == 2


def test_what_is_left_of_an_error_answer_is_not_taken_for_the_next_answer(receive, client):
    receiver = receive(b"HTTP/1.1 503 Busy\r\nContent-Length: 20000\r\n\r\n" + b"HTTP/1.1 200 OK\r\n" * 500)
    http = client()

    for _ in range(2):
        with pytest.raises(TemporaryFailure) as caught:
            http.request("POST", receiver.url(), body=b"x")
        assert caught.value.status == 503

    assert receiver.connections == 2


def test_a_packed_answer_is_cut_after_unpacking(receive, client):
    bomb = gzip.compress(b"a" * (20 * MAX_ANSWER))
    receiver = receive(answer(200, bomb, "Content-Encoding: gzip"))

    assert len(client().request("POST", receiver.url(), body=b"x").body) == MAX_ANSWER


def test_an_answer_that_cannot_be_unpacked_still_counts_as_accepted(receive, client):
    receiver = receive(answer(200, b"not gzip at all", "Content-Encoding: gzip"))

    assert client().request("POST", receiver.url(), body=b"x").body == b""


@pytest.mark.parametrize("url", ["", "crm.example/x", "ftp://crm.example/", "http://", "http://[::1", "file:///etc/x"])
def test_a_url_that_is_none_makes_the_destination_unusable(client, url):
    with pytest.raises(DestinationUnusable, match="not a usable http"):
        client().request("POST", url, body=b"x")


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "日本"])
def test_a_header_that_would_split_the_request_is_never_sent(receive, client, value):
    receiver = receive(OK)

    with pytest.raises(PermanentFailure, match="nothing was sent"):
        client().request("POST", receiver.url(), body=b"x", headers={"X-Name": value})

    assert receiver.requests == []


def test_the_environment_names_no_proxy_and_no_password(receive, client, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password geheim\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    receiver = receive(OK)

    client().request("POST", receiver.url(), body=b"x")

    assert b"Authorization" not in receiver.requests[0]


def test_a_refusal_carries_what_was_answered(receive, client):
    answer = b'HTTP/1.1 429 Slow\r\nX-Policy: DAILY\r\nContent-Length: 18\r\n\r\n{"policy":"DAILY"}'

    with pytest.raises(TemporaryFailure) as caught:
        client().request("POST", receive(answer).url())

    assert caught.value.headers["x-policy"] == "DAILY"
    assert caught.value.body == b'{"policy":"DAILY"}'
