"""Accepting durably, beside a bare app that keeps nothing."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from tests.bench import setting
from tests.bench.bare import BareServer
from tests.bench.report import Report, spread, tell
from tests.harness import processes
from tests.harness.load import Load

CONNECTIONS, ROUNDS, WARM_UP, SECONDS = 64, 5, 1.0, 5.0
RATE_AIM, P99_AIM = 0.6, 5.0


def measure(folder: Path) -> Report:
    """Both in turns: A B A B …, each time with a new client."""
    rates: dict[str, list[float]] = {"bare": [], "durable": []}
    p50s: dict[str, list[float]] = {"bare": [], "durable": []}
    p99s: dict[str, list[float]] = {"bare": [], "durable": []}
    costs: dict[str, list[float]] = {"bare": [], "durable": []}
    with BareServer() as bare, setting.daemon(folder, "http://127.0.0.1:9/", role="serve") as daemon:
        for number in range(ROUNDS):
            for name, url, leader in (("bare", bare.url, bare.pid), ("durable", daemon.url(), daemon.pid)):
                with Load(url, connections=CONNECTIONS, seed=number + 1) as load:
                    load.start("closed", seconds=WARM_UP)
                    load.wait(30)
                    before = _cpu(leader)
                    load.start("closed", seconds=SECONDS)
                    report = load.wait(30)
                    costs[name].append((_cpu(leader) - before) * 1e6 / report["answers"]["200"])
                assert set(report["answers"]) == {"200"}, report["answers"]
                rates[name].append(report["answers"]["200"] / SECONDS)
                p50s[name].append(report["latency"]["p50"] / 1000)
                p99s[name].append(report["latency"]["p99"] / 1000)
                tell(f"{name}: {rates[name][-1]:,.0f} events/s, p99 {p99s[name][-1]:.1f} ms")
    pairs = [durable / bare for bare, durable in zip(rates["bare"], rates["durable"], strict=True)]
    tails = [durable / bare for bare, durable in zip(p99s["bare"], p99s["durable"], strict=True)]
    label = {"bare": "bare Falcon app, keeps nothing", "durable": "callrouter, on disk before 200"}
    rows = [
        (label[name], spread(rates[name]), spread(p50s[name], 1), spread(p99s[name], 1), spread(costs[name]))
        for name in rates
    ]
    rows.append(("ratio, pair by pair", spread(pairs, 2), "", spread(tails, 2), ""))
    rows.append(("aim", f"{RATE_AIM} or more", "", f"{P99_AIM:.0f} or less", ""))
    verdicts = [
        f"Rate: {_verdict(median(pairs) >= RATE_AIM)}. p99: {_verdict(median(tails) <= P99_AIM)}.",
        "Nothing else runs beside the ingest process: routing and sending are in the benchmark “sustained”.",
    ]
    how = (
        f"Events of about 540 bytes over {CONNECTIONS} keep-alive connections, each sending its next event when the "
        "last is answered; same client, same gunicorn, same worker class and settings, one worker each. "
        f"{ROUNDS} rounds of {SECONDS:.0f} s, both in turns. Median (least–greatest)."
    )
    return Report("Durable ingest", how, ("", "events/s", "p50 ms", "p99 ms", "CPU µs/event"), rows, verdicts)


def _cpu(leader: int) -> float:
    return sum(map(processes.cpu_seconds, processes.session(leader)))


def _verdict(good: bool) -> str:
    return "aim met" if good else "aim missed"
