"""Real receivers on loopback, each answering exactly the bytes a test gives it."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest

from router.outgoing import RequestsHttp
from tests.harness.authority import Authority

Script = Callable[[socket.socket, bytes], None]


class Receiver:
    """A server whose connections run *script* once per request; ``requests`` has the bytes of each."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._script = script
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path: str = "/", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def close(self) -> None:
        self._listener.close()
        for each in self._open:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            while request := read_request(connection):
                self.requests.append(request)
                self._script(connection, request)
        except OSError:
            pass
        finally:
            connection.close()


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def end(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@pytest.fixture
def receive() -> Iterator[Callable[..., Receiver]]:
    """Open a receiver that answers with *what*: bytes, or a script."""
    opened: list[Receiver] = []

    def open_one(what: bytes | Script, tls: ssl.SSLContext | None = None) -> Receiver:
        def script(connection: socket.socket, request: bytes) -> None:
            if callable(what):
                what(connection, request)
            else:
                connection.sendall(what)

        opened.append(Receiver(script, tls))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture
def client() -> Iterator[Callable[..., RequestsHttp]]:
    made: list[RequestsHttp] = []

    def make(**settings: object) -> RequestsHttp:
        made.append(RequestsHttp(**{"timeout": 5.0, **settings}))  # type: ignore[arg-type]  # any setting, by name
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if not shutil.which("openssl"):
        pytest.skip("the openssl program makes the certificates")
    return Authority(tmp_path_factory.mktemp("ca"))
