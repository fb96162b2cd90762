"""What each microsecond goes to: the worker step by step, and one exchange over HTTP made in ever more ways."""

from __future__ import annotations

import asyncio
import functools
import gc
import http.client
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from router.calls import Call
from router.config import load
from router.deciding import Decider
from router.inbox import NewEntry
from router.inbox.reader import InboxReader
from router.inbox.writer import InboxWriter
from router.sender import Job, Outcome
from router.sender.attempt import Attempts
from router.sender.frames import Decoder, encode
from router.store.sqlite.store import SqliteStore
from router.worker import loop, report, routing
from router.worker.loop import Worker
from router.worker.senders import Senders
from tests.bench import native
from tests.bench.report import Report, tell
from tests.harness.counters import Counters
from tests.harness.events import OpenCall, TimeText
from tests.harness.receiver import Receiver
from tests.worker.bench import Bench

EVENTS, AT_ONCE = 20_000, 1_000
ROUNDS, EXCHANGES = 5, 2_000

CONFIG = """
sources: {wavix: {}}
destinations:
  out: {type: http, url: "http://127.0.0.1:9/", order: call}
rules:
  - name: all-inbound
    when: {direction: inbound, event_type: [call_setup, ringing, answered, on_call_event, completed]}
    send: [out]
unmatched: drop
alerts: none
"""

#: What is timed in the worker, and what to call it. Each counts without what is called inside it.
STEPS: list[tuple[Any, str, str]] = [
    (Worker, "gather", "outcomes in"),
    (Worker, "turn", "begin and commit"),
    (Worker, "_take", "everything else"),
    (Worker, "_after", "everything else"),
    (InboxReader, "read", "read the inbox"),
    (routing, "read", "read the event from its JSON"),
    (Decider, "decide", "move the call on, facts, rules"),
    (Decider, "decide_end", "move the call on, facts, rules"),
    (routing.Routing, "_route", "route: from call to rows"),
    (routing.Routing, "_tell", "route: from call to rows"),
    (SqliteStore, "call", "store: look for the call"),
    (SqliteStore, "add_event", "store: event and delivery"),
    (SqliteStore, "keep_call", "store: the call"),
    (SqliteStore, "calls_to_end", "store: calls that end"),
    (SqliteStore, "claim", "store: claim"),
    (SqliteStore, "record", "store: outcome, attempt, next of the call"),
    (loop, "judge", "judge the outcome"),
    (Senders, "hand_over", "jobs out"),
    (report, "routed", "log and metrics"),
    (report, "attempted", "log and metrics"),
]


class Stopwatch:
    """Processor time of this thread by step. Of steps inside each other each has its own part alone."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = {}
        self._inside: list[int] = []

    def timed(self, step: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return *work*, its time counted as that of *step*."""

        @functools.wraps(work)
        def run(*args: Any, **kwargs: Any) -> Any:
            self._inside.append(0)
            begin = time.thread_time_ns()
            try:
                return work(*args, **kwargs)
            finally:
                took = time.thread_time_ns() - begin
                self.spent[step] = self.spent.get(step, 0) + took - self._inside.pop()
                if self._inside:
                    self._inside[-1] += took

        return run


@contextmanager
def _timed() -> Iterator[Stopwatch]:
    watch, before = Stopwatch(), [(owner, name, getattr(owner, name)) for owner, name, _ in STEPS]
    for owner, name, step in STEPS:
        setattr(owner, name, watch.timed(step, getattr(owner, name)))
    try:
        yield watch
    finally:
        for owner, name, work in before:
            setattr(owner, name, work)


def measure(folder: Path) -> Report:
    """Measure the worker with a sender that does nothing, and exchanges with a destination that does nothing."""
    whole, _ = _worker(folder / "whole")
    tell(f"worker: {whole:.0f} µs an event")
    timed, steps = _worker(folder / "steps", timed=True)
    rows = [("worker", "all, not timed step by step", f"{whole:.1f}", "")]
    for step, spent in sorted(steps.items(), key=lambda one: -one[1]):
        rows.append(("worker", step, f"{spent:.1f}", f"{100 * spent / timed:.0f} %"))
    exchanges = _exchanges(folder)
    ours = exchanges["attempt of callrouter"]
    for name, spent in exchanges.items():
        rows.append(("sender", name, f"{spent:.1f}", f"{100 * spent / ours:.0f} %"))
    post, under = exchanges["requests.Session.post"], exchanges["urllib3"]
    notes = [
        f"The worker timed step by step takes {timed:.0f} µs an event: looking at the clock costs the rest. A fifth as "
        "many events again come from the worker itself (`call_ended`) and count in the time of those that came in.",
        f"Of an exchange over `requests.Session.post`, requests' own part is what lies above urllib3: "
        f"{post - under:.0f} of {post:.0f} µs. An attempt over an open connection uses neither; "
        "the first over a connection, and one through a proxy, use both.",
    ]
    how = (
        f"Processor time in microseconds. Worker: {EVENTS:,} events that wait in the inbox, one destination, in order "
        "per call, with a sender that says at once that it has sent. The store is a file in memory's own file system "
        "where there is one, so that no disk counts. Sender: one thread, one open connection, a destination that "
        f"answers at once; {ROUNDS} rounds of {EXCHANGES:,} exchanges, all ways in turns; medians. Percentages are of "
        "the worker's steps, and of an attempt."
    )
    return Report("What each microsecond goes to", how, ("process", "step", "µs", "part"), rows, notes)


def _worker(folder: Path, *, timed: bool = False) -> tuple[float, dict[str, float]]:
    """Return the microseconds of one event, and those of each step."""
    memory = Path("/dev/shm")
    folder.mkdir(parents=True)
    room = memory / f"callrouter-steps-{os.getpid()}-{timed}" if memory.is_dir() else folder
    room.mkdir(exist_ok=True)
    bench = Bench(room, CONFIG)
    asyncio.run(_fill(bench))
    child = send_at_once(bench.sender)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    try:
        with _timed() if timed else nullcontext(Stopwatch()) as watch:
            worker = bench.worker
            begin = time.process_time()
            while True:
                worker.gather(0.002)
                if not worker.turn() and not worker.senders.total:
                    break
            spent = time.process_time() - begin
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        bench.close()
        gc.unfreeze()
        if room != folder:
            for path in sorted(room.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            room.rmdir()
    return 1e6 * spent / EVENTS, {step: ns / 1000 / EVENTS for step, ns in watch.spent.items()}


async def _fill(bench: Bench) -> None:
    """Put the events of calls, a thousand of which go on at once, into the inbox."""
    clock, bodies = TimeText(), []
    for first in range(0, EVENTS // 5, AT_ONCE):
        calls = [OpenCall(number, 1, clock.now()) for number in range(first, first + AT_ONCE)]
        for _ in range(5):
            bodies += [call.write(clock.now(), 0) for call in calls]
    inbox = InboxWriter(bench.data / "inbox", pace=0.0, most_entries=EVENTS, patience=60)
    now = time.time()
    for start in range(0, len(bodies), 500):
        entries = [NewEntry("wavix", body, now, "127.0.0.1") for body in bodies[start : start + 500]]
        await asyncio.gather(*map(inbox.append, entries))
    inbox.close()


def send_at_once(sock: socket.socket) -> int:
    """Return the process that says over *sock* of each job at once that it has been sent."""
    child = os.fork()
    if child:
        return child
    jobs = Decoder(Job)
    sock.settimeout(None)
    while piece := sock.recv(1 << 20):
        now = time.time()
        outcomes = [
            Outcome(job.delivery_id, job.attempt, "delivered", None, 200, started_at=now, ended_at=now)
            for job in jobs.feed(piece)
        ]
        for start in range(0, len(outcomes), 64):
            sock.sendall(encode(outcomes[start : start + 64]))
    os._exit(0)


def _exchanges(folder: Path) -> dict[str, float]:
    """Return the microseconds of one exchange, in each way to make it."""
    path, _ = Counters.create(folder)
    with (native.Receiver if native.compiler() else Receiver)(path) as receiver:
        clock = TimeText()
        body = OpenCall(1, 1, clock.now()).write(clock.now(), 0)
        ways = {
            "a socket, nothing else": _bare(receiver.url, body),
            "attempt of callrouter": _attempt(folder, receiver.url, body),
            "http.client": _http_client(receiver.url, body),
            "urllib3": _urllib3(receiver.url, body),
            "requests.HTTPAdapter.send": _adapter(receiver.url, body),
            "requests.Session.post": _session(receiver.url, body),
        }
        spent: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(ROUNDS):
            for name, exchange in ways.items():
                exchange()
                begin = time.thread_time()
                for _ in range(EXCHANGES):
                    exchange()
                spent[name].append(1e6 * (time.thread_time() - begin) / EXCHANGES)
            tell(f"exchanges: round {number + 1} of {ROUNDS}")
    return {name: median(values) for name, values in spent.items()}


_HEADERS = {"Content-Type": "application/json"}


def _bare(url: str, body: bytes) -> Callable[[], object]:
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    sock = socket.create_connection((host, int(port)))
    lines = (f"Host: {host}:{port}", "Content-Type: application/json", f"Content-Length: {len(body)}")
    request = "\r\n".join(("POST / HTTP/1.1", *lines, "", "")).encode() + body

    def exchange() -> None:
        sock.sendall(request)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")

    return exchange


def _attempt(folder: Path, url: str, body: bytes) -> Callable[[], object]:
    (folder / "config.yaml").write_text(CONFIG.replace("http://127.0.0.1:9/", url))
    attempts = Attempts(load(folder / "config.yaml").destinations["out"])
    job = Job(1, 1, "out", "all", "k" * 48, "wavix", time.time(), body, "{}", Call("wavix", "x").values(), None)

    def exchange() -> None:
        assert attempts.make(job).kind == "delivered"

    return exchange


def _http_client(url: str, body: bytes) -> Callable[[], object]:
    connection = http.client.HTTPConnection(url.removeprefix("http://").rstrip("/"))

    def exchange() -> None:
        connection.request("POST", "/", body, _HEADERS)
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()

    return exchange


def _urllib3(url: str, body: bytes) -> Callable[[], object]:
    pool = urllib3.connection_from_url(url)

    def exchange() -> None:
        assert pool.urlopen("POST", "/", body, _HEADERS).status == 200

    return exchange


def _adapter(url: str, body: bytes) -> Callable[[], object]:
    adapter = HTTPAdapter()
    request = requests.Request("POST", url, headers=_HEADERS, data=body).prepare()

    def exchange() -> None:
        assert adapter.send(request).ok

    return exchange


def _session(url: str, body: bytes) -> Callable[[], object]:
    session = requests.Session()
    session.trust_env = False

    def exchange() -> None:
        assert session.post(url, data=body, headers=_HEADERS).ok

    return exchange
