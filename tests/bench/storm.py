"""All due at once after an outage, to a destination with a rate: what arrives in any second."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

from tests.bench import native, setting
from tests.bench.memory import fill
from tests.bench.report import Report
from tests.harness.counters import Counters
from tests.harness.receiver import Receiver
from tests.harness.waiting import until

WAITING, RATE = 100_000, 2_000
#: Seconds between two looks at what has arrived.
LOOK = 0.01


def measure(folder: Path) -> Report:
    """Start on a store in which everything is due, and look at every second that begins at a look."""
    path, counters = Counters.create(folder)
    with (native.Receiver if native.compiler() else Receiver)(path) as receiver:
        daemon = setting.daemon(folder / "daemon", receiver.url, extra=f", rate: {RATE}/s")
        fill(daemon.data, WAITING)
        #: Moment and what had arrived by then, of the last second.
        seen: deque[tuple[float, int]] = deque()
        most = 0
        with daemon:
            until(lambda: counters.arrived > 0, 60, what="the first has arrived", every=LOOK)
            began = time.monotonic()

            def look() -> bool:
                nonlocal most
                now, arrived = time.monotonic(), counters.arrived
                seen.append((now, arrived))
                while seen[0][0] < now - 1:
                    seen.popleft()
                most = max(most, arrived - seen[0][1])
                return arrived >= WAITING

            until(look, 300, what="everything has arrived", every=LOOK)
            seconds = time.monotonic() - began
            repeats = receiver.report()["repeats"]
    mean = WAITING / seconds
    rows = [
        ("all delivered", f"{seconds:.1f} s", f"{WAITING / RATE:.0f} s at the rate"),
        ("deliveries/s, mean", f"{mean:,.0f}", f"{RATE:,}, the rate of the destination"),
        ("deliveries in the fullest second", f"{most:,}", f"{RATE:,}"),
        ("fullest second / mean", f"{most / mean:.2f}", "2 or less"),
        ("arrived twice", f"{repeats}", "0"),
    ]
    how = (
        f"{WAITING:,} deliveries, in order per call, all due when the daemon starts, to a destination with "
        f"`rate: {RATE}/s`. A second begins at every look, one every {1000 * LOOK:.0f} ms. One run."
    )
    return Report("Storm", how, ("", "measured", "aim"), rows)
