"""Sending alone: attempts as a sender makes them, against the same threads in a bare loop of ``Session.post``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import requests

from router.calls import Call
from router.config import load
from router.sender import Job
from router.sender.attempt import Attempts
from tests.bench import native
from tests.bench.report import Report, spread, tell
from tests.harness.counters import Counters
from tests.harness.events import OpenCall, TimeText
from tests.harness.receiver import Receiver

ROUNDS, SECONDS, THREADS = 5, 3.0, 4
AIM = 0.8


def measure(folder: Path) -> Report:
    """Both in one process, in turns, to the same destination."""
    path, _ = Counters.create(folder)
    with (native.Receiver if native.compiler() else Receiver)(path) as receiver:
        (folder / "config.yaml").write_text(
            f'sources: {{wavix: {{}}}}\ndestinations: {{out: {{type: http, url: "{receiver.url}"}}}}\n'
            "always: [out]\nunmatched: drop\nalerts: none\n"
        )
        out = load(folder / "config.yaml").destinations["out"]
        clock = TimeText()
        body = OpenCall(1, 1, clock.now()).write(clock.now(), 0)
        job = Job(1, 1, "out", "all", "k" * 48, "wavix", time.time(), body, "{}", Call("wavix", "x").values(), None)

        def attempts() -> Callable[[], bool]:
            mine = Attempts(out)
            return lambda: mine.make(job).kind == "delivered"

        def posts() -> Callable[[], bool]:
            session = requests.Session()
            session.trust_env = False
            headers = {"Content-Type": "application/json"}
            return lambda: session.post(receiver.url, data=body, headers=headers, timeout=30).ok

        rates: dict[str, list[float]] = {"bare loop of Session.post": [], "attempts of callrouter": []}
        for number in range(ROUNDS):
            for name, make in zip(rates, (posts, attempts), strict=True):
                rates[name].append(_rate([make() for _ in range(THREADS)]))
            tell(f"round {number + 1} of {ROUNDS}")
    bare, ours = rates.values()
    ratios = [mine / theirs for mine, theirs in zip(ours, bare, strict=True)]
    rows = [(name, spread(values)) for name, values in rates.items()]
    rows += [("ratio, pair by pair", spread(ratios, 2)), ("aim", f"{AIM} or more")]
    how = (
        f"{THREADS} threads in one process, each with connections of its own, to a destination that answers at once. "
        "An attempt has what a bare post lacks: the event and its call made ready, headers, one deadline over "
        f"everything, the check of the address, the classed answer. {ROUNDS} rounds of {SECONDS:g} s, both in turns. "
        "Median (least–greatest)."
    )
    return Report("Sending", how, ("", "deliveries/s"), rows, [f"Aim {'met' if median(ratios) >= AIM else 'missed'}."])


def _rate(senders: list[Callable[[], bool]]) -> float:
    """Return how often all *senders* together succeed in a second, each in a thread of its own."""
    done = [0] * len(senders)
    over = threading.Event()

    def work(index: int) -> None:
        while not over.is_set():
            assert senders[index](), "the destination accepts everything"
            done[index] += 1

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(senders))]
    for sender in senders:
        sender()
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    over.wait(SECONDS)
    over.set()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - begin)
