"""A sender under load, as a process of its own: keep-alive connections, events of many calls at once.

Each connection has its own calls and sends one event at a time, so the events of a call are answered in their order.
Three ways to go: ``closed`` (as fast as answered), ``window`` (no more than WINDOW events sent and not yet arrived) and
``open`` (a fixed rate; times count from when an event was due to be sent, however late it went out).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from array import array
from collections import Counter, deque
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Literal

from tests.harness.control import Helper, answer
from tests.harness.counters import Counters
from tests.harness.events import EVENTS, OpenCall, TimeText
from tests.harness.percentiles import percentiles

Mode = Literal["closed", "window", "open"]
#: Calls that one connection usually has going at the same time.
_CALLS = 16
#: Seconds between two looks at the clock, and before an event that was not accepted is sent again.
_TICK, _AGAIN = 0.001, 0.05


@dataclass
class Plan:
    """What to send. ``insist`` sends an event again, byte for byte, until it is answered with 200, as a sender does."""

    address: tuple[str, int]
    path: str
    connections: int = 64
    headers: dict[str, str] = field(default_factory=dict)
    insist: bool = False
    seed: int = 1
    first_call: int = 0
    length: int = EVENTS
    calls: int = _CALLS

    @property
    def head(self) -> bytes:
        extra = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        return (
            f"POST {self.path} HTTP/1.1\r\nHost: callrouter\r\n{extra}"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()


class Generator:
    """All connections, and when the next event may go."""

    def __init__(self, plan: Plan, counters: Counters | None, ledger: Path | None) -> None:
        self.plan = plan
        self.head = plan.head
        self.clock = TimeText()
        self.shared = counters.values if counters else memoryview(bytearray(24)).cast("q")
        self.ledger: TextIOWrapper | None = ledger.open("a") if ledger else None
        self.free: deque[Connection] = deque()
        self.latencies = array("Q")
        self.answers: Counter[str] = Counter()
        self.busy = 0
        self.running = False
        self._mode: Mode = "closed"
        self._window = 0
        self._interval = 0.0
        self._next_at = 0.0
        self._end_at = 0.0
        self._left = -1
        self._next_call = plan.first_call

    def open_call(self) -> OpenCall:
        self._next_call += 1
        return OpenCall(self._next_call - 1, self.plan.seed, self.clock.now(), self.plan.length)

    def go(self, mode: Mode, rate: float, window: int, seconds: float, count: int) -> None:
        self._mode, self._window = mode, window
        self._interval = 1 / rate if rate else 0.0
        self._next_at = time.monotonic()
        self._end_at = self._next_at + seconds
        self._left = count
        self.latencies = array("Q")
        self.answers.clear()
        self.running = True
        self.tick()

    def tick(self) -> None:
        self.pump()
        if self.running and self._mode != "closed":
            wait = max(0.0, self._next_at - time.monotonic()) if self._mode == "open" else _TICK
            asyncio.get_running_loop().call_later(wait, self.tick)

    def pump(self) -> None:
        while self.free and self.running:
            sent_at = self._may_send()
            if sent_at is None:
                return
            self.free.popleft().send(int(sent_at * 1_000_000))

    def _may_send(self) -> float | None:
        now = time.monotonic()
        if self._mode == "open":
            if self._next_at > now:
                return None
            due, self._next_at = self._next_at, self._next_at + self._interval
            over = due >= self._end_at
        else:
            due, over = now, now >= self._end_at
            if self._mode == "window" and not over and self.shared[0] - self.shared[2] >= self._window:
                return None
        if over or self._left == 0:
            self.running = False
            return None
        self._left -= 1
        self.shared[0] += 1
        return due

    def note(self, what: str, call: OpenCall) -> None:
        """Put a line into the ledger: ``sent`` or the answer, for the event that *call* wrote last."""
        if self.ledger:
            self.ledger.write(f"{what} {call.number} {call.position - 1}\n")

    def report(self) -> dict[str, Any]:
        if self.ledger:
            self.ledger.flush()
        return {
            "running": self.running or self.busy > 0,
            "sent": self.shared[0],
            "accepted": self.shared[1],
            "answers": dict(self.answers),
            "latency": percentiles(self.latencies),
        }


class Connection(asyncio.Protocol):
    """One keep-alive connection with its calls."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._calls = deque(generator.open_call() for _ in range(generator.plan.calls))
        self._call = self._calls[0]
        self._request = b""
        self._sent_us = 0
        self._rest = b""
        self._transport: asyncio.Transport | None = None
        self._wanted = True

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        while self._wanted:
            try:
                await loop.create_connection(lambda: self, *self._generator.plan.address)
            except OSError:
                await asyncio.sleep(_AGAIN)
            else:
                return

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._rest = b""
        if self._request:
            transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._request:
            self._generator.answers["broken"] += 1
            if not self._generator.plan.insist:
                self._done()
        asyncio.get_running_loop().call_later(_AGAIN, self._reconnect)

    def _reconnect(self) -> None:
        self._task = asyncio.ensure_future(self.connect())

    def send(self, sent_us: int) -> None:
        """Send the next event of the next call."""
        generator = self._generator
        calls = self._calls
        call = calls.popleft()
        if call.over:
            call = generator.open_call()
        calls.append(call)
        body = call.write(generator.clock.now(), sent_us)
        self._call, self._sent_us = call, sent_us
        self._request = b"%b%d\r\n\r\n%b" % (generator.head, len(body), body)
        generator.busy += 1
        if generator.ledger:
            generator.note("sent", call)
        if self._transport:
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        end = data.find(b"\r\n\r\n")
        at = data.find(b"ength:", 0, end) if end > 0 else -1
        stop = end + 4 + (int(data[at + 6 : data.find(b"\r\n", at)]) if at > 0 else 0)
        if end < 0 or len(data) < stop:
            self._rest = data
            return
        self._rest = data[stop:]
        self._answered(data[9:12].decode())

    def _answered(self, status: str) -> None:
        generator = self._generator
        if not self._request:
            return
        generator.answers[status] += 1
        if generator.ledger:
            generator.note(status, self._call)
        if status == "200":
            generator.shared[1] += 1
            generator.latencies.append(max(0, time.monotonic_ns() // 1000 - self._sent_us))
        elif generator.plan.insist:
            asyncio.get_running_loop().call_later(_AGAIN, self._again)
            return
        self._done()

    def _again(self) -> None:
        if self._transport and self._request:
            self._transport.write(self._request)

    def _done(self) -> None:
        self._request = b""
        self._generator.busy -= 1
        self._generator.free.append(self)
        self._generator.pump()

    def close(self) -> None:
        """Send nothing more."""
        self._wanted = False
        if self._transport:
            self._transport.abort()


class Load:
    """The generator's process, seen from a test."""

    def __init__(
        self,
        url: str,
        *,
        connections: int = 64,
        counters: Path | None = None,
        ledger: Path | None = None,
        insist: bool = False,
        seed: int = 1,
        first_call: int = 0,
        length: int = EVENTS,
        calls: int = _CALLS,
    ) -> None:
        arguments = ["--url", url, "--connections", str(connections), "--seed", str(seed)]
        arguments += ["--first-call", str(first_call), "--length", str(length), "--calls", str(calls)]
        arguments += ["--counters", str(counters)] if counters else []
        arguments += ["--ledger", str(ledger)] if ledger else []
        self._helper = Helper(__name__, *arguments, *(["--insist"] if insist else []))
        self._helper.ask("connect", 20)
        self.pid = self._helper.pid

    def start(self, mode: Mode, *, rate: float = 0, window: int = 0, seconds: float = 1e9, count: int = -1) -> None:
        """Begin to send, for *seconds* or *count* events, whichever ends first."""
        self._helper.ask("start", mode=mode, rate=rate, window=window, seconds=seconds, count=count)

    def stop(self, deadline: float = 30.0) -> dict[str, Any]:
        """Begin no further event, wait until the last one sent is answered, and return the report."""
        return dict(self._helper.ask("stop", deadline))

    def wait(self, deadline: float) -> dict[str, Any]:
        """Wait until everything that was asked for is sent and answered, and return the report."""
        return dict(self._helper.ask("wait", deadline))

    def report(self) -> dict[str, Any]:
        """Return counts, answers by status, and latency percentiles in microseconds."""
        return dict(self._helper.ask("report"))

    def retarget(self, url: str) -> None:
        """Connect to another address from now on (the daemon was started again)."""
        self._helper.ask("retarget", url=url)

    def close(self) -> None:
        """End the process."""
        self._helper.close()

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _split(url: str) -> tuple[tuple[str, int], str]:
    address, _, path = url.removeprefix("http://").partition("/")
    host, _, port = address.partition(":")
    return (host, int(port)), "/" + path


async def _main(arguments: argparse.Namespace) -> None:
    address, path = _split(arguments.url)
    plan = Plan(
        address, path, connections=arguments.connections, insist=arguments.insist, seed=arguments.seed,
        first_call=arguments.first_call, length=arguments.length, calls=arguments.calls,
    )  # fmt: skip
    counters = Counters(arguments.counters) if arguments.counters else None
    generator = Generator(plan, counters, arguments.ledger)

    async def connect() -> None:
        connections = [Connection(generator) for _ in range(plan.connections)]
        await asyncio.gather(*(connection.connect() for connection in connections))
        generator.free.extend(connections)

    async def start(mode: Mode, rate: float, window: int, seconds: float, count: int) -> None:
        generator.go(mode, rate, window, seconds, count)

    async def wait() -> dict[str, Any]:
        while generator.running or generator.busy:
            await asyncio.sleep(0.01)
        return generator.report()

    async def stop() -> dict[str, Any]:
        generator.running = False
        return await wait()

    async def report() -> dict[str, Any]:
        return generator.report()

    async def retarget(url: str) -> None:
        plan.address, _ = _split(url)

    commands = {f.__name__: f for f in (connect, start, wait, stop, report, retarget)}
    await answer(arguments.control, commands)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first-call", type=int, default=0)
    parser.add_argument("--length", type=int, default=EVENTS)
    parser.add_argument("--calls", type=int, default=_CALLS)
    parser.add_argument("--counters", type=Path)
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--insist", action="store_true")
    gc.disable()
    asyncio.run(_main(parser.parse_args()))
