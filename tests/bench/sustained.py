"""End to end at a fixed rate: accepted durably, routed, delivered to one HTTP destination, recorded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

from tests.bench import native, setting
from tests.bench.report import Report, tell
from tests.harness import processes
from tests.harness.counters import Counters
from tests.harness.load import Load
from tests.harness.receiver import Receiver
from tests.harness.waiting import pause, until

#: Events a second, and the end-to-end p99 in milliseconds, that are aimed at.
AIM, AIM_P99 = 4000, 100
SECONDS, STEP_SECONDS, WARM_UP = 60, 15, 3
STEPS = (2000, 2500, 3000, 4000, 5000, 6000, 7000)
#: Seconds after a run within which a backlog may still drain before the run counts as unfinished.
_DRAIN = 120.0


@dataclass
class Run:
    """One run at one rate. Times in milliseconds, processor time in microseconds for each event."""

    rate: int
    order: str
    seconds: int
    arrived_rate: float = 0.0
    backlog: list[int] = field(default_factory=list)
    answer: dict[str, float] = field(default_factory=dict)
    end_to_end: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def halves(self) -> tuple[float, float]:
        """Mean backlog in the first and in the second half."""
        half = len(self.backlog) // 2
        return mean(self.backlog[:half]), mean(self.backlog[half:])

    @property
    def flat(self) -> bool:
        """Whether the backlog stayed below a second's worth and did not grow by more than a tenth of one."""
        first, second = self.halves
        kept_up = self.arrived_rate >= 0.99 * self.rate
        return kept_up and second - first <= 0.1 * self.rate and max(self.backlog) <= self.rate


def measure(folder: Path) -> Report:
    """Short runs, one step higher each, until the backlog grows; then the best rate in order per call for a minute."""
    runs: list[Run] = []
    best = {}
    for order in ("call", "none"):
        best[order] = 0
        for rate in STEPS:
            runs.append(_run(folder / f"{order}-{rate}", rate, order, STEP_SECONDS))
            if not runs[-1].flat:
                break
            best[order] = rate
    runs.append(_run(folder / "minute", best["call"] or STEPS[0], "call", SECONDS))
    rows = [_row(run) for run in runs]
    minute = runs[-1]
    met = minute.rate >= AIM and minute.flat and minute.end_to_end["p99"] < AIM_P99 * 1000
    notes = [
        f"Aim: {AIM:,} events/s for {SECONDS} s with the backlog flat and an end-to-end p99 under {AIM_P99} ms: "
        f"{'met' if met else 'missed'}.",
        f"Highest flat rate: {_flat_rate(best['call'])} in order per call, {_flat_rate(best['none'])} without order.",
        "Processor time for each event (µs): " + "; ".join(_cpu(run) for run in runs) + ".",
        *(f"At {run.rate:,}/s: {fault}" for run in runs for fault in run.faults),
    ]
    how = (
        f"Sender, callrouter and destination ({'both in C' if native.compiler() else 'both in Python'}) share "
        f"{len(os.sched_getaffinity(0))} cores. Open loop over 64 "
        "connections: an event is sent when it is due, however slow the answers; all times count from then. Backlog is "
        "accepted minus arrived, looked at once a second. It is flat when the second half has no more than the first "
        "plus a tenth of a second's worth, and no look finds more than a second's worth. One run each."
    )
    header = ("offered/s", "order", "s", "delivered/s", "backlog 1st/2nd half/max", "flat", "answer p50/p99 ms",
              "end to end p50/p99/max ms")  # fmt: skip
    return Report("Sustained rate, end to end", how, header, rows, notes)


def _flat_rate(rate: int) -> str:
    return f"{rate:,}/s" if rate else "none of those tried"


def _run(folder: Path, rate: int, order: str, seconds: int) -> Run:
    run = Run(rate, order, seconds)
    folder.mkdir(parents=True)
    path, counters = Counters.create(folder)
    destination, sender = (native.Receiver, native.Load) if native.compiler() else (Receiver, Load)
    with (
        destination(path) as receiver,
        setting.daemon(folder, receiver.url, order=order) as daemon,
        sender(daemon.url(), counters=path) as load,
    ):
        load.start("open", rate=rate, seconds=WARM_UP)
        load.wait(60)
        until(lambda: counters.arrived == counters.accepted, _DRAIN, what="the warm-up has arrived")
        receiver.forget_latencies()
        pids = setting.named_pids(daemon) | {load.pid: "generator", receiver.pid: "receiver"}
        before, arrived = setting.cpu_by_role(pids), counters.arrived
        load.start("open", rate=rate, seconds=seconds)
        for second in range(seconds):
            pause(1)
            run.backlog.append(counters.accepted - counters.arrived)
            if second % 10 == 9:
                tell(f"{rate}/s ({order}): {second + 1} s, backlog {run.backlog[-1]:,}")
        run.arrived_rate = (counters.arrived - arrived) / seconds
        used = {role: seconds - before[role] for role, seconds in setting.cpu_by_role(pids).items()}
        run.cpu = {role: spent * 1e6 / max(1, counters.arrived - arrived) for role, spent in used.items()}
        report = load.wait(120)
        run.answer = report["latency"]
        if set(report["answers"]) != {"200"}:
            run.faults.append(f"answers {report['answers']}")
        until(lambda: counters.arrived == counters.accepted, _DRAIN, what="everything accepted has arrived")
        got = receiver.report()
        run.end_to_end = got["latency"]
        if got["repeats"] or (got["unordered"] and order == "call"):
            run.faults.append(f"{got['repeats']} repeats, {got['unordered']} out of order")
        gone = [name for pid, name in pids.items() if not processes.alive(pid)]
        if gone:
            run.faults.append(f"{', '.join(gone)} ended during the run")
    return run


def _row(run: Run) -> Sequence[str]:
    first, second = run.halves
    return (
        f"{run.rate:,}",
        run.order,
        str(run.seconds),
        f"{run.arrived_rate:,.0f}",
        f"{first:,.0f} / {second:,.0f} / {max(run.backlog):,}",
        "yes" if run.flat else "no",
        f"{run.answer['p50'] / 1000:.1f} / {run.answer['p99'] / 1000:.1f}",
        " / ".join(f"{run.end_to_end[name] / 1000:.1f}" for name in ("p50", "p99", "max")),
    )


def _cpu(run: Run) -> str:
    return f"{run.rate:,}/s {run.order}: " + ", ".join(f"{role} {spent:.0f}" for role, spent in sorted(run.cpu.items()))
