"""Where an exchange breaks decides what is known: nothing was sent, or whether it arrived is unknown."""

from __future__ import annotations

import socket
import threading

import pytest

from router.errors import AnswerLost, TemporaryFailure
from router.outgoing import connection
from router.outgoing.lookup import lookup
from router.secret import Secret
from tests.outgoing.conftest import answer, end, reset

OK = answer(200, b"ok")


@pytest.mark.parametrize("cut", [reset, end])
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Le", OK[:-1]])
def test_a_connection_cut_after_the_request_leaves_it_unknown_whether_it_arrived(receive, client, cut, said):
    def answer_in_part(connection: socket.socket, _: bytes) -> None:
        connection.sendall(said)
        cut(connection)

    receiver = receive(answer_in_part)

    with pytest.raises(AnswerLost, match="whether it accepted is not known"):
        client().request("POST", receiver.url(), body=b"x")

    assert len(receiver.requests) == 1


@pytest.mark.parametrize("cut", [reset, end])
def test_a_connection_cut_in_the_middle_of_a_request_leaves_it_unknown(client, cut):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def read_a_little() -> None:
            accepted, _ = server.accept()
            accepted.recv(1000)
            cut(accepted)

        thread = threading.Thread(target=read_a_little)
        thread.start()
        with pytest.raises(AnswerLost):
            client().request("POST", f"http://127.0.0.1:{server.getsockname()[1]}/", body=b"x" * 50_000_000)
        thread.join()


@pytest.mark.parametrize("cut", [reset, end])
def test_a_connection_cut_in_the_handshake_is_tried_again_because_nothing_was_sent(receive, client, cut):
    def no_handshake(connection: socket.socket, _: bytes) -> None:
        cut(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept_and_cut() -> None:
            accepted, _ = server.accept()
            accepted.recv(10)
            cut(accepted)

        thread = threading.Thread(target=accept_and_cut)
        thread.start()
        with pytest.raises(TemporaryFailure):
            client().request("POST", f"https://127.0.0.1:{server.getsockname()[1]}/", body=b"x")
        thread.join()


@pytest.mark.parametrize("secured", [False, True])
def test_a_kept_connection_found_closed_before_anything_left_is_replaced_at_once(
    receive, client, authority, monkeypatch, secured
):
    gone = threading.Event()

    def answer_and_reset(connection: socket.socket, request: bytes) -> None:
        connection.sendall(OK)
        if request.endswith(b"2"):
            return
        # The client has read it all when the reset comes: it asks for the next only after that.
        asked.wait(5)
        reset(connection)
        gone.set()

    asked = threading.Event()
    receiver = receive(answer_and_reset, tls=authority.server() if secured else None)
    http = client(keep_idle=60.0, ca=authority.certificate if secured else None)
    url = receiver.url(host="localhost", scheme="https" if secured else "http")
    http.request("POST", url, body=b"1")
    asked.set()
    assert gone.wait(5)
    # The moment between the look at a kept connection and the write cannot be met from outside: nobody looks.
    monkeypatch.setattr(connection.Guarded, "is_connected", True)

    assert http.request("POST", url, body=b"2").status == 200
    assert [request[-1:] for request in receiver.requests] == [b"1", b"2"]


def test_a_kept_connection_that_ends_after_the_request_left_is_not_asked_again(receive, client):
    def first_alone(connection: socket.socket, request: bytes) -> None:
        if request.endswith(b"1"):
            connection.sendall(OK)
        else:
            end(connection)

    receiver = receive(first_alone)
    http = client(keep_idle=60.0)
    http.request("POST", receiver.url(), body=b"1")

    with pytest.raises(AnswerLost):
        http.request("POST", receiver.url(), body=b"2")

    assert [request[-1:] for request in receiver.requests] == [b"1", b"2"]


def test_an_answer_given_before_the_request_was_read_whole_counts(client):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse_early() -> None:
            accepted, _ = server.accept()
            accepted.recv(1000)
            accepted.sendall(answer(413, b"too large", "Connection: close"))
            while accepted.recv(1 << 20):
                pass
            accepted.close()

        thread = threading.Thread(target=refuse_early)
        thread.start()
        with pytest.raises(Exception, match="413"):
            client().request("POST", f"http://127.0.0.1:{server.getsockname()[1]}/", body=b"x" * 3_000_000)
        thread.join()


# The time limit ------------------------------------------------------------------------------------------


def test_a_connection_that_nobody_takes_ends_at_the_time_limit(client):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        place = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        try:
            for each in waiting:
                each.setblocking(False)
                each.connect_ex(place)
            with pytest.raises(TemporaryFailure, match=r"cannot connect to 127\.0\.0\.1 port .*: it took too long"):
                client(timeout=0.2).request("POST", f"http://127.0.0.1:{place[1]}/", body=b"x")
        finally:
            for each in waiting:
                each.close()


def test_a_request_that_nobody_reads_ends_at_the_time_limit(client):
    with socket.create_server(("127.0.0.1", 0)) as deaf, pytest.raises(AnswerLost, match="did not answer within"):
        client(timeout=0.3).request("POST", f"http://127.0.0.1:{deaf.getsockname()[1]}/", body=b"x" * 50_000_000)


def test_a_handshake_that_trickles_ends_at_the_time_limit(client):
    over = threading.Event()
    # The head of a TLS record that promises 16,000 bytes more.
    head = b"\x16\x03\x03\x3e\x80\x02\x00\x3e\x7c\x03\x03"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            accepted, _ = server.accept()
            with accepted:
                accepted.sendall(head)
                while not over.wait(0.02):
                    try:
                        accepted.sendall(b"\0")
                    except OSError:
                        return

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            with pytest.raises(TemporaryFailure):
                client(timeout=0.3).request("POST", f"https://127.0.0.1:{server.getsockname()[1]}/", body=b"x")
        finally:
            over.set()
            thread.join()


def test_a_proxy_that_trickles_ends_at_the_time_limit(receive, client):

    over = threading.Event()

    def trickle(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 ")
        while not over.wait(0.02):
            connection.sendall(b"x")

    proxy = receive(trickle)
    http = client(timeout=0.3, proxy=Secret(f"http://127.0.0.1:{proxy.port}"))
    try:
        with pytest.raises(TemporaryFailure):
            http.request("POST", "https://crm.example/", body=b"x")
    finally:
        over.set()


def test_name_servers_that_hang_cost_one_thread_for_each_name():
    answered, begun = threading.Event(), []

    def slow(host: str, port: int):
        begun.append(host)
        answered.wait(20)
        return [(socket.AF_INET, ("127.0.0.1", port))]

    for host in ("a.example", "a.example", "b.example", "a.example"):
        with pytest.raises(TimeoutError):
            lookup(slow, host, 80, 0.01)
    waiting = threading.Thread(target=lambda: found.append(lookup(slow, "a.example", 80, 20)))
    found: list[object] = []
    waiting.start()
    answered.set()
    waiting.join()

    assert begun[:2] == ["a.example", "b.example"]
    assert found == [[(socket.AF_INET, ("127.0.0.1", 80))]]
    # What was found is not remembered: the next one who asks has it looked up again.
    before = len(begun)
    lookup(slow, "a.example", 80, 20)
    assert len(begun) == before + 1
