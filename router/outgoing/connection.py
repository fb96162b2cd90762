"""Connections that obey one deadline and go only to addresses that were checked.

urllib3's time limits are per read, so an answer of one byte every second never ends; here every read and write on a
socket gets what is left of the whole exchange. The name is resolved once and the checked address is the one
connected to; the name stays for the Host header, SNI and the certificate.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from requests.adapters import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from router.errors import DestinationUnusable, PermanentFailure, TemporaryFailure
from router.outgoing.address import refusal

#: A found address: family and what ``connect`` takes.
Found = tuple[int, Any]


def resolve(host: str, port: int) -> Sequence[Found]:
    """Return the addresses of *host*, best first; raises OSError when it has none."""
    return [(family, place) for family, _, _, _, place in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)]


class Exchange:
    """What the connections of one client share: the deadline of the request under way, and how far it has come."""

    def __init__(
        self, *, allow_private: bool, keep_idle: float, resolve: Callable[[str, int], Sequence[Found]] = resolve
    ) -> None:
        self.keep_idle = keep_idle
        #: True from the moment the first byte of the request may have left.
        self.written = False
        self._deadline = 0.0
        self._allow_private = allow_private
        self._resolve = resolve

    def begin(self, seconds: float) -> None:
        """Start one request, to be over in *seconds*."""
        self.written = False
        self._deadline = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left, more than none; raises TimeoutError after the deadline."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time limit has passed")
        return left

    def connect(self, host: str, port: int, *, guarded: bool) -> socket.socket:
        """Return a connection to an address of *host* that may be connected to.

        Raises PermanentFailure when there is none, TemporaryFailure when none answers.
        """
        found = self._lookup(host, port)
        refused = [refusal(place[0], allow_private=self._allow_private or not guarded) for _, place in found]
        allowed = [each for each, why in zip(found, refused, strict=True) if why is None]
        if not allowed:
            raise PermanentFailure(f"nothing was sent to {host}: it is {refused[0]}")
        last = "no time was left"
        for index, (family, place) in enumerate(allowed):
            sock = _DeadlineSocket(family, socket.SOCK_STREAM)
            sock.exchange = self
            try:
                # An address that swallows packets must leave time for the ones after it.
                sock.settimeout(self.left() / (len(allowed) - index))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.connect(place)
                sock.settimeout(self.left())
            except OSError as ex:
                sock.close()
                last = ex.strerror or "it took too long"
            else:
                return sock
        raise TemporaryFailure(f"cannot connect to {host} port {port}: {last}")

    def check_literal(self, host: str) -> None:
        """Raise PermanentFailure when *host* is an address in digits that is refused, whoever will connect to it."""
        try:
            why = refusal(host, allow_private=self._allow_private)
        except ValueError:
            return
        if why:
            raise PermanentFailure(f"nothing was sent to {host}: it is {why}")

    def _lookup(self, host: str, port: int) -> Sequence[Found]:
        """Resolve within the deadline: getaddrinfo itself cannot be told one, so it gets a thread to wait in."""
        answers: queue.SimpleQueue[Sequence[Found] | OSError] = queue.SimpleQueue()

        def look() -> None:
            try:
                answers.put(self._resolve(host, port))
            except (OSError, UnicodeError) as ex:
                answers.put(ex if isinstance(ex, OSError) else OSError("not a host name"))

        threading.Thread(target=look, name="resolve", daemon=True).start()
        try:
            answer = answers.get(timeout=self.left())
        except (queue.Empty, TimeoutError):
            answer = OSError(0, "the name server took too long")
        if isinstance(answer, OSError):
            raise TemporaryFailure(f"the name {host} was not found: {answer.strerror or answer}")
        if not answer:
            raise TemporaryFailure(f"the name {host} has no address")
        return answer


class _DeadlineSocket(socket.socket):
    exchange: Exchange | None = None

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        if self.exchange:
            self.settimeout(self.exchange.left())
        return super().recv_into(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        if self.exchange:
            self.settimeout(self.exchange.left())
        super().sendall(*args, **kwargs)


class _DeadlineTLS(ssl.SSLSocket):
    exchange: Exchange | None = None

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        if self.exchange:
            self.settimeout(self.exchange.left())
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        if self.exchange:
            self.settimeout(self.exchange.left())
        return super().send(*args, **kwargs)


def tls_context(ca: Path | None) -> ssl.SSLContext:
    """Return the one context for all connections that trust *ca* as it is now (None: the public authorities).

    Loading the authorities costs 25 ms, which a connection of its own context would pay each time. Raises
    DestinationUnusable when the file cannot be read.
    """
    try:
        return _tls_context(ca, ca.stat().st_mtime_ns if ca else 0)
    except OSError as ex:
        raise DestinationUnusable(f"the file of certificate authorities {ca} cannot be read: {ex.strerror}") from ex


@lru_cache(maxsize=64)
def _tls_context(ca: Path | None, changed_at: int) -> ssl.SSLContext:  # noqa: ARG001 - a changed file is read again
    context = create_urllib3_context()
    context.sslsocket_class = _DeadlineTLS
    context.load_verify_locations(ca or DEFAULT_CA_BUNDLE_PATH)
    return context


class _Guarded(HTTPConnection):
    """An HTTPConnection whose every socket comes from its Exchange."""

    exchange: Exchange
    idle_since = 0.0
    _held: bytearray | None = None

    def __init__(self, *args: Any, exchange: Exchange, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.exchange = exchange

    def _new_conn(self) -> socket.socket:
        return self.exchange.connect(self._dns_host, self.port, guarded=self.proxy is None)

    def connect(self) -> None:
        super().connect()
        # A TLS socket is another object than the one it was made of.
        if isinstance(self.sock, _DeadlineTLS):
            self.sock.exchange = self.exchange

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        # Head and body leave in one write: two cost the receiver a second wake-up, and until the one has
        # begun it is certain that nothing arrived.
        self._held = held = bytearray()
        try:
            super().request(*args, **kwargs)
        finally:
            self._held = None
        self.exchange.written = True
        self.send(held)

    def send(self, data: Any) -> None:
        if self._held is None:
            super().send(data)
        else:
            self._held += data


class _GuardedTLS(_Guarded, HTTPSConnection):
    pass


class _Fresh(HTTPConnectionPool):
    """A pool that does not use a connection again after ``keep_idle`` seconds of rest.

    Servers close idle connections after seconds of their own (gunicorn 2, Node 5). One that does so while the next
    request is on its way leaves an answer lost that nobody can account for, and a POST must not be repeated on
    suspicion (RFC 9110, 9.2.2). Not being there at that moment is the only safe way around it.
    """

    ConnectionCls = _Guarded

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn = super()._get_conn(timeout)
        if isinstance(conn, _Guarded) and conn.sock and time.monotonic() - conn.idle_since > conn.exchange.keep_idle:
            conn.close()
        return conn

    def _put_conn(self, conn: Any) -> None:
        if isinstance(conn, _Guarded):
            conn.idle_since = time.monotonic()
        super()._put_conn(conn)


class _FreshTLS(_Fresh, HTTPSConnectionPool):
    ConnectionCls = _GuardedTLS


#: The pool classes by scheme; both take ``exchange`` beside what urllib3 gives them.
POOLS = {"http": _Fresh, "https": _FreshTLS}
