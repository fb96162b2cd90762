"""A disk that fills up: 503 and no lie, and everything goes on when there is room again.

On a small tmpfs of its own, which needs root. A filler beside the data leaves only so much room, now more and now less
than what ``disk: refuse_below`` asks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.posting import calls, note, post_all
from tests.acceptance.settings import events, to_each
from tests.acceptance.trial import Caught, Finding, Tell, Trial
from tests.harness.daemon import Daemon, request
from tests.harness.recording import Recorder, Reply
from tests.harness.small_disk import fill, small_disk
from tests.harness.waiting import until

pytestmark = pytest.mark.slow

MEBIBYTES = 16
#: Events posted at most until the disk is full, and how many of them together.
MOST, TOGETHER = 20_000, 100
#: What refuses long before the disk is full.
EARLY = "disk: {ballast: 4MiB, refuse_below: 8MiB}\n"
LIMITS = "disk: {ballast: 256KiB, refuse_below: 512KiB}"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own."""
    with small_disk(tmp_path / "disk", MEBIBYTES) as folder:
        yield folder


def filled(disk: Path, seed: int, *, times: int, most: int = MOST, broken: str = "") -> Finding:
    """*times* full and emptied again, while at most *most* events come."""
    faults: list[str] = []
    ledger: list[str] = []
    with Trial(disk, seed, "out", more=LIMITS, broken=broken) as trial:
        trial.daemon.start()
        call = refused = 0
        for _ in range(times):
            filler = fill(disk, leave=trial.dice.randint(100, 900) * 1024)
            before = refused
            while refused == before and call < most:
                several = calls(call, TOGETHER)
                answers = post_all(trial.daemon, several.values())
                note(ledger, several, answers)
                call += TOGETHER
                no = [answer for answer in answers if answer and answer.status != 200]
                refused += len(no)
                faults += [f"A: {one.status} {one.headers}" for one in no if one.status != 503]
                faults += ["A: 503 without Retry-After" for one in no if "retry-after" not in one.headers]
                faults += ["A: a connection broke" for answer in answers if answer is None]
            filler.unlink()
            several = calls(call, 1)
            body = several[call, 0]
            until(lambda: trial.daemon.post(body).status == 200, 30, what="an event is accepted again")  # noqa: B023 - used at once
            ledger += [f"sent {call} 0", f"200 {call} 0"]
            call += 1
        until(lambda: trial.waiting() == 0, 60, what="nothing is left", every=0.1)
        trial.stop()
        trial.ledger.write_text("\n".join(ledger))
        finding = trial.judge()
    finding.faults += faults + ([] if refused or broken else ["A: the disk never filled"])
    finding.injected = times
    finding.note = f"{refused} refused"
    return finding


def test_a_full_disk_is_said_and_loses_nothing(disk: Path, seed: int, scale: int, tell: Tell) -> None:
    finding = filled(disk, seed, times=2 * scale)
    tell("full disk", finding)
    assert finding.faults == []


def test_a_full_disk_taken_for_an_empty_one_would_be_noticed(disk: Path, seed: int, caught: Caught) -> None:
    caught("room", "A", filled(disk, seed, times=1, most=2000, broken="room"))


@contextmanager
def on_a_small_disk(folder: Path) -> Iterator[tuple[Path, Recorder, Daemon]]:
    """A daemon whose data is on a disk of 64 MiB, and a destination that is busy until it is judged otherwise."""
    with small_disk(folder / "disk", 64) as disk, Recorder(lambda _: Reply(503)) as recorder:
        config = EARLY + to_each(out=recorder.url).replace("sqlite:data", f"sqlite:{disk / 'data'}")
        daemon = Daemon(folder, config)
        daemon.data = disk / "data"
        with daemon:
            until((daemon.data / "ballast").exists, what="there is ballast")
            yield disk, recorder, daemon


def test_a_disk_that_runs_full_refuses_early_delivers_on_and_loses_nothing(tmp_path: Path) -> None:
    with on_a_small_disk(tmp_path) as (disk, recorder, daemon):
        first, *_, last = events()
        assert daemon.post(first).status == 200
        until(lambda: recorder.requests, what="the first attempt has failed")

        filler = fill(disk, leave=7 << 20)
        ready = daemon.url().replace("webhooks/wavix", "readyz")
        said = until(lambda: (answer := request("GET", ready)).status == 503 and answer, what="it is not ready")
        assert "refuse_below" in said.body.decode()
        refused = daemon.post(last)
        assert (refused.status, "retry-after" in refused.headers) == (503, True)
        recorder.judge(lambda _: Reply())
        until(lambda: len(recorder.accepted) == 1, 30, what="what was accepted is delivered all the same")

        filler.unlink()
        until(lambda: daemon.post(last).status == 200, what="events are accepted again")
        until(lambda: len(recorder.accepted) == 2, 30, what="it has arrived")
        assert [received.body for received in recorder.accepted] == [first, last]


def test_on_a_disk_with_no_room_at_all_the_ballast_is_given_up_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    with on_a_small_disk(tmp_path) as (disk, recorder, daemon):
        sent = events(1)
        for body in sent:
            assert daemon.post(body).status == 200
        until(lambda: recorder.requests, what="the first attempt has failed")
        workers = daemon.pids()["worker"]
        filler = fill(disk)
        recorder.judge(lambda _: Reply())
        until(lambda: len(recorder.accepted) == len(sent), 60, what="everything has arrived")
        until(lambda: not (daemon.data / "ballast").exists(), 30, what="the ballast is given up")

        filler.unlink()
        until((daemon.data / "ballast").exists, 30, what="the ballast is back")
        until(lambda: daemon.metrics()['callrouter_waiting{destination="out"}'] == 0, what="nothing is owed")
        assert daemon.pids()["worker"] == workers
        assert [received.body for received in recorder.accepted] == sent
        assert "the ballast is back" in daemon.log()
