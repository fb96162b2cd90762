"""Who is blamed for a crash: the one that was there every time, and nobody who only stood beside it."""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest

from router.calls import Call
from router.sender import Outcome
from router.sender.begun import Begun, memory
from router.store import Claim, Owed, State
from router.worker.senders import Ended
from router.worker.suspects import CRASHES, Suspects

CLAIM = Claim(0, 1, "crm", None, "", "wavix", 0.0, b"", "{}", Call("", ""), None, 0, "", "", Owed(0.0, 0.0))


def claim(number: int, destination: str = "crm") -> Claim:
    return replace(CLAIM, delivery_id=number, destination=destination)


def crash(*numbers: int, sender: int = 0, destination: str = "crm") -> list[Ended]:
    return [
        Ended(
            claim(number, destination),
            Outcome(number, 1, "unknown", "the sender process ended"),
            told=False,
            crash=sender,
        )
        for number in numbers
    ]


def well(number: int, kind: str = "delivered") -> list[Ended]:
    return [Ended(claim(number), Outcome(number, 1, kind))]


def blamed(ended: list[Ended]) -> list[int]:
    return [one.claim.delivery_id for one in ended if one.outcome.kind == "crashed"]


@pytest.fixture
def suspects() -> Suspects:
    return Suspects()


def test_the_third_crash_in_a_row_sets_a_delivery_aside(suspects):
    assert [blamed(suspects.judge(crash(7))) for _ in range(CRASHES)] == [[], [], [7]]
    assert len(suspects) == 0


def test_an_attempt_that_comes_to_an_end_clears_it(suspects):
    for _ in range(10):
        assert blamed(suspects.judge(crash(7))) == []
        assert blamed(suspects.judge(crash(7))) == []
        suspects.judge(well(7, "temporary"))


def test_one_that_was_never_begun_is_neither_cleared_nor_blamed(suspects):
    suspects.judge(crash(7))
    suspects.judge(well(7, "released"))
    suspects.judge(crash(7))

    assert blamed(suspects.judge(crash(7))) == [7]


def test_suspects_of_one_destination_are_tried_one_at_a_time(suspects):
    suspects.judge(crash(1, 2, 3))

    now, back = suspects.hold_back([claim(n) for n in (1, 2, 3, 4)], [])
    assert ([one.delivery_id for one in now], [one.delivery_id for one in back]) == ([1, 4], [2, 3])

    now, back = suspects.hold_back([claim(2)], [claim(1), claim(4)])
    assert (now, [one.delivery_id for one in back]) == ([], [2])
    suspects.judge(well(1))
    assert suspects.hold_back([claim(2)], [claim(4)]) == ([replace(claim(2), alone=True)], [])


def test_a_suspect_goes_alone_and_nobody_else_does(suspects):
    suspects.judge(crash(1, 2))

    now, _ = suspects.hold_back([claim(1), claim(3)], [])

    assert [(one.delivery_id, one.alone) for one in now] == [(1, True), (3, False)]


def test_a_suspect_of_a_slow_destination_holds_back_no_suspect_of_another(suspects):
    suspects.judge([*crash(1), *crash(2, destination="slack")])

    assert suspects.hold_back([claim(2, "slack")], [claim(1)]) == ([replace(claim(2, "slack"), alone=True)], [])


def test_two_that_crashed_twice_never_go_together(suspects):
    for _ in range(2):
        suspects.judge([*crash(1), *crash(2, sender=1, destination="slack")])

    assert suspects.hold_back([claim(2, "slack")], [claim(1)]) == ([], [claim(2, "slack")])


def test_without_suspects_nobody_in_hand_is_looked_at(suspects):
    assert suspects.hold_back([claim(1)], iter(lambda: 1 / 0, None)) == ([claim(1)], [])


def test_two_senders_that_crash_at_once_are_two_crashes(suspects):
    for _ in range(2):
        suspects.judge(crash(7))

    assert blamed(suspects.judge([*crash(7), *crash(8, sender=1)])) == [7]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_runs_beside_it_only_the_poison_is_blamed(suspects, seed):
    """Up to eight at once, at random; every sender with a poison in it crashes."""
    chance = random.Random(seed)
    poisons, waiting, dead = {13, 14, 77}, list(range(100)), []
    for _ in range(2000):
        chance.shuffle(waiting)
        now, _back = suspects.hold_back([claim(n) for n in waiting[:8]], [])
        out = [one.delivery_id for one in now]
        if poisons & set(out):
            judged = suspects.judge(crash(*out))
            dead += blamed(judged)
            waiting = [n for n in waiting if n not in dead]
        else:
            for n in out:
                suspects.judge(well(n))
                waiting.remove(n)
        if not waiting:
            break

    assert sorted(dead) == sorted(poisons)
    assert waiting == []


# In the worker ------------------------------------------------------------------------------------------


@pytest.fixture
def crashing(bench):
    """One crash of a sender with a memory of what it had begun."""

    def crash(under_way: set[int]) -> dict[int, int]:
        descriptor = memory()
        mine = Begun(os.dup(descriptor))
        # The worker meets one sender a time.
        bench.worker.gather(0)
        bench.sender.close()
        bench.connect(descriptor)
        bench.worker.gather(0)
        bench.worker.gather(0)
        bench.turn()
        jobs = {job.delivery_id: job.attempt for job in bench.jobs()} if bench.hears() else {}
        for number, attempt in jobs.items():
            if number in under_way:
                mine.begin(number, attempt)
        mine.close()
        bench.sender.close()
        bench.turn()
        return jobs

    return crash


def test_what_a_crashed_sender_had_not_begun_counts_as_not_attempted(bench, crashing):
    bench.accept()

    assert list(crashing(under_way=set()).values()) == [1]

    assert bench.delivery().state is State.READY
    assert bench.delivery().attempts == 0


def test_a_delivery_that_crashes_its_sender_three_times_is_a_dead_letter_with_the_reason(bench, crashing):
    bench.accept()
    for _ in range(CRASHES):
        crashing(under_way={1})
        with bench.store.transaction():
            bench.store._db.execute("UPDATE delivery SET due_at = 0 WHERE state = 0")

    assert bench.delivery().state is State.DEAD
    assert "crashed during 3 attempts" in (bench.delivery().reason or "")


def test_a_suspect_whose_turn_it_is_not_waits_without_losing_an_attempt(bench, crashing):
    bench.move((bench.folder / "config.yaml").read_text().replace("crm: {", "crm: {order: none, "))
    bench.everybody_moved()
    for kind in ("ringing", "answered"):
        bench.accept(event_type=kind)
    assert len(crashing(under_way={1, 2})) == 2
    with bench.store.transaction():
        bench.store._db.execute("UPDATE delivery SET due_at = 0 WHERE state = 0")

    assert len(crashing(under_way=set())) == 1

    states = dict(bench.store._db.execute("SELECT id, attempts FROM delivery"))
    assert states == {1: 1, 2: 1}
