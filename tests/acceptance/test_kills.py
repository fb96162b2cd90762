"""Kills at random moments under load lose nothing that was acknowledged."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from router.store import Filter, State
from router.store.sqlite_reading import SqliteReading
from tests.harness import processes
from tests.harness.daemon import LISTEN, Daemon
from tests.harness.events import EVENTS, TYPES, call_id
from tests.harness.load import Load
from tests.harness.receiver import Receiver
from tests.harness.verdict import Event, Ledger, Verdict, judge, sound, unfinished
from tests.harness.waiting import pause, until

pytestmark = pytest.mark.slow

KILLS = 30
#: Attempts at one destination at a time, in all senders together; and deliveries that the senders hold, those that wait
#: their turn included: what one kill can make unknowable.
CONCURRENCY = 8
IN_HAND = CONCURRENCY + 4 * CONCURRENCY
MOST_CALLS = 20_000
#: Seconds between two kills, at least and at most.
BREAKS = (0.1, 1.2)
SUPERVISOR, ARBITERS_CHILD = "supervisor", "gunicorn's worker"


def config(steady: str, flaky: str) -> str:
    keys = f"type: http, order: call, concurrency: {CONCURRENCY}, retry: {{first: 50ms, factor: 1, max: 200ms}}"
    return f"""{LISTEN}
sources:
  wavix: {{}}
destinations:
  steady: {{{keys}, url: "{steady}"}}
  flaky: {{{keys}, url: "{flaky}"}}
rules: []
always: [steady, flaky]
unmatched: drop
alerts: none
"""


def kill_something(daemon: Daemon, dice: random.Random) -> str:
    """SIGKILL one process of the daemon, whichever the dice say, and return what it was."""
    pids = until(daemon.pids, what="the daemon says what runs")
    choices = {**pids, SUPERVISOR: daemon.pid}
    for child in processes.children(pids.get("ingest", 0)):
        choices[ARBITERS_CHILD] = child
    name = dice.choice(sorted(choices))
    if name == SUPERVISOR:
        left = daemon.kill_supervisor()
        until(lambda: not any(map(processes.alive, left)), 15, what="every process has ended with the supervisor")
        daemon.start()
        return name
    try:
        os.kill(choices[name], signal.SIGKILL)
    except ProcessLookupError:
        # It had died by an earlier kill and not been missed yet.
        return "nobody"
    return name


@dataclass
class Fates:
    """What the store says became of one destination's deliveries."""

    dead: set[Event]
    unfinished: Counter[str]
    #: Attempts of an event that ended without anybody knowing whether it had arrived.
    unknown: Counter[Event]

    @classmethod
    def read(cls, data: Path, destination: str) -> Fates:
        numbers = {call_id(number, seed=1): number for number in range(MOST_CALLS)}
        fates = cls(set(), Counter(), Counter())
        reading = SqliteReading.open(data)
        try:
            for row in reading.deliveries(Filter(destination=destination), MOST_CALLS * EVENTS):
                event = (numbers[row.call_id], TYPES.index(row.event_type))
                if row.state is State.DEAD:
                    fates.dead.add(event)
                elif row.state is not State.DELIVERED:
                    fates.unfinished[row.state.word] += 1
                if row.attempts > 1:
                    outcomes = [attempt.outcome for attempt in reading.attempts(row.id)]
                    fates.unknown[event] = outcomes.count("unknown")
        finally:
            reading.close()
        return fates


def waiting(daemon: Daemon) -> float:
    """Unfinished deliveries of all destinations, as /metrics tells."""
    return sum(value for name, value in daemon.metrics().items() if name.startswith("callrouter_waiting{"))


def test_thirty_kills_under_load_lose_nothing_acknowledged(tmp_path: Path) -> None:
    seed = int(os.environ.get("KILL_SEED", time.time_ns() % 1_000_000))
    print(f"seed {seed}: KILL_SEED={seed} repeats the choice of processes and breaks", file=sys.stderr)
    dice = random.Random(seed)
    killed: Counter[str] = Counter()
    path = tmp_path / "ledger"
    with Receiver(log=True) as steady, Receiver(log=True) as flaky:
        flaky.behave(status=503, share=0.2, seed=seed)
        daemon = Daemon(tmp_path, config(steady.url, flaky.url)).start()
        try:
            with Load(daemon.url(), connections=16, ledger=path, insist=True) as load:
                load.start("open", rate=200)
                while killed.total() - killed["nobody"] < KILLS:
                    pause(dice.uniform(*BREAKS))
                    killed[kill_something(daemon, dice)] += 1
                    load.retarget(daemon.url())
                report = load.stop(40)
            until(lambda: waiting(daemon) == 0, 75, what="nothing is left to deliver", every=0.2)
            daemon.stop()
        finally:
            daemon.end()
        ledger = Ledger.read(path)
        fates = {name: Fates.read(daemon.data, name) for name in ("steady", "flaky")}
        verdicts = {
            name: judge(ledger, receiver.log(), dead=fates[name].dead, unknown=fates[name].unknown)
            for name, receiver in (("steady", steady), ("flaky", flaky))
        }
    print(_summary(killed, report["answers"], verdicts, fates), file=sys.stderr)
    assert len(ledger.acknowledged) > 20 * EVENTS
    assert {name: verdict.faults for name, verdict in verdicts.items()} == {"steady": [], "flaky": []}
    assert sound(daemon.data) + [fault for fate in fates.values() for fault in unfinished(fate.unfinished)] == []
    # Only a process that sends, or that knows what was sent, leaves anything unknown; and no more than it had in hand.
    telling = sum(number for name, number in killed.items() if name.startswith((SUPERVISOR, "worker", "sender")))
    for fate in fates.values():
        assert fate.unknown.total() <= telling * IN_HAND


def _summary(
    killed: Counter[str], answers: dict[str, int], verdicts: dict[str, Verdict], fates: dict[str, Fates]
) -> str:
    lines = [f"killed: {dict(killed)}", f"answers: {answers}"]
    lines += [
        f"{name}: {found.acknowledged} acknowledged, {found.arrived} arrived, {found.dead} dead letters, "
        f"{fates[name].unknown.total()} attempts unknown, {found.duplicates} duplicates, "
        f"at most {found.most_requests} requests for one event"
        for name, found in verdicts.items()
    ]
    return "\n".join(lines)
