"""A process that stands still for longer than a lease and then goes on: what it says late changes nothing."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.posting import event_of
from tests.acceptance.settings import to_each
from tests.acceptance.trial import IN_HAND, PROGRAM, Caught, Finding, Tell, Trial
from tests.harness.daemon import Daemon
from tests.harness.fates import Fates
from tests.harness.recording import Received, Recorder, Reply
from tests.harness.waiting import pause, until

pytestmark = pytest.mark.slow

LEASE = 2.0
#: One sender has all of it.
ALONE = "order: none, concurrency: 1"


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """Stop a process and let it go on."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def stood_still(folder: Path, seed: int, *, names: tuple[str, ...], broken: str = "") -> Finding:
    """Under load each process of *names* stands still for longer than a lease."""
    with Trial(folder, seed, "out", broken=broken, environment={"LEASE": str(LEASE)}) as trial:
        trial.receivers["out"].behave(delay=0.02)
        trial.daemon.start()
        load = trial.load()
        load.start("open", rate=150)
        for name in names:
            before = trial.receivers["out"].report()["different"]
            until(lambda: trial.receivers["out"].report()["different"] > before + 20, 20, what="events arrive")  # noqa: B023 - used at once
            with standing_still(trial.daemon.pids()[name]):
                pause(LEASE * 1.5 + 1.5)
        load.stop(60)
        trial.drained()
        trial.stop()
        finding = trial.judge()
        unknown = Fates.read(trial.daemon.data, "out").unknown.total()
    finding.injected = len(names)
    finding.note = f"{unknown} attempts whose lease lapsed"
    if unknown > len(names) * IN_HAND:
        finding.faults.append(f"B: {unknown} attempts unknown")
    return finding


def test_a_sender_or_worker_that_stands_still_longer_than_its_lease_loses_and_repeats_nothing(
    tmp_path: Path, seed: int, scale: int, tell: Tell
) -> None:
    finding = stood_still(tmp_path, seed, names=("sender-1", "worker", "sender-2") * scale)
    tell("processes standing still longer than a lease", finding)
    assert finding.faults == []
    assert finding.duplicates == 0


def test_what_a_lapsed_attempt_says_late_is_refused(tmp_path: Path, seed: int, tell: Tell) -> None:
    """Leases are not renewed here, so that they lapse under a sender that stands still: its attempts are made again."""
    finding = stood_still(tmp_path, seed, names=("sender-1",), broken="renewal")
    tell("leases that lapse under a sender", finding)
    assert finding.faults == []
    assert not finding.note.startswith("0 "), "no lease lapsed, so nothing was proved"


class Slow:
    """A destination that answers once it is let."""

    def __init__(self) -> None:
        self.begun, self.release = threading.Event(), threading.Event()

    def __call__(self, _: Received) -> Reply:
        self.begun.set()
        self.release.wait(30)
        return Reply()


def late_finish(folder: Path, *, broken: str = "") -> str:
    """Give up a delivery while its attempt goes on; return the state it has after the attempt has ended."""
    slow = Slow()
    environment = {"BREAKAGE": broken} if broken else {}
    with Recorder(slow) as recorder:
        config = to_each(out=recorder.url).replace("order: call", ALONE)
        with Daemon(folder, config, environment=environment, program=PROGRAM) as daemon:
            try:
                assert daemon.post(event_of(1)).status == 200
                assert slow.begun.wait(10)
                assert daemon.run("give-up", "out", "--yes").code == 0
                until(lambda: _states(daemon) == ["dead"], what="it is given up")
            finally:
                slow.release.set()
            assert daemon.post(event_of(2)).status == 200
            # One sender makes both attempts: when the second is recorded, the first was heard of.
            until(lambda: "delivered" in _states(daemon)[1:], what="the next one is delivered")
            return _states(daemon)[0]


def _states(daemon: Daemon) -> list[str]:
    """The states of all deliveries, by their numbers."""
    listed = daemon.run("deliveries", "--json")
    rows = [json.loads(line) for line in listed.out.splitlines()]
    return [row["state"] for row in sorted(rows, key=lambda row: row["id"])]


def test_a_finish_that_comes_too_late_changes_nothing(tmp_path: Path) -> None:
    assert late_finish(tmp_path) == "dead"


def test_a_late_finish_that_is_taken_would_be_noticed(tmp_path: Path, caught: Caught) -> None:
    state = late_finish(tmp_path, broken="fencing")
    caught("fencing", "E", Finding([f"E: {state} after it was given up"] if state != "dead" else []))


def test_a_replay_during_the_attempt_that_was_given_up_is_delivered_and_recorded(tmp_path: Path) -> None:
    slow = Slow()
    with Recorder(slow) as recorder:
        config = to_each(out=recorder.url).replace("order: call", ALONE)
        with Daemon(tmp_path, config) as daemon:
            try:
                assert daemon.post(event_of(1)).status == 200
                assert slow.begun.wait(10)
                assert daemon.run("give-up", "out", "--yes").code == 0
                until(lambda: _states(daemon) == ["dead"], what="it is given up")
                assert daemon.run("replay", "--yes").code == 0
                until(lambda: _states(daemon) == ["leased"], what="it is owed again")
            finally:
                slow.release.set()
            until(lambda: _states(daemon) == ["delivered"], what="it is delivered")
        assert len({received.headers["webhook-id"] for received in recorder.requests}) == 1
