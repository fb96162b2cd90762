"""A destination for load, as a process of its own: cheap for each request, and exact about what arrived.

For a share of the requests it can answer with any status, late, with Retry-After, never, or by breaking the connection.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import socket
import struct
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.harness.control import Helper, answer
from tests.harness.counters import Counters
from tests.harness.events import MOST_EVENTS, Mark, read_mark
from tests.harness.percentiles import percentiles

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

#: What becomes of a request: an answer, no answer at all, or a broken connection (before or after it was kept).
Fate = Literal["answer", "hang", "reset", "lost"]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a share of the requests fares; the rest is answered with 200 at once.

    ``delay`` is seconds before the answer. ``lost`` keeps the request and breaks the connection instead of answering.
    """

    share: float = 1.0
    status: int = 200
    delay: float = 0.0
    retry_after: int | None = None
    fate: Fate = "answer"
    seed: int = 1

    @property
    def answer(self) -> bytes:
        """The answer as it goes over the wire."""
        extra = f"Retry-After: {self.retry_after}\r\n" if self.retry_after is not None else ""
        return f"HTTP/1.1 {self.status} As told\r\n{extra}Content-Length: 0\r\n\r\n".encode()

    @property
    def keeps(self) -> bool:
        """Whether the destination counts such a request as accepted."""
        return self.fate == "lost" or (self.fate == "answer" and 200 <= self.status < 300)


_FINE = Behaviour(share=0.0)


class Arrivals:
    """What has arrived so far."""

    def __init__(self, counters: Counters | None) -> None:
        self._shared = counters.values if counters else memoryview(bytearray(24)).cast("q")
        self._seen = bytearray(1 << 16)
        self._last = array("H", bytes(1 << 14))
        self.requests = 0
        self.refused = 0
        self.repeats = 0
        self.unordered = 0
        self.foreign = 0
        self.latencies = array("Q")
        #: (call, position, key, accepted) of every request; None: only counted.
        self.log: list[tuple[int, int, str, bool]] | None = None
        #: When each request of the log arrived, in microseconds on the monotonic clock.
        self.times = array("Q")

    def add(self, mark: Mark, first_byte_us: int, key: Callable[[], str], *, accepted: bool) -> None:
        self.requests += 1
        if self.log is not None:
            self.log.append((mark.call, mark.position, key(), accepted))
            self.times.append(first_byte_us)
        if not accepted:
            self.refused += 1
            return
        event, call = mark.event, mark.call
        if call >= len(self._last):
            self._last.extend(array("H", bytes(2 * (call + 1))))
            self._seen.extend(bytes((call + 1) * MOST_EVENTS))
        elif event >= len(self._seen):
            self._seen.extend(bytes(len(self._seen)))
        if self._seen[event]:
            self.repeats += 1
            return
        self._seen[event] = 1
        # Positions count from 1 here, so that 0 means none yet.
        if mark.position + 1 < self._last[call]:
            self.unordered += 1
        else:
            self._last[call] = mark.position + 1
        self._shared[2] += 1
        self.latencies.append(max(0, first_byte_us - mark.sent_us))

    def report(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "different": self._shared[2],
            "refused": self.refused,
            "repeats": self.repeats,
            "unordered": self.unordered,
            "foreign": self.foreign,
            "latency": percentiles(self.latencies),
        }


class _Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._rest = b""
        self._first_byte_us = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        else:
            self._first_byte_us = time.monotonic_ns() // 1000
        while data:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                break
            head = data[:end].lower()
            at = head.find(b"\r\ncontent-length:")
            length = int(head[at + 17 :].partition(b"\r\n")[0]) if at >= 0 else 0
            stop = end + 4 + length
            if len(data) < stop:
                break
            self._server.take(self, data[:end], data[end + 4 : stop], self._first_byte_us)
            data = data[stop:]
        self._rest = data

    def reset(self) -> None:
        """Break the connection with an RST, as a crashing peer's system does."""
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class Server:
    """The listening side, with what it shall answer."""

    def __init__(self, counters: Counters | None) -> None:
        self.arrivals = Arrivals(counters)
        self.connections: set[_Connection] = set()
        self._behaviour = _FINE
        self._answer = _OK
        self._dice = random.Random(0)

    def behave(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._answer = behaviour.answer
        self._dice = random.Random(behaviour.seed)

    def take(self, connection: _Connection, head: bytes, body: bytes, first_byte_us: int) -> None:
        behaviour = self._behaviour
        told = behaviour.share > 0 and (behaviour.share >= 1 or self._dice.random() < behaviour.share)
        mark = read_mark(body)
        if mark is None:
            self.arrivals.foreign += 1
        else:
            accepted = behaviour.keeps if told else True
            self.arrivals.add(mark, first_byte_us, lambda: header(head, b"webhook-id"), accepted=accepted)
        if not told:
            connection.transport.write(_OK)
        elif behaviour.fate in ("reset", "lost"):
            connection.reset()
        elif behaviour.fate == "answer":
            if behaviour.delay:
                asyncio.get_running_loop().call_later(behaviour.delay, connection.transport.write, self._answer)
            else:
                connection.transport.write(self._answer)

    def break_connections(self) -> None:
        """End all connections, as a destination that restarts does."""
        for connection in list(self.connections):
            connection.reset()


def header(head: bytes, name: bytes) -> str:
    """Return the value of header *name* (lower case) in a request's *head*, or nothing."""
    for line in head.split(b"\r\n"):
        field, _, value = line.partition(b":")
        if field.lower() == name:
            return value.strip().decode("latin-1")
    return ""


class Receiver:
    """The receiver's process, seen from a test. ``url`` is where it takes requests."""

    def __init__(self, counters: Path | None = None, *, log: bool = False) -> None:
        arguments = ["--counters", str(counters)] if counters else []
        self._helper = Helper(__name__, *arguments, *(["--log"] if log else []))
        self.url: str = self._helper.ask("url")
        self.pid = self._helper.pid

    def behave(self, **behaviour: Any) -> None:
        """Treat requests by this ``Behaviour`` from now on; no arguments: as it says by default."""
        self._helper.ask("behave", **behaviour)

    def recover(self) -> None:
        """Answer everything with 200 from now on, and drop the connections that were left hanging."""
        self._helper.ask("recover")

    def report(self) -> dict[str, Any]:
        """Return counts, and latency percentiles in microseconds."""
        return dict(self._helper.ask("report", deadline=30))

    def forget_latencies(self) -> None:
        """Begin the latencies anew (a warm-up is over)."""
        self._helper.ask("forget_latencies")

    def log(self) -> list[tuple[int, int, str, bool]]:
        """Return (call, position, webhook-id, accepted) of every request so far, in order of arrival."""
        return [(call, position, key, accepted) for call, position, key, accepted in self._helper.ask("log", 60)]

    def times(self) -> list[float]:
        """Return when each request of the log arrived, in seconds on the monotonic clock."""
        return [microseconds / 1e6 for microseconds in self._helper.ask("times", 60)]

    def close(self) -> None:
        """End the process."""
        self._helper.close()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def _main(arguments: argparse.Namespace) -> None:
    server = Server(Counters(arguments.counters) if arguments.counters else None)
    if arguments.log:
        server.arrivals.log = []
    listener = await asyncio.get_running_loop().create_server(lambda: _Connection(server), "127.0.0.1", 0, backlog=512)
    port = listener.sockets[0].getsockname()[1]

    async def url() -> str:
        return f"http://127.0.0.1:{port}/"

    async def behave(**behaviour: Any) -> None:
        server.behave(Behaviour(**behaviour))

    async def recover() -> None:
        server.behave(_FINE)
        server.break_connections()

    async def report() -> dict[str, Any]:
        return server.arrivals.report()

    async def forget_latencies() -> None:
        del server.arrivals.latencies[:]

    async def log() -> list[tuple[int, int, str, bool]]:
        return server.arrivals.log or []

    async def times() -> list[int]:
        return server.arrivals.times.tolist()

    commands = {f.__name__: f for f in (url, behave, recover, report, forget_latencies, log, times)}
    await answer(arguments.control, commands)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--counters", type=Path)
    parser.add_argument("--log", action="store_true")
    # Collections would show up as latency; nothing here makes cycles.
    gc.disable()
    asyncio.run(_main(parser.parse_args()))
