"""Where a request may go: names are looked up once, and only a checked address is connected to."""

from __future__ import annotations

import socket

import pytest

from router.errors import DestinationUnusable, PermanentFailure, TemporaryFailure
from router.secret import Secret
from tests.outgoing.conftest import answer

OK = answer(200, b"ok")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0177.0.0.1", "0x7f.1", "localhost", "0", "[::ffff:127.0.0.1]"]
)
def test_no_spelling_of_loopback_gets_past_the_guard(receive, client, host):
    receiver = receive(OK)

    with pytest.raises(PermanentFailure, match=r"nothing was sent to .* allow_private: false"):
        client(allow_private=False).request("POST", receiver.url(host=host), body=b"x")

    assert receiver.connections == 0


def test_the_metadata_service_is_refused_even_where_private_addresses_are_welcome(client):
    with pytest.raises(PermanentFailure, match="metadata"):
        client().request("POST", "http://169.254.169.254/latest/meta-data/", body=b"x")


def test_a_name_that_changes_its_address_is_looked_up_once_per_connection(receive, client):
    receiver = receive(OK)
    answers = iter([[(socket.AF_INET, ("169.254.169.254", 80))], [(socket.AF_INET, ("127.0.0.1", receiver.port))]])
    http = client(allow_private=False, resolve=lambda host, port: next(answers))

    with pytest.raises(PermanentFailure):
        http.request("POST", "http://rebind.example/", body=b"x")

    assert next(answers)
    assert receiver.connections == 0


def test_the_address_connected_to_is_the_one_checked_and_the_name_stays_in_the_request(receive, client):
    receiver = receive(OK)
    http = client(resolve=lambda host, port: [(socket.AF_INET, ("127.0.0.1", receiver.port))])

    http.request("POST", "http://crm.example/x", body=b"x")

    assert b"\r\nHost: crm.example\r\n" in receiver.requests[0]


def test_refused_addresses_are_passed_over_for_a_good_one(receive, client):
    receiver = receive(OK)
    found = [(socket.AF_INET6, ("fe80::1", 80, 0, 0)), (socket.AF_INET, ("127.0.0.1", receiver.port))]

    assert client(resolve=lambda host, port: found).request("POST", "http://crm.example/", body=b"x").status == 200


def test_a_dead_address_is_passed_over_for_a_live_one(receive, client):
    receiver = receive(OK)
    with socket.create_server(("127.0.0.1", 0)) as server:
        dead = server.getsockname()[1]
    found = [(socket.AF_INET, ("127.0.0.1", dead)), (socket.AF_INET, ("127.0.0.1", receiver.port))]

    assert client(resolve=lambda host, port: found).request("POST", "http://crm.example/", body=b"x").status == 200


def test_a_request_goes_through_the_proxy_with_its_credentials(receive, client):
    proxy = receive(OK)
    secret = Secret(f"http://me:geheim@127.0.0.1:{proxy.port}")

    client(proxy=secret).request("POST", "http://crm.example/x?y=1", body=b"hello")

    head = proxy.requests[0].partition(b"\r\n\r\n")[0]
    assert head.startswith(b"POST http://crm.example/x?y=1 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic bWU6Z2VoZWlt" in head


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["169.254.169.254", "2852039166", "0xa9.0xfea9fe", "[::ffff:a9fe:a9fe]"])
def test_a_proxy_is_not_asked_for_an_address_that_is_refused(receive, client, scheme, host):
    proxy = receive(OK)

    with pytest.raises(PermanentFailure, match="metadata"):
        client(proxy=Secret(f"http://127.0.0.1:{proxy.port}")).request("POST", f"{scheme}://{host}/", body=b"x")

    assert proxy.connections == 0


def test_a_tunnel_the_proxy_refuses_is_temporary(receive, client):
    proxy = receive(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises(TemporaryFailure, match="the proxy did not connect us"):
        client(proxy=Secret(f"http://127.0.0.1:{proxy.port}")).request("POST", "https://crm.example/x", body=b"x")

    assert proxy.requests[0].startswith(b"CONNECT crm.example:443 ")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_our_credentials_makes_the_destination_unusable(receive, client, scheme):
    proxy = receive(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises(DestinationUnusable):
        client(proxy=Secret(f"http://127.0.0.1:{proxy.port}")).request("POST", f"{scheme}://crm.example/x", body=b"x")


def test_a_refusal_names_the_address_that_the_name_stands_for(client):
    http = client(resolve=lambda host, port: [(socket.AF_INET, ("169.254.169.254", 80))])

    with pytest.raises(PermanentFailure) as caught:
        http.request("POST", "http://crm.example/", body=b"x")

    assert str(caught.value) == (
        "nothing was sent to crm.example: its address 169.254.169.254 is a link-local, metadata or multicast address, "
        "and those are always refused"
    )
