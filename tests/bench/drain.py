"""A backlog that drains: deliveries that waited while the daemon was down, to a destination that is quick."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench import native, setting
from tests.bench.memory import fill
from tests.bench.report import Report
from tests.harness.counters import Counters
from tests.harness.receiver import Receiver
from tests.harness.waiting import until

WAITING = 100_000
START_AIM = 2.0


def measure(folder: Path) -> Report:
    """Start on a store in which everything is due, and count what arrives."""
    path, counters = Counters.create(folder)
    with (native.Receiver if native.compiler() else Receiver)(path) as receiver:
        daemon = setting.daemon(folder / "daemon", receiver.url)
        fill(daemon.data, WAITING)
        begin = time.monotonic()
        with daemon:
            ready = time.monotonic() - begin
            until(lambda: counters.arrived > 0, 60, what="the first has arrived", every=0.01)
            first = time.monotonic()
            until(lambda: counters.arrived >= WAITING, 300, what="everything has arrived", every=0.05)
            seconds = time.monotonic() - first
            repeats = receiver.report()["repeats"]
    rows = [
        ("ready after", f"{ready:.2f} s", f"under {START_AIM:g} s"),
        ("all delivered after the first", f"{seconds:.1f} s", ""),
        ("deliveries/s", f"{WAITING / seconds:,.0f}", "the sustained rate"),
        ("arrived twice", f"{repeats}", "0"),
    ]
    how = (
        f"{WAITING:,} deliveries of calls of five events, in order per call, all due when the daemon starts. "
        "Destination and daemon share the machine; nothing else comes in. One run."
    )
    return Report("Drain", how, ("", "measured", "aim"), rows)
