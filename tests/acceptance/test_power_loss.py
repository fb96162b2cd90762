"""The power goes at random moments under load: what no fsync covered is gone, and nothing acknowledged is.

Shim shims/power.c notes every write that is not flushed; ``power.cut`` takes them back once all processes are dead. The
worker is stopped for a moment before each cut, so that events are in the inbox alone.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance import power
from tests.acceptance.trial import Caught, Finding, Tell, Trial
from tests.harness.shims import compiled
from tests.harness.waiting import pause, until

pytestmark = pytest.mark.slow

CUTS = 8


def test_the_notes_of_the_shim_are_taken_back(tmp_path: Path) -> None:
    """The tool itself: a file as it was at its last fsync."""
    content = bytearray(b"one two three")
    changes = [
        power.Write(offset=4, old_size=13, new_size=13, old=b"two", new=b"TWO"),
        power.Write(offset=13, old_size=13, new_size=18, old=b"", new=b" four"),
        power.Write(offset=3, old_size=18, new_size=3, old=b" TWO three four", new=b""),
    ]
    after = bytearray(b"one")
    for change in reversed(changes):
        change.undo(after)
    assert after == content
    changes[1].redo(after, 3)
    assert after == b"one two three fo"
    changes[2].redo(after, 0)
    assert after == b"one"


def cut_off(folder: Path, seed: int, *, cuts: int, broken: str = "") -> Finding:
    """*cuts* of the power, each at a random moment."""
    log = folder / "unsynced"
    log.mkdir()
    shim = {
        "LD_PRELOAD": str(compiled("power", folder)),
        "SHIM_BELOW": str(folder / "data"),
        "SHIM_LOG": str(log),
    }
    fate: Counter[str] = Counter()
    with Trial(folder, seed, "out", broken=broken, environment=shim) as trial:
        trial.daemon.start()
        load = trial.load()
        load.start("open", rate=300)
        for _ in range(cuts):
            pause(trial.dice.uniform(0.1, 0.8))
            until(lambda: "worker" in trial.daemon.pids(), what="the worker runs")
            os.kill(trial.daemon.pids()["worker"], signal.SIGSTOP)
            more = load.report()["accepted"] + trial.dice.randint(5, 60)
            until(lambda: load.report()["accepted"] >= more, 20, what="events wait in the inbox")  # noqa: B023 - used at once
            trial.daemon.end()
            fate += power.cut(log, trial.daemon.data, trial.dice)
            trial.daemon.start()
            load.retarget(trial.daemon.url())
        load.stop(60)
        trial.drained(5 if broken else 60)
        trial.stop()
        finding = trial.judge()
    finding.injected = cuts
    finding.note = ", ".join(f"{number} writes {what}" for what, number in sorted(fate.items()))
    return finding


def test_the_power_going_under_load_loses_nothing_acknowledged(
    tmp_path: Path, seed: int, scale: int, tell: Tell
) -> None:
    finding = cut_off(tmp_path, seed, cuts=CUTS * scale)
    tell("power cuts", finding)
    assert finding.faults == []


def test_a_lower_synchronous_would_be_noticed(tmp_path: Path, seed: int, caught: Caught) -> None:
    caught("synchronous", "A", cut_off(tmp_path, seed, cuts=3, broken="synchronous"))
