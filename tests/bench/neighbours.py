"""One of twenty destinations hangs: how long news takes to the other nineteen, with and without that."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.bench import native
from tests.bench.report import Report, tell
from tests.harness.counters import Counters
from tests.harness.daemon import LISTEN, Daemon
from tests.harness.load import Load
from tests.harness.receiver import Receiver
from tests.harness.waiting import until

DESTINATIONS, RATE, SECONDS, WARM_UP, ROUNDS = 20, 400, 10, 3, 3
HANGS = 30.0
AIM = 1.5


def measure(folder: Path) -> Report:
    """The same daemon with all twenty well and with one that hangs, in turns."""
    found: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    for number in range(ROUNDS):
        for hangs, runs in found.items():
            runs.append(_run(folder / f"{number}-{hangs}", hangs=hangs))
            tell(f"round {number + 1} of {ROUNDS}, {'one hangs' if hangs else 'all well'}")
    best = {hangs: {name: sorted(run[name] for run in runs) for name in ("p50", "p99", "max")}
            for hangs, runs in found.items()}  # fmt: skip
    middle = ROUNDS // 2
    ratio = best[True]["p99"][middle] / best[False]["p99"][middle]
    rows = [
        (label, *(f"{best[hangs][name][middle] / 1000:.1f}" for name in ("p50", "p99", "max")))
        for label, hangs in (("all well", False), (f"one hangs {HANGS:g} s a request", True))
    ]
    rows += [("ratio of the p99", "", f"{ratio:.2f}", ""), ("aim", "", f"{AIM} or less", "")]
    how = (
        f"{RATE} events/s, each to one of {DESTINATIONS} destinations, in order per call. Times from the moment an "
        "event was due to be sent until one of the nineteen has it, in milliseconds. "
        f"{ROUNDS} rounds of {SECONDS} s, both in turns; medians."
    )
    return Report("Neighbours", how, ("", "p50 ms", "p99 ms", "max ms"), rows)


def _run(folder: Path, *, hangs: bool) -> dict[str, float]:
    folder.mkdir(parents=True)
    path, counters = Counters.create(folder)
    destination, sender = (native.Receiver, native.Load) if native.compiler() else (Receiver, Load)
    others, _ = Counters.create(folder)
    # Nobody accepts: a connection and a request are taken by the system, and no answer ever comes.
    with destination(path) as well, destination(others) as other, socket.create_server(("127.0.0.1", 0)) as silent:
        last = f"http://127.0.0.1:{silent.getsockname()[1]}/" if hangs else other.url
        with Daemon(folder, _config(well.url, last)) as daemon, sender(daemon.url(), counters=path) as load:
            load.start("open", rate=RATE, seconds=WARM_UP)
            load.wait(60)
            well.forget_latencies()
            load.start("open", rate=RATE, seconds=SECONDS)
            load.wait(120)
            seen = 0

            def rests() -> bool:
                nonlocal seen
                before, seen = seen, counters.arrived
                return seen == before

            until(rests, 60, what="nothing more arrives", every=0.5)
            return dict(well.report()["latency"])


def _share(number: int) -> str:
    """Return the regular expression of the uuids that destination *number* is told of: by their last two digits."""
    return f".*({'|'.join(f'{end:02x}' for end in range(number, 256, DESTINATIONS))})"


def _config(well: str, last: str) -> str:
    names = [f"d{number:02}" for number in range(DESTINATIONS)]
    destinations = "".join(
        f'  {name}: {{type: http, url: "{last if name == names[-1] else well}", order: call, timeout: {HANGS:g}s}}\n'
        for name in names
    )
    rules = "".join(
        f'  - {{name: {name}, when: {{uuid: {{regex: "{_share(number)}"}}}}, send: [{name}]}}\n'
        for number, name in enumerate(names)
    )
    return f"""{LISTEN}
sources:
  wavix: {{}}
destinations:
{destinations}
rules:
{rules}
unmatched: drop
alerts: none
"""
