"""No secret shows in any failure: not in its text, not in what it was caused by, not in a log."""

from __future__ import annotations

import logging
import socket
import traceback

import pytest

from router.errors import DeliveryFailed
from router.outgoing import Redaction, secrets_in
from router.plugin import Settings, setting
from router.secret import Secret
from tests.outgoing.conftest import answer

PATH = "/services/T012345/B012345/tokenInPath"
SECRETS = ["tokenInPath", "T012345", "tokenInQuery", "tokenInHeader", "tokenInUser", "tokenInProxy"]


def echo(connection: socket.socket, request: bytes) -> None:
    # The worst a server can do: it repeats to us all that it was told.
    connection.sendall(answer(400, request.replace(b"\r\n", b" ")[:900]))


def reset(connection: socket.socket, _: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def everything_said(failure: BaseException) -> str:
    said = []
    each: BaseException | None = failure
    while each is not None:
        said += [str(each), repr(each), repr(each.args), repr(vars(each))]
        said += traceback.format_exception(each)
        each = each.__cause__ or each.__context__
    return "\n".join(said)


@pytest.mark.parametrize(
    "script",
    [
        echo,
        reset,
        answer(302, b"", f"Location: http://elsewhere.example{PATH}"),
        answer(404, b"Cannot POST " + PATH.encode()),
        answer(401, b"bad token tokenInHeader"),
        answer(503, b"busy", "Retry-After: tokenInHeader"),
        b"HTTP/1.1 tokenInHeader\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 9\r\n\r\n",
    ],
)
def test_a_failure_shows_no_secret(receive, client, caplog, script):
    caplog.set_level(logging.DEBUG)
    receiver = receive(script)
    headers = {"Authorization": Secret("Bearer tokenInHeader")}  # a traceback quotes the line that calls
    url = Secret(f"http://tokenInUser:tokenInUser@127.0.0.1:{receiver.port}{PATH}?key=tokenInQuery")

    with pytest.raises(DeliveryFailed) as caught:
        client(timeout=0.4).request("POST", url, json={}, headers=headers)

    said = everything_said(caught.value) + caplog.text
    assert [secret for secret in SECRETS if secret in said] == []
    assert "127.0.0.1" in str(caught.value)


@pytest.mark.parametrize("url", [f"http://{{closed}}{PATH}", f"https://{{plain}}{PATH}", f"nothing://{PATH}", PATH])
def test_a_connection_that_never_was_shows_no_secret(receive, client, caplog, url):
    caplog.set_level(logging.DEBUG)
    plain = receive(lambda connection, _: connection.close())
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    address = url.format(closed=f"127.0.0.1:{closed}", plain=f"127.0.0.1:{plain.port}")

    with pytest.raises(DeliveryFailed) as caught:
        client(timeout=0.4).request("POST", Secret(address), body=b"x")

    said = everything_said(caught.value) + caplog.text
    assert [secret for secret in SECRETS if secret in said] == []


def test_a_proxy_that_fails_shows_no_secret(receive, client, caplog):
    caplog.set_level(logging.DEBUG)
    proxy = receive(echo)
    http = client(proxy=Secret(f"http://me:tokenInProxy@127.0.0.1:{proxy.port}"))

    for scheme in ("http", "https"):
        with pytest.raises(DeliveryFailed) as caught:
            http.request("POST", Secret(f"{scheme}://crm.example{PATH}"), body=b"x")

        said = everything_said(caught.value) + caplog.text
        assert [secret for secret in SECRETS if secret in said] == []


class Nested(Settings):
    url: Secret = setting("Where.")
    headers: dict[str, Secret] = setting("With.")
    keys: tuple[Secret, ...] = setting("Which.")
    name: str = setting("Who.")


def test_every_secret_of_the_settings_is_found():
    settings = Nested(url="https://a/b", headers={"X": "Bearer one"}, keys=("two", "three"), name="open")

    assert set(secrets_in(settings)) == {"https://a/b", "Bearer one", "two", "three"}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Bearer abcdefgh", "<secret>"),
        ("the key abcdefgh is wrong", "the key <secret> is wrong"),
        ("Max retries: /hook/s3cret-part?x=%20longvalue", "Max retries: <secret>"),
        ("at hook.example", "at hook.example"),
        ("client_secret=a%2Fb+c%C3%A9&x=1, a%2Fb%20c%C3%A9", "client_secret=<secret>&x=1, <secret>"),
    ],
)
def test_parts_of_secrets_are_taken_out_too(text, clean):
    redact = Redaction(["Bearer abcdefgh", "a/b cé", "https://hook.example/hook/s3cret-part?x=%20longvalue"])

    assert redact(text) == clean
