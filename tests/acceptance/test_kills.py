"""Kills at random moments under load lose nothing that was acknowledged."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.trial import IN_HAND, Caught, Finding, Tell, Trial
from tests.harness.events import EVENTS
from tests.harness.fates import Fates
from tests.harness.waiting import pause

pytestmark = pytest.mark.slow

KILLS = 30
#: Seconds between two kills, at least and at most.
BREAKS = (0.1, 1.0)
ALONE = ("ingest", "gunicorn's worker", "worker", "sender-1", "admin")
EVERYTHING = ("supervisor", "everything")


def in_turn(dice: random.Random, kinds: tuple[str, ...]) -> Iterator[str]:
    """Every kind before any comes again, in an order that the dice say."""
    while True:
        yield from dice.sample(kinds, len(kinds))


def killed(
    folder: Path, seed: int, *, kills: int, kinds: tuple[str, ...] = (*ALONE, *EVERYTHING), broken: str = ""
) -> Finding:
    """Two destinations, one of which refuses every fifth request; *kills* of *kinds* under load."""
    with Trial(folder, seed, "steady", "flaky", broken=broken) as trial:
        trial.receivers["flaky"].behave(status=503, share=0.2, seed=seed)
        trial.daemon.start()
        load = trial.load()
        load.start("open", rate=200)
        chosen = in_turn(trial.dice, kinds)
        while trial.killed.total() - trial.killed["nobody"] < kills:
            pause(trial.dice.uniform(*BREAKS))
            trial.kill(next(chosen))
            load.retarget(trial.daemon.url())
        load.stop(60)
        trial.drained(5 if broken else 75)
        trial.stop()
        finding = trial.judge()
        unknown = {name: Fates.read(trial.daemon.data, name).unknown.total() for name in trial.receivers}
        # Only a process that sends, or knows what was sent, leaves anything unknown; and no more than it had in hand.
        telling = sum(trial.killed[kind] for kind in (*EVERYTHING, "worker", "sender-1"))
        finding.faults += [f"B: {n} attempts unknown at {name}" for name, n in unknown.items() if n > telling * IN_HAND]
        finding.note = f"{sum(unknown.values())} attempts whose answer a kill took"
        return finding


def test_kills_of_every_process_under_load_lose_nothing_acknowledged(
    tmp_path: Path, seed: int, scale: int, tell: Tell
) -> None:
    finding = killed(tmp_path, seed, kills=KILLS * scale)
    tell("kill -9 of every process and of all at once", finding)
    assert finding.accepted > 20 * EVENTS
    assert finding.faults == []


def test_an_answer_before_the_commit_would_be_noticed(tmp_path: Path, seed: int, caught: Caught) -> None:
    finding = killed(tmp_path, seed, kills=6, kinds=("gunicorn's worker",), broken="acknowledgement")
    caught("acknowledgement", "A", finding)
