"""Connections that obey one deadline and go only to addresses that were checked.

urllib3's time limits are per read, so an answer of one byte every second never ends; here every read and write on a
socket gets what is left of the whole exchange. The name is resolved once and the checked address is the one
connected to; the name stays for the Host header, SNI and the certificate.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from router.errors import PermanentFailure, TemporaryFailure
from router.outgoing.address import in_digits, refusal
from router.outgoing.lookup import Found, Resolve, lookup

#: The most that is read at once.
PIECE = 65536

#: What TLS encrypts at once; of less, nothing can be read before all of it has left.
_RECORD = 16384


class Exchange:
    """What the connections of one client share: the deadline of the request under way, and how far it has come."""

    def __init__(self, *, allow_private: bool, keep_idle: float, resolve: Resolve) -> None:
        self.keep_idle = keep_idle
        #: True while the request itself leaves, not what opens the way for it.
        self.writing = False
        #: True as soon as something of the request may be there.
        self.written = False
        #: Whether it is written to a connection that served an earlier request.
        self.reused = False
        self._begun = self._deadline = 0.0
        self._allow_private = allow_private
        self._resolve = resolve

    def begin(self, seconds: float) -> None:
        """Start one request, to be over in *seconds*."""
        self.writing = self.written = self.reused = False
        self._begun = time.monotonic()
        self._deadline = self._begun + seconds

    def passed(self) -> float:
        """Return the seconds since the request was started."""
        return time.monotonic() - self._begun

    @property
    def over(self) -> bool:
        """Whether the time has passed."""
        return time.monotonic() >= self._deadline

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
            it = "it" if found[0][1][0] == host else f"its address {found[0][1][0]}"
            raise PermanentFailure(f"nothing was sent to {host}: {it} is {refused[0]}")
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
        address = in_digits(host)
        why = refusal(address, allow_private=self._allow_private) if address else None
        if why:
            raise PermanentFailure(f"nothing was sent to {host}: it is {why}")

    def _lookup(self, host: str, port: int) -> Sequence[Found]:
        try:
            found = lookup(self._resolve, host, port, self.left())
        except TimeoutError:
            raise TemporaryFailure(f"the name {host} was not found: the name server took too long") from None
        except OSError as ex:
            raise TemporaryFailure(f"the name {host} was not found: {ex.strerror or ex}") from None
        if not found:
            raise TemporaryFailure(f"the name {host} has no address")
        return found


class _Awaited:
    """A socket that can be asked whether there is something to read."""

    @cached_property
    def ready(self) -> select.poll:
        poller = select.poll()
        poller.register(self, select.POLLIN)  # type: ignore[arg-type]  # whatever this is mixed into is a socket
        return poller


class _DeadlineSocket(_Awaited, socket.socket):
    exchange: Exchange | None = None

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        if self.exchange:
            self.settimeout(self.exchange.left())
        return super().recv_into(*args, **kwargs)

    def sendall(self, data: Any, flags: int = 0) -> None:
        # Piece by piece, so that it is known whether any has left.
        with memoryview(data) as whole:
            left = len(whole)
            while left:
                left -= self.send(whole[-left:], flags)

    def send(self, data: Any, flags: int = 0) -> int:
        if self.exchange is None:
            return super().send(data, flags)
        self.settimeout(self.exchange.left())
        sent = super().send(data, flags)
        self.exchange.written = self.exchange.writing
        return sent

    def write_whole(self, data: bytes) -> None:
        """Send all of *data*; mostly there is room for it at once, and no need to ask."""
        exchange = self._at_once()
        try:
            sent = super().send(data)
        except BlockingIOError:
            sent = 0
        else:
            exchange.written = exchange.writing
        if sent < len(data):
            self.sendall(data[sent:])

    def read_some(self) -> bytes:
        """Return what has come, once something has; b"" at the end."""
        exchange = self._at_once()
        if not self.ready.poll(exchange.left() * 1000):
            raise TimeoutError("the time limit has passed")
        return self.recv(PIECE)

    def _at_once(self) -> Exchange:
        """Wait for nothing in here: each time limit that is set costs two calls of the system."""
        assert self.exchange is not None  # noqa: S101 - connect() gave it one
        if self.gettimeout() != 0.0:
            self.settimeout(0.0)
        return self.exchange


class DeadlineTLS(_Awaited, ssl.SSLSocket):
    """A TLS socket whose reads and writes get what is left of ``exchange``."""

    exchange: Exchange | None = None

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        if self.exchange:
            self.settimeout(self.exchange.left())
        return super().recv_into(*args, **kwargs)

    def send(self, data: Any, flags: int = 0) -> int:
        if self.exchange is None:
            return super().send(data, flags)
        self.settimeout(self.exchange.left())
        self.exchange.written |= self.exchange.writing and len(data) > _RECORD
        sent = super().send(data, flags)
        self.exchange.written = self.exchange.writing
        return sent

    def write_whole(self, data: bytes) -> None:
        """Send all of *data*."""
        self.sendall(data)

    def read_some(self) -> bytes:
        """Return what has come, once something has; b"" at the end."""
        if self.exchange:
            self.settimeout(self.exchange.left())
        return self.recv(PIECE)


class _Lines:
    """Reads the lines of a head; ``cut`` says that the connection ended before the empty line at its end."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.cut = False

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self._file.readline(limit)
        self.cut = not line
        return line

    def close(self) -> None:
        self._file.close()


class Whole(http.client.HTTPResponse):
    """An answer whose head must be whole; http.client takes one that breaks off for a short one."""

    def begin(self) -> None:
        file: Any = self.fp
        lines: Any = _Lines(file)
        self.fp = lines
        try:
            super().begin()
        finally:
            if self.fp is lines:
                self.fp = file
        if lines.cut:
            raise http.client.IncompleteRead(b"")


class Guarded(HTTPConnection):
    """An HTTPConnection whose every socket comes from its Exchange."""

    response_class = Whole
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
        if isinstance(self.sock, DeadlineTLS):
            self.sock.exchange = self.exchange

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        # Head and body leave in one write: two cost the receiver a second wake-up, and while the one has not
        # succeeded it is certain that nothing arrived.
        self._held = held = bytearray()
        try:
            super().request(*args, **kwargs)
        finally:
            self._held = None
        self.exchange.writing = True
        self.send(held)

    def send(self, data: Any) -> None:
        if self._held is None:
            super().send(data)
        else:
            self._held += data

    def rest(self) -> None:
        """Be kept for the next request."""
        self.idle_since = time.monotonic()

    def can_be_used(self) -> bool:
        """Whether a request may go over this connection at once: it is open, and has not rested too long."""
        sock: Any = self.sock
        if sock is None or time.monotonic() - self.idle_since > self.exchange.keep_idle:
            return False
        # Whatever comes unasked, its end above all, is no answer to what is yet to be sent.
        return not sock.ready.poll(0)


class _GuardedTLS(Guarded, HTTPSConnection):
    pass


class _Fresh(HTTPConnectionPool):
    """A pool that does not use a connection again after ``keep_idle`` seconds of rest.

    Servers close idle connections after seconds of their own (gunicorn 2, Node 5). One that does so while the next
    request is on its way leaves an answer lost that nobody can account for, and a POST must not be repeated on
    suspicion (RFC 9110, 9.2.2). Not being there at that moment is the only safe way around it. One that is found closed
    before anything left is another matter: the request then goes over a new one (``RequestsHttp``).
    """

    ConnectionCls = Guarded

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn = super()._get_conn(timeout)
        if isinstance(conn, Guarded) and conn.sock and time.monotonic() - conn.idle_since > conn.exchange.keep_idle:
            conn.close()
        if isinstance(conn, Guarded):
            conn.exchange.reused = conn.sock is not None
        return conn

    def _put_conn(self, conn: Any) -> None:
        if isinstance(conn, Guarded):
            conn.rest()
        super()._put_conn(conn)

    def at_once(self) -> Guarded | None:
        """Return a connection over which a request may go at once, if one is here. It stays here."""
        # One thread uses this pool, so what was put last is what would be taken out.
        conn: Guarded | None = self.pool.queue[-1] if self.pool and self.pool.queue else None
        if conn is None or conn.proxy or not conn.can_be_used():
            return None
        conn.exchange.reused = True
        return conn


class _FreshTLS(_Fresh, HTTPSConnectionPool):
    ConnectionCls = _GuardedTLS


#: The pool classes by scheme; both take ``exchange`` beside what urllib3 gives them.
POOLS = {"http": _Fresh, "https": _FreshTLS}
