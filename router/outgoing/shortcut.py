"""The shortcut that nearly every exchange takes: over a connection that is open, with an answer of told length.

requests and urllib3 spend most of the time of such an exchange on what no delivery uses: pools, redirects, retries,
header objects. Whatever is out of the ordinary goes their way: the first request over a connection, one through a
proxy, and the reading of any answer whose head says more than the plain reader below knows.
"""

from __future__ import annotations

import http.client
import io
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from urllib3 import HTTPHeaderDict
from urllib3.exceptions import DecodeError, HTTPError
from urllib3.response import HTTPResponse

from router.outgoing.connection import Guarded, Whole

#: What may stand in a request line: no space, no control character, nothing beyond ASCII.
_TARGET = re.compile(r"[\x21-\x7e]+")
#: A name and its value, as RFC 9112 (5) has them; a line that is folded, or has a space before the colon, is none.
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)")
_STATUS = re.compile(r"HTTP/1\.1 ([2-5]\d\d)(?: [^\r\n]*)?")
#: Where a value goes on in the next line, as nobody should write any more.
_FOLD = re.compile(r"\r?\n[ \t]+")
#: Headers that change how a body is read. An answer with one of them is none for the plain reader.
_TELLING = {"transfer-encoding", "content-encoding", "trailer", "upgrade"}


class Short(NamedTuple):
    """An answer that was read to its end, or to the limit; ``headers`` have lower-case names."""

    status: int
    headers: dict[str, str]
    #: None when the connection ended, or the time was over, in the middle of it.
    body: bytes | None


class Limits(NamedTuple):
    """How many bytes of a body are read, after it was unpacked."""

    accepted: int
    refused: int

    def of(self, status: int) -> int:
        """Return the limit of an answer with *status*."""
        return self.accepted if 200 <= status < 300 else self.refused


def head(method: str, target: str, host: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """Return the head of a request; raises ValueError when it has characters that HTTP forbids."""
    lines = [f"{method} {target} HTTP/1.1\r\n"]
    named = False
    for name, value in fields:
        lines.append(f"{name}: {value}\r\n")
        named = named or name.lower() == "host"
    if not named:
        lines.insert(1, f"Host: {host}\r\n")
    lines.append("\r\n")
    whole = "".join(lines)
    # Every line end must be one of ours.
    if whole.count("\n") != len(lines) or whole.count("\r") != len(lines) or "\0" in whole:
        raise ValueError("a header has a line end")
    return whole.encode("latin-1")


def is_plain(target: str) -> bool:
    """Return whether *target* may stand in a request line as it is."""
    return _TARGET.fullmatch(target) is not None


def exchange(conn: Guarded, method: str, request: bytes, limits: Limits) -> Short:
    """Send *request* over *conn*, which is open, and return the answer; raises OSError and HTTPException.

    Afterwards *conn* is open only if it can be used again.
    """
    sock: Any = conn.sock
    try:
        conn.exchange.writing = True
        try:
            sock.write_whole(request)
        except (BrokenPipeError, ConnectionResetError):
            # A server may have answered, and closed, before it had read everything.
            if not conn.exchange.written:
                raise
        data = sock.read_some()
        found = _plain_head(data, method)
        if found is None:
            return _in_full(conn, data, method, limits)
        status, headers, length, start, keep = found
        wanted = min(length, limits.of(status))
        body = _body(sock, data[start:], wanted)
        if body is None or len(data) - start > length or wanted < length or not keep:
            conn.close()
        else:
            conn.rest()
        return Short(status, headers, body)
    except BaseException:
        conn.close()
        raise


def _plain_head(data: bytes, method: str) -> tuple[int, dict[str, str], int, int, bool] | None:
    """Return status, headers, length and start of the body, and whether the connection stays; None: not plain."""
    end = data.find(b"\r\n\r\n")
    if end < 0 or method == "HEAD":
        return None
    first, *lines = data[:end].decode("latin-1").split("\r\n")
    status = _STATUS.fullmatch(first)
    if status is None or len(lines) > 99:
        return None
    headers: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            return None
        name, value = field[1].lower(), field[2]
        if name in _TELLING or (name in headers and name == "content-length"):
            return None
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    code, length = int(status[1]), headers.get("content-length", "")
    if code in (204, 304):
        length = "0"
    if not (length.isascii() and length.isdigit() and len(length) < 16):
        return None
    return code, headers, int(length), end + 4, "close" not in headers.get("connection", "").lower()


def _body(sock: Any, begun: bytes, wanted: int) -> bytes | None:
    """Return *wanted* bytes, of which *begun* have come; None when the rest does not."""
    if len(begun) >= wanted:
        return begun[:wanted]
    pieces, have = [begun], len(begun)
    try:
        while have < wanted:
            piece = sock.read_some()
            if not piece:
                return None
            pieces.append(piece)
            have += len(piece)
    except OSError:
        return None
    return b"".join(pieces)[:wanted]


def _in_full(conn: Guarded, data: bytes, method: str, limits: Limits) -> Short:
    """Have http.client and urllib3 read the answer that begins with *data*."""
    begun: Any = _Begun(data, conn.sock)
    read: Any = Whole(begun, method=method)
    read.begin()
    raw = HTTPResponse(
        body=read,
        headers=HTTPHeaderDict([(name, _FOLD.sub(" ", value)) for name, value in read.headers.items()]),
        status=read.status,
        version=read.version,
        reason=read.reason,
        preload_content=False,
        decode_content=False,
        original_response=read,
        request_method=method,
    )
    short = read_through(raw, limits)
    if short.body is not None and read.isclosed() and not read.will_close:
        conn.rest()
    else:  # what is left unread would be taken for the next answer
        conn.close()
    return short


def read_through(raw: Any, limits: Limits) -> Short:
    """Return what *raw*, an answer of urllib3's, says. A body that cannot be unpacked is empty."""
    headers = {name.lower(): raw.headers[name] for name in raw.headers}
    body: bytes | None
    try:
        body = raw.read(limits.of(raw.status), decode_content=True)
    except DecodeError:
        body = b""
    except (HTTPError, OSError, http.client.HTTPException):
        body = None
    return Short(raw.status, headers, body)


class _Begun(io.RawIOBase):
    """A socket of which *data* has been read already; what http.client makes its file of."""

    def __init__(self, data: bytes, sock: Any) -> None:
        self._data = data
        self._sock = sock

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - http.client's signature
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._data:
            return int(self._sock.recv_into(buffer))
        count = min(len(buffer), len(self._data))
        buffer[:count], self._data = self._data[:count], self._data[count:]
        return count
