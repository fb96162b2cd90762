"""The wall clock jumps two hours back and ten days ahead while everything runs, and nobody is the worse for it.

Shim shims/clock.c shifts CLOCK_REALTIME alone, at run time; waits are on the monotonic clock, which nobody sets.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.acceptance.trial import Caught, Finding, Tell, Trial
from tests.harness import processes
from tests.harness.fates import Fates
from tests.harness.load import Load
from tests.harness.shims import Page, compiled
from tests.harness.verdict import Ledger
from tests.harness.waiting import until

pytestmark = pytest.mark.slow

HOURS, DAYS = 3600, 86_400
JUMPS = (-2 * HOURS, 10 * DAYS)
#: Both destinations would end everything after three hours, were the clock believed. Less than two hours would end what
#: was accepted while the clock was back: nothing else says when that was.
STRICT = "order: none, concurrency: 8, expire: 3h, retry: {first: 50ms, factor: 1, max: 200ms, give_up_after: 3h}"
#: Of one core, all processes together, while nearly nothing is to be done.
MOST_IDLE = 0.8


def jumped(folder: Path, seed: int, *, jumps: tuple[int, ...], broken: str = "") -> Finding:
    """Under load, with a destination that refuses everything meanwhile, *jumps* of so many seconds and back again."""
    page = Page(folder / "page")
    shim = {"LD_PRELOAD": str(compiled("clock", folder)), "SHIM_PAGE": str(folder / "page")}
    faults: list[str] = []
    keys = {"fine": STRICT, "stubborn": STRICT}
    with Trial(folder, seed, "fine", "stubborn", keys=keys, broken=broken, environment=shim) as trial:
        fine, stubborn = trial.receivers["fine"], trial.receivers["stubborn"]
        trial.daemon.start()
        load = trial.load()
        for jump in jumps:
            stubborn.behave(status=503, retry_after=1)
            begun = fine.report()["different"]
            load.start("open", rate=100)
            until(lambda: fine.report()["different"] > begun + 20, 20, what="events arrive")  # noqa: B023 - used at once
            page[0] = jump * 1_000_000_000
            then = load.report()["accepted"]
            until(lambda: load.report()["accepted"] > then + 50, 20, what="events are accepted")  # noqa: B023 - used at once
            load.stop(30)
            faults += new_events_arrive(trial, load, jump, 3 if broken else 20)
            faults += busy(trial, jump)
            # What failed while the clock was back is due soon, by the right one; what failed while it was ahead, not.
            if jump < 0:
                page[0] = 0
            stubborn.recover()
            trial.drained(3 if broken else 30)
            page[0] = 0
        trial.stop()
        finding = trial.judge(orderly=False)
        ended = sum(len(Fates.read(trial.daemon.data, name).dead) for name in trial.receivers)
    if ended:
        faults.append(f"A: {ended} deliveries ended as too old")
    finding.faults += faults
    finding.injected = 2 * len(jumps)
    return finding


def new_events_arrive(trial: Trial, load: Load, jump: int, deadline: float) -> list[str]:
    """Accept fifty events more and see them arrive.

    Those of the moment before a jump back are due by the clock of that moment, and wait for it.
    """
    before = Ledger.read(trial.ledger).acknowledged
    load.start("closed", count=50)
    load.wait(30)
    new = Ledger.read(trial.ledger).acknowledged - before

    def arrived() -> bool:
        return new <= {event[:2] for event in trial.receivers["fine"].log()}

    try:
        until(arrived, deadline, what="new events arrive", every=0.1)
    except AssertionError as ex:
        return [f"A: after a jump by {jump} s: {ex}"]
    return []


def busy(trial: Trial, jump: int) -> list[str]:
    """What is wrong with the processor time that the daemon takes while nearly nothing happens."""
    pids = trial.daemon.all_pids()
    began, before = time.monotonic(), sum(map(processes.cpu_seconds, pids))
    until(lambda: time.monotonic() - began > 1.5, what="a moment has passed", every=0.1)
    share = (sum(map(processes.cpu_seconds, pids)) - before) / (time.monotonic() - began)
    return [f"E: busy with {share:.0%} of a core after a jump by {jump} s"] if share > MOST_IDLE else []


def test_a_clock_that_jumps_ends_nothing_and_delays_nobody(tmp_path: Path, seed: int, scale: int, tell: Tell) -> None:
    finding = jumped(tmp_path, seed, jumps=JUMPS * scale)
    tell("clock two hours back, ten days ahead, and right again", finding)
    assert finding.faults == []


def test_a_daemon_that_believes_any_clock_would_be_noticed(tmp_path: Path, seed: int, caught: Caught) -> None:
    caught("clock", "A", jumped(tmp_path, seed, jumps=(10 * DAYS,), broken="clock"))


def test_what_is_to_be_tried_later_is_not_tried_earlier_when_the_clock_goes_back(tmp_path: Path, seed: int) -> None:
    page = Page(tmp_path / "page")
    shim = {"LD_PRELOAD": str(compiled("clock", tmp_path)), "SHIM_PAGE": str(tmp_path / "page")}
    with Trial(tmp_path, seed, "later", "now", environment=shim) as trial:
        later, now = trial.receivers["later"], trial.receivers["now"]
        later.behave(status=503, retry_after=1)
        trial.daemon.start()
        load = trial.load(1)
        load.start("closed", count=1)
        until(lambda: later.report()["refused"] == 1, what="it was told to come later")
        until(lambda: trial.waiting() == 1, what="that is recorded")
        page[0] = -2 * HOURS * 1_000_000_000
        later.recover()
        load.start("closed", count=200)
        load.wait(30)
        until(lambda: now.report()["different"] == 201, 20, what="the others have arrived")
        pids = trial.daemon.pids()
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 2, what="its second attempt would be due by now", every=0.1)
        # By the clock it is due in two hours: its call waits.
        assert [position for call, position, _, _ in later.log() if call == 0] == [0]
        assert trial.daemon.pids() == pids
        page[0] = 0
        assert trial.drained()
        trial.stop()
        assert trial.judge().faults == []
