"""HTTPS: the certificate is always checked, and against the name that was asked for."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import threading

import pytest

from router.errors import AnswerLost, DestinationUnusable, TemporaryFailure
from router.outgoing.connection import tls_context
from router.secret import Secret
from tests.outgoing.conftest import answer

OK = answer(200, b"ok")

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl program makes the certificates")


@pytest.fixture
def secure(receive, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "cert.pem", authority / "key.pem")
    return lambda script=OK: receive(script, tls=context)


@pytest.fixture
def connect(client, authority):
    """A client that trusts our authority and finds *receiver* under every name."""

    def make(receiver, **settings):
        settings = {"ca": authority / "cert.pem", **settings}
        return client(resolve=lambda host, port: [(socket.AF_INET, ("127.0.0.1", receiver.port))], **settings)

    return make


def test_a_certificate_of_the_given_authority_is_accepted(secure, connect):
    receiver = secure()
    http = connect(receiver)

    for _ in range(3):
        assert http.request("POST", "https://crm.example/x", body=b"hello").status == 200

    assert receiver.connections == 1
    assert b"\r\nHost: crm.example\r\n" in receiver.requests[0]


def test_a_certificate_nobody_vouches_for_is_refused(secure, connect):
    receiver = secure()

    with pytest.raises(TemporaryFailure, match=r"no secure connection to crm\.example: .*certificate"):
        connect(receiver, ca=None).request("POST", "https://crm.example/x", body=b"hello")

    assert receiver.requests == []


def test_a_certificate_for_another_name_is_refused(secure, connect):
    receiver = secure()

    with pytest.raises(TemporaryFailure, match=r"no secure connection to slack\.example: .*[Hh]ostname mismatch"):
        connect(receiver).request("POST", "https://slack.example/x", body=b"hello")

    assert receiver.requests == []


def test_a_server_that_speaks_no_tls_is_temporary(receive, connect):
    receiver = receive(OK)

    with pytest.raises(TemporaryFailure):
        connect(receiver, timeout=0.2).request("POST", "https://crm.example/x", body=b"hello")


def test_the_deadline_covers_the_handshake(client):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = [(socket.AF_INET, silent.getsockname())]

        with pytest.raises(TemporaryFailure):
            client(timeout=0.1, resolve=lambda host, port: place).request("POST", "https://crm.example/", body=b"x")


def test_the_deadline_covers_a_trickling_answer_over_tls(secure, connect):
    over = threading.Event()

    def trickle(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")
        while not over.wait(0.02):
            connection.sendall(b"x")

    receiver = secure(trickle)
    with pytest.raises(AnswerLost):
        connect(receiver, timeout=0.3).request("POST", "https://crm.example/x", body=b"hello")
    over.set()


def test_all_connections_share_one_context():
    assert tls_context(None) is tls_context(None)
    assert tls_context(None).verify_mode is ssl.CERT_REQUIRED
    assert tls_context(None).check_hostname


def test_an_unreadable_file_of_authorities_is_named(client, tmp_path):
    with pytest.raises(DestinationUnusable, match=r"gone\.pem cannot be read"):
        client(ca=tmp_path / "gone.pem")


def test_https_through_a_proxy_is_checked_end_to_end(receive, secure, client, authority):
    receiver = secure()

    def tunnel(connection: socket.socket, request: bytes) -> None:
        assert request.startswith(b"CONNECT crm.example:443 ")
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        with socket.create_connection(("127.0.0.1", receiver.port)) as far:
            back = threading.Thread(target=_copy, args=(far, connection))
            back.start()
            _copy(connection, far)
            back.join()

    proxy = receive(tunnel)
    http = client(proxy=Secret(f"http://127.0.0.1:{proxy.port}"), ca=authority / "cert.pem")

    assert http.request("POST", "https://crm.example/x", body=b"hello").status == 200
    http.close()
    assert receiver.requests[0].startswith(b"POST /x HTTP/1.1")


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def test_a_file_of_authorities_that_has_changed_is_read_again(authority, tmp_path):
    path = tmp_path / "ca.pem"
    path.write_bytes((authority / "cert.pem").read_bytes())
    before = tls_context(path)
    assert tls_context(path) is before

    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))

    assert tls_context(path) is not before
