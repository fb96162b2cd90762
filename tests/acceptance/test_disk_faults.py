"""A disk that fails the n-th call: no 200 for what was in it, an answer for everybody, and then as before.

Shim shims/faults.c makes fsync, fdatasync and writes below the data folder fail with EIO or ENOSPC when it is told to.
"""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.acceptance.posting import calls, event_of, note, post_all
from tests.acceptance.trial import Caught, Finding, Tell, Trial
from tests.harness.daemon import Answer
from tests.harness.shims import Page, compiled
from tests.harness.waiting import until

pytestmark = pytest.mark.slow

ROUNDS, AT_ONCE = 40, 16
SYNC, WRITE = 1, 2
WHAT, ERROR, UNTIL, LEFT, HITS, PART = range(6)


class Disk:
    """The failing disk, as the test sees it."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def fail(self, what: int, error: int, *, after: int = 1, times: int = 1, part: str) -> None:
        """Fail *times* calls from the *after*-th on, for files whose path has *part* in it."""
        self._page.put(PART, part)
        self._page[ERROR], self._page[UNTIL], self._page[LEFT], self._page[HITS] = error, after, times, 0
        self._page[WHAT] = what

    @property
    def hits(self) -> int:
        """Calls that have failed since."""
        return self._page[HITS]

    def mend(self) -> None:
        """Fail no more."""
        self._page[WHAT] = 0


def failing(folder: Path, below: str = "data/inbox") -> tuple[Disk, dict[str, str]]:
    """The disk under *below* and the environment of a daemon that stands on it."""
    page = Page(folder / "page")
    library = compiled("faults", folder)
    shim = {"LD_PRELOAD": str(library), "SHIM_BELOW": str(folder / below), "SHIM_PAGE": str(folder / "page")}
    return Disk(page), shim


def commits_fail(folder: Path, seed: int, *, rounds: int, broken: str = "") -> Finding:
    """In each round events one by one until the n-th commit of the inbox fails, then many at once into failing ones."""
    disk, shim = failing(folder)
    finding_faults: list[str] = []
    ledger: list[str] = []
    with Trial(folder, seed, "out", broken=broken, environment=shim) as trial:
        trial.daemon.start()
        call, hits = 0, 0
        for _ in range(rounds):
            what, error = trial.dice.choice([(SYNC, errno.EIO), (SYNC, errno.ENOSPC), (WRITE, errno.ENOSPC)])
            nth = trial.dice.randint(1, 8)
            disk.fail(what, error, after=nth, part="-wal")
            while not disk.hits:
                body = event_of(call)
                answer = trial.daemon.post(body)
                note(ledger, [(call, 0)], [answer])
                call += 1
                if disk.hits and answer.status == 200:
                    finding_faults.append(f"A: 200 for a commit that failed with {errno.errorcode[error]} (call {nth})")
                elif answer.status != 200:
                    finding_faults += refused_well(answer)
            hits += disk.hits
            # From the next one on, many together: whoever shares the failing commit is told so, and all are told.
            disk.fail(what, error, part="-wal", times=trial.dice.randint(1, 3))
            several = calls(call, AT_ONCE)
            answers = post_all(trial.daemon, several.values(), AT_ONCE)
            call += AT_ONCE
            note(ledger, several, answers)
            hits += disk.hits
            disk.mend()
            if None in answers:
                finding_faults.append("A: a sender was not answered while a commit failed")
            if disk.hits and not broken and all(answer and answer.status == 200 for answer in answers):
                finding_faults.append("A: nobody was refused although a commit failed")
            again = event_of(call)
            until(lambda: trial.daemon.post(again).status == 200, 20, what="an event is accepted again")  # noqa: B023 - used at once
            ledger += [f"sent {call} 0", f"200 {call} 0"]
            call += 1
        trial.ledger.write_text("\n".join(ledger))
        until(lambda: trial.waiting() == 0, 30, what="nothing is left", every=0.1)
        trial.stop()
        finding = trial.judge()
    finding.faults += finding_faults
    finding.injected = hits
    return finding


def refused_well(answer: Answer) -> list[str]:
    """What is wrong with an answer that says no."""
    if answer.status != 503 or "retry-after" not in answer.headers:
        return [f"A: {answer.status} without a way out: {answer.headers}"]
    return []


def test_no_commit_that_failed_is_acknowledged(tmp_path: Path, seed: int, scale: int, tell: Tell) -> None:
    finding = commits_fail(tmp_path, seed, rounds=ROUNDS * scale)
    tell("EIO and ENOSPC from the disk at the n-th call", finding)
    assert finding.faults == []
    assert finding.injected >= ROUNDS


def test_an_error_of_the_disk_taken_for_success_would_be_noticed(tmp_path: Path, seed: int, caught: Caught) -> None:
    caught("errors_ignored", "A", commits_fail(tmp_path, seed, rounds=3, broken="errors_ignored"))


def test_an_ingest_that_can_make_no_segment_refuses_and_comes_back(tmp_path: Path, seed: int) -> None:
    disk, shim = failing(tmp_path)
    with Trial(tmp_path, seed, "out", environment=shim) as trial:
        trial.daemon.start()
        disk.fail(SYNC, errno.EIO, part="", times=1_000_000)
        trial.kill("gunicorn's worker")
        refused = until(lambda: trial.daemon.post(event_of(0)), 20, what="an answer")
        assert refused_well(refused) == []
        disk.mend()
        until(lambda: trial.daemon.post(event_of(1)).status == 200, 30, what="an event is accepted again")
        until(lambda: trial.receivers["out"].report()["different"] >= 1, what="it has arrived")


def test_a_store_that_cannot_commit_loses_and_repeats_nothing(
    tmp_path: Path, seed: int, scale: int, tell: Tell
) -> None:
    disk, shim = failing(tmp_path, "data/store.sqlite-wal")
    hits = 0
    with Trial(tmp_path, seed, "out", environment=shim) as trial:
        trial.daemon.start()
        load = trial.load()
        load.start("open", rate=100)
        for _ in range(5 * scale):
            what, error = trial.dice.choice([(SYNC, errno.EIO), (SYNC, errno.ENOSPC), (WRITE, errno.EIO)])
            disk.fail(what, error, after=trial.dice.randint(1, 20), part="")
            until(lambda: disk.hits, 20, what="the store was refused")
            hits += disk.hits
            disk.mend()
        load.stop(30)
        assert trial.drained()
        trial.stop()
        finding = trial.judge()
    finding.injected = hits
    tell("EIO and ENOSPC under the store", finding)
    assert finding.faults == []
