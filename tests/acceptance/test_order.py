"""The events of a call arrive in their order, whatever fails and whoever is killed, and nobody waits for ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.posting import event_of
from tests.acceptance.settings import RETRY
from tests.acceptance.trial import Caught, Finding, Tell, Trial
from tests.harness.daemon import LISTEN, Daemon
from tests.harness.events import call_id, read_mark
from tests.harness.recording import Received, Recorder, Reply
from tests.harness.waiting import pause, until

pytestmark = pytest.mark.slow

#: Events of one call; few calls at the same time, so that events come while the one before is still on its way.
LENGTH, CONNECTIONS, CALLS = 20, 6, 2
KINDS = ("sender-1", "worker", "sender-2")


def in_order(folder: Path, seed: int, *, events: int, kills: int, broken: str = "") -> Finding:
    """Calls of twenty events to a destination that fails a fifth of them, while what sends and records is killed."""
    with Trial(folder, seed, "out", broken=broken) as trial:
        out = trial.receivers["out"]
        out.behave(status=503, share=0.2, seed=seed)
        trial.daemon.start()
        load = trial.load(connections=CONNECTIONS, length=LENGTH, calls=CALLS)
        load.start("open", rate=300, count=events)
        for number in range(kills):
            pause(trial.dice.uniform(0.3, 1.2))
            trial.kill(KINDS[number % len(KINDS)])
        load.wait(60 + events / 300)
        trial.drained(5 if broken else 60)
        # A replay of what was delivered is something new to the destination: it is judged for itself.
        logs = trial.logs()
        if not broken:
            replay_a_call(trial)
        trial.stop()
        finding = trial.judge(logs=logs)
    finding.note = f"{events // LENGTH} calls of {LENGTH} events, one of them replayed"
    return finding


def replay_a_call(trial: Trial) -> None:
    """Replay what was delivered of call 0, and see that it comes in its order."""
    out = trial.receivers["out"]
    before = len(out.log())
    done = trial.daemon.run("replay", "--call", call_id(0, 1), "--state", "delivered", "--yes")
    assert done.code == 0, done.err

    def again() -> list[int]:
        return [position for call, position, _, accepted in out.log()[before:] if call == 0 and accepted]

    until(lambda: len(again()) >= LENGTH, 30, what="the call came again", every=0.1)
    assert again() == list(range(LENGTH))
    until(lambda: trial.waiting() == 0, 10, what="that is recorded")


def test_calls_of_twenty_events_arrive_in_order_under_failures_and_kills(
    tmp_path: Path, seed: int, scale: int, tell: Tell
) -> None:
    finding = in_order(tmp_path, seed, events=2560 * scale, kills=6 * scale)
    tell("order under failures and kills", finding)
    assert finding.faults == []


def test_an_event_that_does_not_wait_for_the_one_before_would_be_noticed(
    tmp_path: Path, seed: int, caught: Caught
) -> None:
    caught("order", "C", in_order(tmp_path, seed, events=1000, kills=0, broken="order"))


def test_an_event_that_is_never_promoted_would_be_noticed(tmp_path: Path, seed: int, caught: Caught) -> None:
    caught("promotion", "E", in_order(tmp_path, seed, events=200, kills=0, broken="promotion"))


class Choosy:
    """Refuses event 5 of every call for good, until it is told not to."""

    def __init__(self) -> None:
        self.refusing = True

    def __call__(self, received: Received) -> Reply:
        mark = read_mark(received.body)
        assert mark is not None
        return Reply(400) if self.refusing and mark.position == 5 else Reply()


def positions(recorder: Recorder, call: int) -> list[int]:
    """What was accepted of a call, in order."""
    marks = [read_mark(received.body) for received in recorder.accepted]
    return [mark.position for mark in marks if mark and mark.call == call]


def test_behind_a_dead_letter_the_call_goes_on_or_is_held_as_the_destination_says(tmp_path: Path) -> None:
    calls = range(3)
    with Recorder(Choosy()) as goes_on, Recorder(choosy := Choosy()) as holds:
        keys = f"type: http, order: call, {RETRY}"
        config = f"""{LISTEN}
sources: {{wavix: {{}}}}
destinations:
  goes-on: {{{keys}, url: "{goes_on.url}"}}
  holds: {{{keys}, url: "{holds.url}", after_dead_letter: hold}}
rules: []
always: [goes-on, holds]
unmatched: drop
alerts: none
"""
        with Daemon(tmp_path, config) as daemon:
            for position in range(LENGTH):
                for call in calls:
                    assert daemon.post(event_of(call, position, LENGTH)).status == 200
            rest = [position for position in range(LENGTH) if position != 5]
            until(lambda: all(positions(goes_on, call) == rest for call in calls), 30, what="the others arrived")
            until(lambda: states(daemon, "holds") == {"delivered": 15, "dead": 3, "held": 3, "waiting": 39}, 10)
            assert [positions(holds, call) for call in calls] == [list(range(5))] * 3

            choosy.refusing = False
            assert daemon.run("replay", "--destination", "holds", "--yes").code == 0
            until(lambda: all(len(positions(holds, call)) == LENGTH for call in calls), 30, what="all have arrived")
            assert [positions(holds, call) for call in calls] == [list(range(LENGTH))] * 3
            until(lambda: states(daemon, "holds") == {"delivered": 60}, what="that is recorded")


def states(daemon: Daemon, destination: str) -> dict[str, int]:
    """How many deliveries to *destination* are in each state."""
    listed = daemon.run("deliveries", "--destination", destination, "--limit", "100", "--json").out
    counts: dict[str, int] = {}
    for line in listed.splitlines():
        state = json.loads(line)["state"]
        counts[state] = counts.get(state, 0) + 1
    return counts
