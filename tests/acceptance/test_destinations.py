"""Destinations that stall, break and refuse, and others that must not feel it."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance.trial import KEYS, Caught, Finding, Tell, Trial
from tests.harness.waiting import until

pytestmark = pytest.mark.slow

FINE = tuple(f"fine-{number}" for number in range(1, 18))
BAD = ("stalls", "resets", "busy")
EVENTS = 200
#: Requests a second that the destination of the outage allows; and so few that any machine is faster.
RATE, LOW_RATE = 100, 10


def beside_bad_ones(folder: Path, seed: int, *, events: int, broken: str = "") -> Finding:
    """Twenty destinations, of which one never answers within 30 s, one resets and one asks to come later."""
    keys = dict.fromkeys(BAD, f"{KEYS}, timeout: 30s")
    with Trial(folder, seed, *FINE, *BAD, keys=keys, broken=broken) as trial:
        bad = {name: trial.receivers[name] for name in BAD}
        trial.daemon.start()
        load = trial.load(connections=8)
        load.start("open", rate=50, count=events)
        load.wait(60)
        trial.drained(60)
        usual = worst(trial)
        for name in FINE:
            trial.receivers[name].forget_latencies()
        bad["stalls"].behave(fate="hang")
        bad["resets"].behave(fate="reset")
        bad["busy"].behave(status=429, retry_after=1)
        load.start("open", rate=50, count=events)
        load.wait(60)
        faults = []
        try:
            # Attempts at the stalling one end after 30 s at the earliest: here everything has arrived before one did.
            until(
                lambda: all(trial.receivers[name].report()["different"] == 2 * events for name in FINE),
                5 if broken else 25,
                what="everything has arrived at the fine ones",
                every=0.1,
            )
        except AssertionError as ex:
            faults.append(f"A: the fine ones wait for the bad ones: {ex}")
        if any(one.report()["different"] > events for one in bad.values()):
            faults.append("D: a bad destination has accepted something")
        slowed = worst(trial)
        for one in bad.values():
            one.recover()
        if broken:
            return Finding(faults)
        trial.drained(60)
        trial.stop()
        finding = trial.judge()
    finding.faults += faults
    finding.injected = len(BAD)
    finding.note = f"p99 of the others {usual / 1000:,.0f} ms before, {slowed / 1000:,.0f} ms beside them"
    return finding


def worst(trial: Trial) -> float:
    """The worst p99 of the fine destinations, in microseconds from sender to destination."""
    return max(trial.receivers[name].report()["latency"]["p99"] for name in FINE)


def test_one_that_stalls_and_one_that_breaks_and_one_that_refuses_delay_none_of_seventeen_others(
    tmp_path: Path, seed: int, scale: int, tell: Tell
) -> None:
    finding = beside_bad_ones(tmp_path, seed, events=EVENTS * scale)
    tell("3 of 20 destinations stall, reset, answer 429", finding)
    assert finding.faults == []


def test_destinations_that_wait_for_each_other_would_be_noticed(tmp_path: Path, seed: int, caught: Caught) -> None:
    caught("lanes", "A", beside_bad_ones(tmp_path, seed, events=20, broken="lanes"))


def after_outage(folder: Path, seed: int, *, waiting: int, rate: int = RATE, broken: str = "") -> Finding:
    """Everything that waits becomes due at once; the destination refuses a third of it and allows so many a second."""
    attempts = 6
    retry = f"retry: {{first: 100ms, factor: 1, max: 100ms, attempts: {attempts}}}"
    keys = {"out": f"order: none, concurrency: 16, rate: {rate}/s, {retry}"}
    with Trial(folder, seed, "out", keys=keys, broken=broken) as trial:
        out = trial.receivers["out"]
        trial.daemon.start()
        assert trial.daemon.run("pause", "out").code == 0
        until(lambda: "paused" in trial.daemon.run("status").out, what="it is paused")
        load = trial.load()
        load.start("closed", count=waiting)
        load.wait(60)
        until(lambda: trial.waiting() == waiting, 30, what="everything waits", every=0.1)
        out.behave(status=503, share=0.3, seed=seed)
        back = time.monotonic()
        assert trial.daemon.run("resume", "out").code == 0
        until(lambda: trial.waiting() == 0, 60 + 2 * waiting / rate, what="nothing is left", every=0.1)
        trial.stop()
        times, finding = out.times(), trial.judge(orderly=False)
        most = max(Counter(event[:2] for event in out.log()).values())
    # From the moment it was resumed, never more than the rate and what the bucket held at first.
    ahead = [number for number, at in enumerate(times, 1) if number > rate * (at - back) + rate / 10 + 1]
    if ahead:
        finding.faults.append(
            f"C: {len(ahead)} requests came sooner than the rate allows, the first as number {ahead[0]}"
        )
    if most > attempts:
        finding.faults.append(f"B: {most} attempts for one delivery, and {attempts} were allowed")
    seconds = Counter(int(at - times[0]) for at in times)
    finding.injected = 1
    mean = len(times) / (times[-1] - times[0])
    finding.note = f"busiest second {max(seconds.values())}, mean {mean:.0f}, limit {rate}"
    return finding


def test_what_an_outage_left_comes_at_the_rate_and_no_oftener_than_agreed(
    tmp_path: Path, seed: int, scale: int, tell: Tell
) -> None:
    finding = after_outage(tmp_path, seed, waiting=500 * scale)
    tell("everything due at once after an outage", finding)
    assert finding.faults == []


def test_a_rate_that_is_forgotten_would_be_noticed(tmp_path: Path, seed: int, caught: Caught) -> None:
    caught("rate", "C", after_outage(tmp_path, seed, waiting=300, rate=LOW_RATE, broken="rate"))
