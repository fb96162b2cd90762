"""Much that waits, much behind one call, and somebody who reads the store all the while: everything else goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.trial import Caught, Finding, Tell, Trial
from tests.harness.load import Load
from tests.harness.waiting import until

pytestmark = pytest.mark.slow

WAITING, BEHIND, LIVE = 2000, 500, 1000
#: A log that is begun again from its front stays near the size it had; a page of SQLite more for each event is growth.
PAGE = 4096


def behind_much(folder: Path, seed: int, *, scale: int, broken: str = "") -> Finding:
    """One destination takes nothing, another gets everything; a reader holds the store open, and then lets go."""
    faults: list[str] = []
    with Trial(folder, seed, "fine", "closed", broken=broken) as trial:
        fine, closed = trial.receivers["fine"], trial.receivers["closed"]
        closed.behave(status=503, retry_after=600)
        trial.daemon.start()
        load = trial.load()
        load.start("closed", count=WAITING * scale)
        load.wait(60 * scale)
        one_call(trial, BEHIND * scale)
        everything = (WAITING + BEHIND) * scale
        until(
            lambda: fine.report()["different"] == everything,
            60 * scale,
            what="one destination has everything",
            every=0.1,
        )
        log = trial.daemon.data / "store.sqlite-wal"
        with closing(sqlite3.connect(trial.daemon.data / "store.sqlite")) as reader:
            reader.execute("begin")
            (behind,) = reader.execute(
                "select max(n) from (select count(*) as n from delivery where state < 10 group by destination_id, call)"
            ).fetchone()
            faults += [] if behind >= BEHIND * scale - 1 else [f"E: only {behind} wait behind one call"]
            fine.forget_latencies()
            faults += live(trial, load, LIVE)
            p99 = fine.report()["latency"]["p99"]
        # The first round may still write behind what the reader had kept; what counts is that it does not go on.
        faults += live(trial, load, LIVE // 4)
        before = log.stat().st_size
        faults += live(trial, load, LIVE)
        if log.stat().st_size > before + LIVE * PAGE // 2:
            faults.append(f"E: the write-ahead log grows: {before} bytes before, {log.stat().st_size} after")
        note = f"{int(trial.waiting()):,} waiting, {behind:,} of them behind one call"
        if broken:
            return Finding(faults)
        until(lambda: trial.waiting("fine") == 0, 20, what="what arrived is recorded")
        trial.stop()
        finding = trial.judge(logs={"fine": fine.log()})
    finding.faults += faults
    finding.injected = 1
    finding.note = f"{note}; p99 {p99 / 1000:,.0f} ms"
    return finding


def one_call(trial: Trial, events: int) -> None:
    """Post *events* of one call."""
    with Load(
        trial.daemon.url(), connections=1, calls=1, length=events, first_call=20_000, ledger=trial.ledger
    ) as load:
        load.start("closed", count=events)
        load.wait(120)


def live(trial: Trial, load: Load, events: int) -> list[str]:
    """Accept and deliver *events* more to the destination that takes them."""
    fine = trial.receivers["fine"]
    before = fine.report()["different"]
    load.start("closed", count=events)
    load.wait(60)
    try:
        until(lambda: fine.report()["different"] >= before + events, 30, what="the live ones arrive", every=0.05)
    except AssertionError as ex:
        return [f"E: {ex}"]
    return []


def test_a_backlog_and_an_open_reader_stop_nothing(tmp_path: Path, seed: int, scale: int, tell: Tell) -> None:
    finding = behind_much(tmp_path, seed, scale=scale)
    tell("a backlog, a blocked call and an open reader", finding)
    assert finding.faults == []


def test_a_log_that_grows_for_ever_would_be_noticed(tmp_path: Path, seed: int, caught: Caught) -> None:
    caught("checkpoint", "E", behind_much(tmp_path, seed, scale=1, broken="checkpoint"))
