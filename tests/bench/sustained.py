"""End to end at a fixed rate: accepted durably, routed, delivered to HTTP destinations, recorded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
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
STEPS = (2000, 2500, 3000, 3500, 4000, 4500, 5000)
#: Each event goes to so many destinations in the runs after those, which offer these rates.
MANY, MANY_STEPS = 3, (1000, 1500, 2000, 2500)
#: Seconds after a run within which a backlog may still drain before the run counts as unfinished.
_DRAIN = 120.0


class _Together:
    """The counters of all destinations, in whose first the sender counts what was accepted."""

    def __init__(self, pages: Sequence[Counters]) -> None:
        self._pages = pages

    @property
    def arrived(self) -> int:
        """Deliveries that have arrived anywhere."""
        return sum(page.arrived for page in self._pages)

    @property
    def backlog(self) -> int:
        """Deliveries that are owed and have not arrived."""
        return len(self._pages) * self._pages[0].accepted - self.arrived


@dataclass
class Run:
    """One run at one rate. Times in milliseconds, processor time in microseconds for each event."""

    rate: int
    order: str
    seconds: int
    #: Destinations that each event goes to.
    to: int = 1
    #: Deliveries a second.
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
        owed = self.rate * self.to
        return self.arrived_rate >= 0.99 * owed and second - first <= 0.1 * owed and max(self.backlog) <= owed


def measure(folder: Path) -> Report:
    """Short runs, one step higher each, until the backlog grows; then the best rate in order per call for a minute."""
    runs: list[Run] = []
    best = {}
    for order, to, steps in (("call", 1, STEPS), ("none", 1, STEPS), ("call", MANY, MANY_STEPS)):
        best[order, to] = 0
        for rate in steps:
            runs.append(_run(folder / f"{order}-{to}-{rate}", rate, order, STEP_SECONDS, to))
            if not runs[-1].flat:
                break
            best[order, to] = rate
    # A minute of the aim where that was held for the length of a step, or else of ever less until it is held.
    for rate in reversed([step for step in STEPS if step <= max(STEPS[0], min(best["call", 1], AIM))]):
        minute = _run(folder / f"minute-{rate}", rate, "call", SECONDS)
        runs.append(minute)
        if minute.flat:
            break
    rows = [_row(run) for run in runs]
    met = minute.rate >= AIM and minute.flat and minute.end_to_end["p99"] < AIM_P99 * 1000
    notes = [
        f"Aim: {AIM:,} events/s for {SECONDS} s with the backlog flat and an end-to-end p99 under {AIM_P99} ms: "
        f"{'met' if met else 'missed'}.",
        f"Highest flat rate: {_flat_rate(best['call', 1])} in order per call, {_flat_rate(best['none', 1])} without "
        f"order, {_flat_rate(best['call', MANY])} where each event goes to {MANY} destinations.",
        "Processor time for each event (µs): " + "; ".join(_cpu(run) for run in runs) + ".",
        *(f"At {run.rate:,}/s: {fault}" for run in runs for fault in run.faults),
    ]
    how = (
        f"Sender, callrouter and destination ({'both in C' if native.compiler() else 'both in Python'}) share "
        f"{len(os.sched_getaffinity(0))} cores. Open loop over 64 "
        "connections: an event is sent when it is due, however slow the answers; all times count from then. Backlog is "
        "what is owed for what was accepted, less what arrived, looked at once a second. It is flat when the second "
        "half has no more than the first plus a tenth of a second's worth, and no look finds more than a second's "
        "worth. One run each."
    )
    header = ("offered/s", "order", "to", "s", "delivered/s", "backlog 1st/2nd half/max", "flat", "answer p50/p99 ms",
              "end to end p50/p99/max ms")  # fmt: skip
    return Report("Sustained rate, end to end", how, header, rows, notes)


def _flat_rate(rate: int) -> str:
    return f"{rate:,}/s" if rate else "none of those tried"


def _run(folder: Path, rate: int, order: str, seconds: int, to: int = 1) -> Run:
    run = Run(rate, order, seconds, to)
    folder.mkdir(parents=True)
    pages = [Counters.create(folder) for _ in range(to)]
    counters = _Together([page for _, page in pages])
    destination, sender = (native.Receiver, native.Load) if native.compiler() else (Receiver, Load)
    with ExitStack() as stack:
        receivers = [stack.enter_context(destination(path)) for path, _ in pages]
        daemon = stack.enter_context(setting.daemon(folder, *(one.url for one in receivers), order=order))
        load = stack.enter_context(sender(daemon.url(), counters=pages[0][0]))
        load.start("open", rate=rate, seconds=WARM_UP)
        load.wait(60)
        until(lambda: not counters.backlog, _DRAIN, what="the warm-up has arrived")
        for receiver in receivers:
            receiver.forget_latencies()
        pids = setting.named_pids(daemon) | {load.pid: "generator"} | {one.pid: "receiver" for one in receivers}
        before, arrived = setting.cpu_by_role(pids), counters.arrived
        load.start("open", rate=rate, seconds=seconds)
        for second in range(seconds):
            pause(1)
            run.backlog.append(counters.backlog)
            if second % 10 == 9:
                tell(f"{rate}/s ({order}, to {to}): {second + 1} s, backlog {run.backlog[-1]:,}")
        run.arrived_rate = (counters.arrived - arrived) / seconds
        used = {role: seconds - before[role] for role, seconds in setting.cpu_by_role(pids).items()}
        run.cpu = {role: spent * 1e6 * to / max(1, counters.arrived - arrived) for role, spent in used.items()}
        report = load.wait(120)
        run.answer = report["latency"]
        if set(report["answers"]) != {"200"}:
            run.faults.append(f"answers {report['answers']}")
        until(lambda: not counters.backlog, _DRAIN, what="everything accepted has arrived")
        reports = [receiver.report() for receiver in receivers]
        # Of several destinations, the one that heard latest.
        run.end_to_end = {name: max(got["latency"][name] for got in reports) for name in ("p50", "p99", "max")}
        for got in reports:
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
        str(run.to),
        str(run.seconds),
        f"{run.arrived_rate:,.0f}",
        f"{first:,.0f} / {second:,.0f} / {max(run.backlog):,}",
        "yes" if run.flat else "no",
        f"{run.answer['p50'] / 1000:.1f} / {run.answer['p99'] / 1000:.1f}",
        " / ".join(f"{run.end_to_end[name] / 1000:.1f}" for name in ("p50", "p99", "max")),
    )


def _cpu(run: Run) -> str:
    where = f"{run.rate:,}/s {run.order}" + (f" to {run.to}" if run.to > 1 else "")
    return f"{where}: " + ", ".join(f"{role} {spent:.0f}" for role, spent in sorted(run.cpu.items()))
