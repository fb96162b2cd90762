"""One, two and four nodes on one PostgreSQL, all on one machine: what they accept, and what they deliver."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from tests.bench import database, native, turns
from tests.bench.report import Report, spread, tell
from tests.harness.counters import Counters
from tests.harness.daemon import Daemon
from tests.harness.load import Load
from tests.harness.postgres import Server
from tests.harness.receiver import Receiver
from tests.harness.waiting import until

NODES = (1, 2, 4)
ROUNDS, SECONDS, WARM_UP, CONNECTIONS = 3, 5.0, 1.5, 64
#: Events of one run of the whole way, and turns of one run at the store.
EVENTS, TURNS = 12_000, 120
_APART = 100_000


def measure(folder: Path) -> Report:
    """All sizes in turns, in one run."""
    found: dict[str, dict[int, list[float]]] = {what: {n: [] for n in NODES} for what in _WHAT}
    with database.durable() as server:
        about = database.described(server)
        for number in range(ROUNDS):
            for nodes in NODES:
                room = folder / f"{number}-{nodes}"
                found["in"][nodes].append(_ingest(server, room / "in", nodes))
                found["through"][nodes].append(_through(server, room / "through", nodes))
                found["store"][nodes].append(_store(server, nodes))
                tell(f"{nodes} nodes: " + ", ".join(f"{what} {found[what][nodes][-1]:,.0f}/s" for what in _WHAT))
    rows = []
    for what, label in _WHAT.items():
        one = found[what][1]
        for nodes, rates in found[what].items():
            ratio = median(many / single for many, single in zip(rates, one, strict=True))
            rows.append((label, str(nodes), spread(rates), f"{ratio:.2f}"))
    how = (
        f"{about}; nodes, database, senders and destination share {len(os.sched_getaffinity(0))} cores. Events of "
        f"about 540 bytes over {CONNECTIONS} keep-alive connections in closed loops, divided over the nodes as a load "
        f"balancer does. Accepted: `callrouter serve` alone, {SECONDS:.0f} s. Delivered: `callrouter run`, "
        f"{EVENTS:,} events to one HTTP destination in order per call, from the first sent to the last arrived. Store: "
        f"processes with a session each that take in {turns.AT_ONCE} events a turn, claim and record, "
        f"{TURNS * turns.AT_ONCE:,} deliveries in all, without HTTP. {ROUNDS} rounds, all in turns. Median "
        "(least–greatest); the ratio is to one node, round by round."
    )
    return Report("Nodes", how, ("", "nodes", "a second", "of one node"), rows)


_WHAT = {"in": "events accepted", "through": "deliveries, the whole way", "store": "deliveries, at the store"}


def _ingest(server: Server, room: Path, nodes: int) -> float:
    with _nodes(server, room, nodes, "serve", "http://127.0.0.1:9/") as running, ExitStack() as stack:
        loads = [stack.enter_context(_load(daemon, number, nodes)) for number, daemon in enumerate(running)]
        for seconds in (WARM_UP, SECONDS):
            for load in loads:
                load.start("closed", seconds=seconds)
            reports = [load.wait(60) for load in loads]
        assert all(set(report["answers"]) == {"200"} for report in reports), reports
        return float(sum(report["answers"]["200"] for report in reports)) / SECONDS


def _through(server: Server, room: Path, nodes: int) -> float:
    room.mkdir(parents=True)
    path, arrived = Counters.create(room)
    with ExitStack() as stack:
        receiver: native.Receiver | Receiver = native.Receiver(path) if native.compiler() else Receiver(path)
        stack.enter_context(receiver)
        running = stack.enter_context(_nodes(server, room, nodes, "run", receiver.url))
        loads = [stack.enter_context(_load(daemon, number, nodes)) for number, daemon in enumerate(running)]
        began = time.monotonic()
        for load in loads:
            load.start("closed", count=EVENTS // nodes)
        until(lambda: arrived.arrived >= EVENTS, 180, what="all have arrived", every=0.005)
        took = time.monotonic() - began
        report = receiver.report()
        assert not report["unordered"], report
        return EVENTS / took


def _store(server: Server, nodes: int) -> float:
    url = server.create_database()
    database.opened(url).close()
    rate, _ = turns.together(url, nodes, TURNS)
    server.drop_database(url)
    return rate


def _load(daemon: Daemon, number: int, nodes: int) -> Load:
    return Load(daemon.url(), connections=CONNECTIONS // nodes, first_call=number * _APART)


@contextmanager
def _nodes(server: Server, room: Path, nodes: int, role: str, destination: str) -> Iterator[list[Daemon]]:
    url = server.create_database()
    database.opened(url).close()
    running: list[Daemon] = []
    try:
        for number in range(nodes):
            folder = room / f"n{number + 1}"
            folder.mkdir(parents=True)
            config = _CONFIG.format(url=url, node=folder.name, destination=destination)
            running.append(Daemon(folder, config, role=role))
            running[-1].start(deadline=60)
        yield running
    finally:
        for daemon in running:
            daemon.end()
        server.drop_database(url)


_CONFIG = """
listen: 127.0.0.1:0
admin: {{listen: 127.0.0.1:0}}
store: {url}
node: {node}
sources: {{wavix: {{}}}}
destinations:
  out: {{type: http, url: "{destination}", order: call}}
rules:
  - name: all-inbound
    when: {{direction: inbound, event_type: [call_setup, ringing, answered, on_call_event, completed]}}
    send: [out]
unmatched: drop
alerts: none
"""
