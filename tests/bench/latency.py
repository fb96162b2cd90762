"""From POST to the first byte at the destination, when nothing else is going on."""

from __future__ import annotations

from pathlib import Path

from tests.bench import setting
from tests.bench.report import Report, spread, tell
from tests.harness.load import Load
from tests.harness.receiver import Receiver
from tests.harness.waiting import pause, until

#: Not a divisor of any round number of milliseconds, so that no polling can fall into step with it.
RATE = 19.3
ROUNDS, SECONDS = 3, 20.0
P50_AIM, P99_AIM = 20.0, 100.0


def measure(folder: Path) -> Report:
    """Rounds on one daemon, which has had a few seconds to come to rest."""
    columns: dict[str, list[float]] = {"p50": [], "p99": [], "max": []}
    samples = 0
    with Receiver() as receiver, setting.daemon(folder, receiver.url) as daemon:
        for number in range(ROUNDS):
            with Load(daemon.url(), connections=8, first_call=number * 10_000) as load:
                load.start("open", rate=RATE, count=20)
                load.wait(30)
                pause(1)
                receiver.forget_latencies()
                load.start("open", rate=RATE, seconds=SECONDS)
                expected = load.wait(SECONDS + 30)["answers"]["200"]
            got = _latency_of(receiver, expected)
            samples += expected
            for name, values in columns.items():
                values.append(got[name] / 1000)
            tell(f"p50 {columns['p50'][-1]:.2f} ms, p99 {columns['p99'][-1]:.2f} ms")
    rows = [
        ("measured", *(spread(columns[name], 1) for name in columns)),
        ("aim", f"under {P50_AIM:.0f}", f"under {P99_AIM:.0f}", ""),
    ]
    how = (
        f"About {RATE:.0f} events/s on an otherwise idle daemon, {samples} samples in {ROUNDS} rounds: from the moment "
        "the sender was due to send until the destination reads the first byte, both on the same clock. It includes up "
        "to 1 ms by which the sender itself is late."
    )
    return Report("Latency when idle", how, ("", "p50 ms", "p99 ms", "max ms"), rows)


def _latency_of(receiver: Receiver, expected: int) -> dict[str, float]:
    """Return the latencies in microseconds once *expected* events have arrived."""

    def complete() -> dict[str, float] | None:
        latency: dict[str, float] = receiver.report()["latency"]
        return latency if latency["count"] >= expected else None

    latency = until(complete, 30, what="every event has arrived", every=0.2)
    assert latency
    return latency
