"""Kills at random moments under load lose nothing that was acknowledged."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.harness import processes
from tests.harness.daemon import LISTEN, Daemon
from tests.harness.events import EVENTS, call_id
from tests.harness.load import Load
from tests.harness.receiver import Receiver
from tests.harness.verdict import Event, Ledger, Verdict, judge, sound, unfinished
from tests.harness.waiting import pause, until

pytestmark = pytest.mark.slow

KILLS = 30
#: Of one destination at a time, in all senders together: what a kill can make unknowable.
CONCURRENCY = 8
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


def dead_letters(daemon: Daemon, destination: str) -> set[Event]:
    """Events that are dead letters of *destination*, as the load numbers them."""
    done = daemon.run(
        "deliveries", "--config", "config.yaml", "--destination", destination, "--state", "dead", "--json"
    )
    assert done.code in (0, 3), done.err
    uuids = {call_id(number, seed=1): number for number in range(20_000)}
    rows = [json.loads(line) for line in done.out.splitlines()]
    kinds = ("call_setup", "ringing", "answered", "on_call_event", "completed")
    return {(uuids[row["call_id"]], kinds.index(row["event_type"])) for row in rows}


def left(daemon: Daemon) -> dict[str, int]:
    """Unfinished deliveries by destination, as /metrics tells."""
    return {name: int(value) for name, value in daemon.metrics().items() if name.startswith("callrouter_waiting{")}


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
            ledger = Ledger.read(path)
            until(lambda: not any(left(daemon).values()), 75, what="nothing is left to deliver", every=0.2)
            dead = {name: dead_letters(daemon, name) for name in ("steady", "flaky")}
            waiting = left(daemon)
            daemon.stop()
        finally:
            daemon.end()
        ambiguous = KILLS * CONCURRENCY
        verdicts = {
            name: judge(ledger, receiver.log(), dead=dead[name], ambiguous=ambiguous, events=KILLS)
            for name, receiver in (("steady", steady), ("flaky", flaky))
        }
    print(_summary(killed, report["answers"], verdicts), file=sys.stderr)
    assert len(ledger.acknowledged) > 20 * EVENTS
    assert {name: verdict.faults for name, verdict in verdicts.items()} == {"steady": [], "flaky": []}
    assert sound(daemon.data) + unfinished(waiting) == []


def _summary(killed: Counter[str], answers: dict[str, int], verdicts: dict[str, Verdict]) -> str:
    lines = [f"killed: {dict(killed)}", f"answers: {answers}"]
    lines += [
        f"{name}: {found.acknowledged} acknowledged, {found.arrived} arrived, {found.dead} dead letters, "
        f"{found.duplicates} duplicates, at most {found.most_requests} requests for one event"
        for name, found in verdicts.items()
    ]
    return "\n".join(lines)
