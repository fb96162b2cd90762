"""What gunicorn's own worker must do for us, asked of a real process."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.web.conftest import event, until


def request(body: bytes, *, length: int | None = None, close: bool = False) -> bytes:
    head = "POST /webhooks/open HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Content-Length: {len(body) if length is None else length}\r\n"
    return (head + ("Connection: close\r\n" if close else "") + "\r\n").encode() + body


def statuses(sock: socket.socket, count: int) -> list[int]:
    """The statuses of the next *count* answers on one connection."""
    found = []
    with sock.makefile("rb") as stream:
        for _ in range(count):
            found.append(int(stream.readline().split()[1]))
            length = 0
            while (line := stream.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            stream.read(length)
    return found


def test_a_chunked_body_is_put_together(server):
    body = event()
    pieces: Iterator[bytes] = iter([body[:1], body[1:200], body[200:]])

    assert server.post("/webhooks/open", pieces, Transfer_Encoding="chunked").status == 200
    assert server.kept()[0].body == body


def test_a_body_that_comes_byte_by_byte_is_put_together(server):
    body = event()
    with server.connect() as sender:
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request(body):
            sender.sendall(bytes([byte]))
        assert statuses(sender, 1) == [200]

    assert server.kept()[0].body == body


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_cut_off_half_way_is_not_accepted(chunked, server):
    before = server.counted().count("rejected open incomplete")
    with server.connect() as sender:
        if chunked:
            whole = event()
            sender.sendall(b"POST /webhooks/open HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            # The chunk is a whole event; only the end of the body is missing.
            sender.sendall(b"%x\r\n" % len(whole) + whole + b"\r\n")
        else:
            sender.sendall(request(event()[:-20], length=5000))
    until(lambda: server.counted().count("rejected open incomplete") == before + 1)

    assert server.kept() == []


def test_pipelined_requests_are_answered_in_order(server):
    with server.connect() as sender:
        sender.sendall(request(event()) + request(b"{}") + request(event()))

        assert statuses(sender, 3) == [200, 422, 200]


def test_one_connection_serves_many_requests(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.connect()
    first = connection.sock
    for _ in range(20):
        connection.request("POST", "/webhooks/open", event())
        with connection.getresponse() as answer:
            assert answer.status == 200
            answer.read()

    assert connection.sock is first
    connection.close()


def test_a_refused_request_leaves_the_connection_usable(server):
    with server.connect() as sender:
        sender.sendall(request(b"x" * 300_000))
        assert statuses(sender, 1) == [413]
        sender.sendall(request(event()))
        assert statuses(sender, 1) == [200]


def test_a_slow_sender_delays_nobody(server):
    slow = server.connect()
    slow.sendall(request(b"{", length=1000))
    quiet = server.connect()

    assert [server.post("/webhooks/open", event()).status for _ in range(20)] == [200] * 20
    slow.close()
    quiet.close()


def test_a_forwarded_address_cannot_be_forged_through_gunicorn(server):
    body = event()
    server.post("/webhooks/open", body, X_Forwarded_Proto="https", Forwarded="for=203.0.113.9", X_Real_Ip="203.0.113.9")

    assert server.kept()[0].remote == "127.0.0.1"


def test_sigterm_ends_it_with_zero_although_connections_are_idle(open_server):
    server = open_server(grace=60)
    idle = server.connect()
    idle.sendall(request(event()))
    assert statuses(idle, 1) == [200]

    # Far below the grace: an idle connection is no reason to stay.
    assert server.stop() == 0
    assert idle.recv(1) == b""
    idle.close()


def test_a_request_in_flight_at_sigterm_is_answered(open_server):
    server = open_server()
    body = event()
    with server.connect() as sender:
        sender.sendall(request(body[:100], length=len(body)))
        # Answered after it on the same process: the first half has been read by now.
        assert server.post("/webhooks/open", event()).status == 200
        server.process.send_signal(signal.SIGTERM)
        until(lambda: _refuses(server.port))
        sender.sendall(body[100:])

        assert statuses(sender, 1) == [200]
    assert server.process.wait(30) == 0
    assert body in [entry.body for entry in server.kept()]


def _refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_sigint_and_sighup_from_a_terminal_are_left_to_the_supervisor(open_server):
    server = open_server()
    worker = server.worker()
    assert server.post("/webhooks/open", event()).status == 200
    for process in (server.process.pid, worker):
        for number in (signal.SIGINT, signal.SIGHUP):
            os.kill(process, number)

    assert server.post("/webhooks/open", event()).status == 200
    assert server.worker() == worker
    assert server.stop() == 0


def post_until(server, stop: threading.Event) -> list[bytes]:
    """Post one event after the other on a connection, and return those answered with 200."""
    acknowledged = []
    while not stop.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        try:
            while not stop.is_set():
                body = event()
                connection.request("POST", "/webhooks/open", body)
                answer = connection.getresponse()
                if answer.status == 200:
                    acknowledged.append(body)
                answer.read()
        except (OSError, http.client.HTTPException):
            # Nobody was told 200: a sender would send it again.
            stop.wait(0.01)
        finally:
            connection.close()
    return acknowledged


@pytest.mark.parametrize("end", ["stopped", "worker killed", "worker killed twice"])
def test_no_acknowledged_event_is_missing_whatever_ends_a_process_under_load(end, open_server):
    server, stop = open_server(), threading.Event()
    with ThreadPoolExecutor(4) as senders:
        running = [senders.submit(post_until, server, stop) for _ in range(4)]
        try:
            until(lambda: len(server.counted()) > 100)
            if end == "stopped":
                assert server.stop() == 0
            for _ in range(end.count("killed") + end.count("twice")):
                worker, so_far = server.worker(), len(server.counted())
                os.kill(worker, signal.SIGKILL)
                until(lambda so_far=so_far: len(server.counted()) > so_far + 100)
                assert server.worker() != worker
        finally:
            stop.set()
        acknowledged = {body for each in running for body in each.result()}

    assert len(acknowledged) > 50
    assert acknowledged <= {entry.body for entry in server.kept()}


def test_the_listener_stays_open_while_a_killed_worker_is_replaced(open_server):
    server = open_server()
    assert server.post("/webhooks/open", event()).status == 200
    os.kill(server.worker(), signal.SIGKILL)

    # Connects at once; the answer comes when the new worker is there.
    with server.connect() as sender:
        sender.sendall(request(event(), close=True))
        sender.settimeout(30)
        assert statuses(sender, 1) == [200]


def test_an_application_that_cannot_be_made_ends_the_process_instead_of_looping(tmp_path):
    program = (
        "import socket\nfrom router.web.server import serve\n"
        "def broken():\n    raise RuntimeError('no')\n"
        "serve(broken, socket.create_server(('127.0.0.1', 0)), graceful_timeout=1)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=False)

    assert ended.returncode not in (0, None)


def test_readyz_names_every_reason_and_healthz_does_not_care(open_server):
    server = open_server()
    assert server.post("/webhooks/open", event()).status == 200
    for path in (server.folder / "inbox").iterdir():
        path.unlink()
    (server.folder / "inbox").rmdir()
    (server.folder / "inbox").write_text("a file where the inbox should be")
    assert server.post("/webhooks/open", event()).status == 503

    answer = until(lambda: (found := server.post("/readyz", None, "GET")) and b"cannot make" in found.body and found)

    assert answer.status == 503
    assert "cannot make an inbox segment" in answer.json["reasons"][0]
    assert server.post("/healthz", None, "GET").status == 200


def test_an_inbox_that_cannot_commit_is_503_with_retry_after(open_server):
    server = open_server()
    assert server.post("/webhooks/open", event()).status == 200
    for path in (server.folder / "inbox").iterdir():
        path.unlink()

    answer = server.post("/webhooks/open", event())

    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    assert str(server.folder) not in answer.body.decode()
    assert server.counted()[-1] == "rejected open unavailable"
