"""Real receivers on loopback, each answering exactly the bytes a test gives it."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from router.outgoing import RequestsHttp

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


class Authority:
    """A certificate authority called *name*; ``certificate`` is that of crm.example and localhost as well."""

    def __init__(self, folder: Path, name: str = "crm.example") -> None:
        self.folder = folder
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                      "-days", "2", "-keyout", self.key, "-out", self.certificate, "-subj", f"/CN={name}",
                      "-addext", "subjectAltName=DNS:crm.example,DNS:localhost")  # fmt: skip

    def server(self, *, asks_for_certificate: bool = False) -> ssl.SSLContext:
        """Return what a receiver secures its connections with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if asks_for_certificate:
            context.load_verify_locations(self.certificate)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, name: str, *, days: int = 2) -> tuple[Path, Path]:
        """Return the files of a certificate for *name* that it has signed, and of its key."""
        key, request, made = (self.folder / f"{name}.{kind}" for kind in ("key", "csr", "crt"))
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
                      "-out", request, "-subj", f"/CN={name}")  # fmt: skip
        self._openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                      "-days", str(days), "-out", made)  # fmt: skip
        return made, key

    def _openssl(self, *arguments: object) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if not shutil.which("openssl"):
        pytest.skip("the openssl program makes the certificates")
    return Authority(tmp_path_factory.mktemp("ca"))
