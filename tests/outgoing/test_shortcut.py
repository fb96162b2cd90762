"""The shortcut over an open connection: to whoever asks, it is as if requests had read every answer."""

from __future__ import annotations

import gzip
import socket
import threading

import pytest

from router.errors import AnswerLost, DeliveryFailed, PermanentFailure
from router.outgoing import connection, shortcut
from router.outgoing.client import MAX_ANSWER, MAX_ERROR
from tests.outgoing.conftest import answer, end, reset

PACKED = gzip.compress(b"packed")
#: What a server may say to a request.
ANSWERS = {
    "a length": answer(200, b"ok", "X-Seen: Yes"),
    "no body": answer(200),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "no content with a length": b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
    "spaces and tabs around a value": b"HTTP/1.1 200 OK\r\nContent-Length:\t2 \r\nX-A:  b c\t\r\n\r\nok",
    "a header twice": answer(200, b"ok", "Set-Cookie: a=1", "Set-Cookie: b=2", "Vary: a", "vary: b"),
    "letters beyond ASCII": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Name: Zo\xeb\r\n\r\nok",
    "an empty value": answer(200, b"ok", "X-Empty:"),
    "a colon in a value": answer(200, b"ok", "X-Time: 12:30:00"),
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n4;x=y\r\n yes\r\n0\r\nX-T: 1\r\n\r\n",
    "chunks that end early": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok",
    "chunks and a length": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nok\r\n0\r\n\r\n",
    "packed": answer(200, PACKED, "Content-Encoding: gzip"),
    "packed wrongly": answer(200, b"not packed", "Content-Encoding: gzip"),
    "until the end": b"HTTP/1.1 200 OK\r\n\r\nok until the end",
    "an older version": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "an older version that stays": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    "asks to close": answer(200, b"ok", "Connection: Close"),
    "wait for it": b"HTTP/1.1 100 Continue\r\n\r\n" + answer(200, b"ok"),
    "hints first": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer(200, b"ok"),
    "a body that ends early": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
    "an error that ends early": b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nok",
    "a head that ends early": b"HTTP/1.1 200 OK\r\nContent-Le",
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "a folded line": b"HTTP/1.1 200 OK\r\nX-Long: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "line ends without a return": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "a hundred headers": answer(200, b"ok", *(f"X-{n}: {n}" for n in range(98))),
    "more headers than are read": answer(200, b"ok", *(f"X-{n}: {n}" for n in range(120))),
    "refused": answer(422, b'{"error": "no such owner"}', "Retry-After: 3"),
    "busy": answer(429, b"slow down", "Retry-After: 3"),
    "elsewhere": answer(307, b"", "Location: https://elsewhere.example/x"),
    "not changed": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    "more than is read": answer(200, b"x" * (MAX_ANSWER + 10)),
    "a longer error than is read": answer(500, b"x" * (MAX_ERROR + 10)),
    "a status nobody knows": answer(599, b"?"),
}
#: After these the server ends the connection.
ENDS = {
    "chunks that end early", "until the end", "a body that ends early", "an error that ends early", "nothing",
    "a head that ends early", "an older version", "asks to close", "a length that is none",
}  # fmt: skip


def told(http, url: str) -> object:
    """Return all that whoever asks learns."""
    http.heard = None
    try:
        got = http.request("POST", url, body=b"ask")
    except DeliveryFailed as ex:
        kept = http.heard and (http.heard.status, dict(http.heard.headers), http.heard.body)
        return type(ex), ex.reason, ex.status, getattr(ex, "retry_after", None), dict(ex.headers), ex.body, kept
    return got.status, dict(got.headers), got.body


@pytest.mark.parametrize("piece", [1 << 20, 7], ids=["at once", "in pieces"])
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_the_same_whichever_way_it_is_read(receive, client, monkeypatch, name, piece):
    said = ANSWERS[name]

    def script(connection: socket.socket, request: bytes) -> None:
        if b"/first" in request:
            connection.sendall(answer(200, b"first"))
            return
        size = max(piece, len(said) // 50)
        for start in range(0, len(said), size):
            connection.sendall(said[start : start + size])
        if b"/ends" in request:
            end(connection)

    path = "/ends" if name in ENDS else "/stays"
    receiver = receive(script)
    direct = told(client(), receiver.url(path))
    taken: list[object] = []
    monkeypatch.setattr("router.outgoing.client.exchange", lambda *given: taken.append(1) or shortcut.exchange(*given))
    http = client(keep_idle=60.0)
    http.request("POST", receiver.url("/first"), body=b"1")

    assert told(http, receiver.url(path)) == direct
    assert taken == [1]
    # Whatever is left of that answer is not taken for the next one.
    assert http.request("POST", receiver.url("/first"), body=b"1").body == b"first"


def test_a_plain_answer_leaves_the_connection_open(receive, client):
    receiver = receive(answer(200, b"ok"))
    http = client(keep_idle=60.0)

    for _ in range(5):
        http.request("POST", receiver.url(), body=b"x")

    assert receiver.connections == 1


def test_an_answer_in_chunks_leaves_the_connection_open(receive, client):
    receiver = receive(ANSWERS["chunks"])
    http = client(keep_idle=60.0)

    assert [http.request("POST", receiver.url(), body=b"x").body for _ in range(5)] == [b"ok yes"] * 5
    assert receiver.connections == 1


def test_the_request_is_the_same_whichever_way_it_leaves(receive, client):
    receiver = receive(answer(200, b"ok"))
    http = client(keep_idle=60.0)

    for _ in range(2):
        http.request("PUT", receiver.url("/a%20b?c=d&e"), json={"name": "Zoë"}, headers={"X-Key": "geheim"})

    first, second = (set(request.replace(b"\r\n\r\n", b"\r\n").split(b"\r\n")) for request in receiver.requests)
    assert first == second


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nb", "a\rb", "a\0b", "ж"])
def test_a_header_that_would_be_two_is_not_sent_over_an_open_connection_either(receive, client, value):
    receiver = receive(answer(200, b"ok"))
    http = client(keep_idle=60.0)
    http.request("POST", receiver.url(), body=b"1")

    with pytest.raises(PermanentFailure, match="characters HTTP forbids"):
        http.request("POST", receiver.url(), body=b"2", headers={"X-Name": value})
    assert len(receiver.requests) == 1


def test_an_answer_that_trickles_over_an_open_connection_has_the_same_time_limit(receive, client):
    def script(connection: socket.socket, request: bytes) -> None:
        if request.endswith(b"1"):
            connection.sendall(answer(200, b"ok"))
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        while connection.recv(1):
            pass

    receiver = receive(script)
    http = client(keep_idle=60.0, timeout=0.5)
    http.request("POST", receiver.url(), body=b"1")

    with pytest.raises(AnswerLost, match="answered 200 and broke off"):
        http.request("POST", receiver.url(), body=b"2")


def test_an_early_answer_to_a_request_that_was_not_read_whole_counts_over_an_open_connection_too(receive, client):
    large = b"x" * (8 << 20)

    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse_early() -> None:
            accepted, _ = server.accept()
            accepted.recv(65536)
            accepted.sendall(answer(200, b"ok"))
            accepted.recv(1000)
            accepted.sendall(answer(413, b"too large", "Connection: close"))
            while accepted.recv(1 << 20):
                pass
            accepted.close()

        thread = threading.Thread(target=refuse_early)
        thread.start()
        http = client(keep_idle=60.0)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        http.request("POST", url, body=b"1")

        with pytest.raises(PermanentFailure, match="413"):
            http.request("POST", url, body=large)
        http.close()
        thread.join(10)


def test_a_secure_connection_is_used_again_the_short_way_too(receive, client, authority, monkeypatch):
    receiver = receive(answer(200, b"ok"), tls=authority.server())
    taken: list[object] = []
    monkeypatch.setattr("router.outgoing.client.exchange", lambda *given: taken.append(1) or shortcut.exchange(*given))
    http = client(keep_idle=60.0, ca=authority.certificate)
    url = receiver.url(host="localhost", scheme="https")

    assert [http.request("POST", url, body=b"x" * 40_000).body for _ in range(5)] == [b"ok"] * 5
    assert (receiver.connections, len(taken)) == (1, 4)
    assert {len(request.partition(b"\r\n\r\n")[2]) for request in receiver.requests} == {40_000}


def test_a_connection_found_closed_as_the_request_is_to_leave_is_replaced_at_once(receive, client, monkeypatch):
    gone = threading.Event()

    def answer_and_end(accepted: socket.socket, request: bytes) -> None:
        accepted.sendall(answer(200, request[-1:]))
        if request.endswith(b"1"):
            asked.wait(5)
            reset(accepted)
            gone.set()

    asked = threading.Event()
    receiver = receive(answer_and_end)
    http = client(keep_idle=60.0)
    http.request("POST", receiver.url(), body=b"1")
    asked.set()
    assert gone.wait(5)
    # The moment between the look at a kept connection and the write cannot be met from outside: nobody looks.
    monkeypatch.setattr(connection.Guarded, "can_be_used", lambda self: self.sock is not None)

    assert http.request("POST", receiver.url(), body=b"2").body == b"2"
    assert [request[-1:] for request in receiver.requests] == [b"1", b"2"]
