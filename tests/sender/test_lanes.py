"""Threads of one lane: as few as keep up, as many as its destination may have."""

from __future__ import annotations

import threading

import pytest

from router.sender import Outcome, Share
from router.sender.lanes import Lane
from tests.sender.conftest import make_job, wait_for


class Sends:
    """Attempts that wait until they are let go, and count how many are under way."""

    def __init__(self) -> None:
        self.under_way = 0
        self.threads = 0
        self.go = threading.Event()
        self.outcomes: list[Outcome] = []
        self._lock = threading.Lock()

    def attempts(self):
        with self._lock:
            self.threads += 1
        return self.send

    def send(self, job):
        with self._lock:
            self.under_way += 1
        self.go.wait(20)
        with self._lock:
            self.under_way -= 1
        return Outcome(job.delivery_id, 1, "delivered")


@pytest.fixture
def sends():
    sends = Sends()
    yield sends
    sends.go.set()


def lane_of(sends: Sends, limit: int) -> Lane:
    return Lane("crm", limit, sends.attempts, sends.outcomes.append)


def test_no_thread_starts_before_there_is_something_to_send(sends):
    lane_of(sends, 4).tick()

    assert sends.threads == 0


def test_while_sends_are_slow_each_tick_doubles_the_threads_up_to_the_limit(sends):
    lane = lane_of(sends, 6)
    lane.put([make_job(number) for number in range(50)])

    for expected in (1, 2, 4, 6, 6):
        wait_for(lambda expected=expected: sends.under_way == expected)
        lane.tick()

    assert sends.threads == 6


def test_no_more_threads_wake_than_there_are_jobs_waiting(sends):
    lane = lane_of(sends, 32)
    lane.put([make_job(number) for number in range(3)])
    for expected in (1, 2, 3):
        wait_for(lambda expected=expected: sends.under_way == expected)
        lane.tick()

    lane.tick()

    assert sends.threads == 3


def test_one_thread_that_keeps_up_is_left_alone(sends):
    sends.go.set()
    lane = lane_of(sends, 32)
    for begin in range(0, 500, 100):
        lane.put([make_job(number) for number in range(begin, begin + 100)])
        wait_for(lambda begin=begin: len(sends.outcomes) == begin + 100)
        lane.tick()

    assert sends.threads == 1


def test_threads_wake_only_when_fewer_sends_ended_than_threads_are_awake(sends):
    gate = threading.Semaphore(0)

    def attempts():
        sends.attempts()
        return lambda job: gate.acquire(timeout=20) and Outcome(job.delivery_id, 1, "delivered")

    lane = Lane("crm", 8, attempts, sends.outcomes.append)
    lane.put([make_job(number) for number in range(10)])
    gate.release(3)
    wait_for(lambda: len(sends.outcomes) == 3 and lane.backlog == 6)

    lane.tick()
    assert sends.threads == 1
    lane.tick()
    wait_for(lambda: sends.threads == 2)
    gate.release(10)


def test_a_thread_that_rests_is_woken_before_another_is_started(sends):
    sends.go.set()
    lane = lane_of(sends, 32)
    for number in range(20):
        lane.put([make_job(number)])
        wait_for(lambda number=number: len(sends.outcomes) == number + 1 and not lane.sending)

    assert len({outcome.delivery_id for outcome in sends.outcomes}) == 20
    assert sends.threads <= 2


def test_stopping_gives_back_what_waits_and_finishes_what_is_sent(sends):
    lane = lane_of(sends, 1)
    lane.put([make_job(number) for number in range(3)])
    wait_for(lambda: sends.under_way == 1)

    lane.stop("the sender is stopping")
    assert [(o.kind, o.reason) for o in sends.outcomes] == [("released", "the sender is stopping")] * 2
    sends.go.set()
    wait_for(lambda: lane.sending == 0)

    assert sends.outcomes[-1].kind == "delivered"


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("concurrency", [1, 2, 3, 7, 32, 33])
def test_the_shares_of_all_senders_make_up_the_whole(count, concurrency):
    shares = [Share(index, count).threads("crm", concurrency) for index in range(count)]

    assert sum(shares) == concurrency
    assert max(shares) - min(shares) <= 1


def test_small_destinations_spread_over_the_senders():
    names = [f"destination-{number}" for number in range(40)]

    first = sum(Share(0, 2).threads(name, 1) for name in names)

    assert 10 < first < 30


def test_after_a_change_the_next_job_is_sent_the_new_way(sends):
    lane = lane_of(sends, 1)
    lane.put([make_job(number) for number in range(2)])
    wait_for(lambda: sends.under_way == 1)

    lane.change(1, lambda: lambda job: Outcome(job.delivery_id, 1, "delivered", "the new way"))
    sends.go.set()

    wait_for(lambda: len(sends.outcomes) == 2)
    assert [outcome.reason for outcome in sends.outcomes] == [None, "the new way"]


def test_a_lower_limit_holds_as_soon_as_what_was_begun_has_ended(sends):
    gate = threading.Semaphore(0)
    most = []

    def attempts():
        sends.attempts()

        def attempt(job):
            with sends._lock:
                sends.under_way += 1
            gate.acquire(timeout=20)
            with sends._lock:
                most.append(sends.under_way)
                sends.under_way -= 1
            return Outcome(job.delivery_id, 1, "delivered")

        return attempt

    lane = Lane("crm", 4, attempts, sends.outcomes.append)
    lane.put([make_job(number) for number in range(12)])
    for expected in (1, 2, 4):
        wait_for(lambda expected=expected: sends.under_way == expected)
        lane.tick()

    lane.change(1, attempts)
    # What had not begun goes back, and comes again.
    assert [outcome.kind for outcome in sends.outcomes] == ["released"] * 8
    lane.put([make_job(number) for number in range(8)])
    for ended in range(9, 21):
        gate.release()
        wait_for(lambda ended=ended: len(sends.outcomes) == ended)
        lane.tick()

    # Those four, and then one after the other.
    assert most == [4, 3, 2, *[1] * 9]


def tried(number: int):
    return make_job(number)._replace(attempt=2)


def test_slots_are_kept_for_first_attempts_however_many_others_wait(sends):
    lane = Lane("crm", 4, sends.attempts, sends.outcomes.append, kept=1)
    lane.put([tried(number) for number in range(50)])
    for expected in (1, 2, 3, 3):
        wait_for(lambda expected=expected: sends.under_way == expected)
        lane.tick()

    lane.put([make_job(100)])
    lane.tick()

    wait_for(lambda: sends.under_way == 4)
    sends.go.set()
    wait_for(lambda: len(sends.outcomes) == 51)


def test_a_slot_that_news_has_left_is_not_taken_by_another_retry():
    go = {number: threading.Event() for number in range(1, 5)}
    begun: list[int] = []
    outcomes: list[Outcome] = []

    def attempts():
        def attempt(job):
            begun.append(job.delivery_id)
            go[job.delivery_id].wait(20)
            return Outcome(job.delivery_id, 1, "delivered")

        return attempt

    lane = Lane("crm", 2, attempts, outcomes.append, kept=1)
    lane.put([tried(1)])
    wait_for(lambda: begun == [1])
    lane.put([make_job(2), tried(3)])
    lane.tick()
    wait_for(lambda: begun == [1, 2])
    go[2].set()
    wait_for(lambda: len(outcomes) == 1 and lane.sending == 1)

    lane.put([make_job(4)])
    # The first of these still counts the attempt that ended.
    lane.tick()
    lane.tick()

    wait_for(lambda: begun == [1, 2, 4])
    for event in go.values():
        event.set()
    wait_for(lambda: len(outcomes) == 4)


def test_where_there_is_room_for_both_jobs_are_sent_in_the_order_they_came(sends):
    sends.go.set()
    lane = Lane("crm", 2, sends.attempts, sends.outcomes.append, kept=1)

    lane.put([make_job(1), tried(2), make_job(3), tried(4), tried(5), make_job(6)])
    wait_for(lambda: len(sends.outcomes) == 6)

    assert [outcome.delivery_id for outcome in sends.outcomes] == [1, 2, 3, 4, 5, 6]


def test_a_lane_that_keeps_all_its_slots_gives_further_attempts_back(sends):
    lane = Lane("crm", 1, sends.attempts, sends.outcomes.append, kept=1)

    lane.put([tried(1), make_job(2)])

    assert [(outcome.delivery_id, outcome.kind) for outcome in sends.outcomes] == [(1, "released")]
    wait_for(lambda: sends.under_way == 1)


def test_once_an_attempt_finds_the_destination_unusable_no_other_begins(sends):
    def attempts():
        def attempt(job):
            sends.go.wait(20)
            return Outcome(job.delivery_id, 1, "unusable", "401")

        return attempt

    lane = Lane("crm", 1, attempts, sends.outcomes.append)
    lane.put([make_job(number) for number in range(5)])
    sends.go.set()

    wait_for(lambda: len(sends.outcomes) == 5)
    assert [outcome.kind for outcome in sends.outcomes] == ["unusable"] + ["released"] * 4


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize(("concurrency", "expected"), [(1, 0), (2, 1), (3, 1), (7, 1), (8, 2), (32, 8), (33, 8)])
def test_a_quarter_of_all_slots_is_kept_for_first_attempts(count, concurrency, expected):
    shares = [Share(index, count) for index in range(count)]

    assert sum(share.kept("crm", concurrency) for share in shares) == expected
    assert all(share.kept("crm", concurrency) <= share.threads("crm", concurrency) for share in shares)


def test_a_higher_limit_is_used(sends):
    lane = lane_of(sends, 1)
    lane.put([make_job(number) for number in range(8)])
    wait_for(lambda: sends.under_way == 1)
    lane.tick()
    assert sends.under_way == 1

    lane.change(3, sends.attempts)
    lane.put([make_job(number) for number in range(8)])
    for expected in (2, 3, 3):
        lane.tick()
        wait_for(lambda expected=expected: sends.under_way == expected)


def test_a_lane_that_is_retired_gives_back_what_waits_and_ends_its_threads(sends):
    lane = Lane("retired-lane", 2, sends.attempts, sends.outcomes.append)
    lane.put([make_job(number) for number in range(5)])
    wait_for(lambda: sends.under_way == 1)
    lane.tick()
    wait_for(lambda: sends.under_way == 2)

    lane.retire("this sender does not serve it")
    assert [outcome.kind for outcome in sends.outcomes] == ["released"] * 3
    sends.go.set()

    wait_for(lambda: not any(thread.name.startswith("retired-lane") for thread in threading.enumerate()))
    assert [outcome.kind for outcome in sends.outcomes] == ["released"] * 3 + ["delivered"] * 2
    assert lane.sending == 0


def test_a_thread_that_rests_ends_with_its_lane(sends):
    sends.go.set()
    lane = Lane("resting-lane", 2, sends.attempts, sends.outcomes.append)
    lane.put([make_job(1)])
    wait_for(lambda: len(sends.outcomes) == 1 and not lane.sending)

    lane.retire("this sender does not serve it")

    wait_for(lambda: not any(thread.name.startswith("resting-lane") for thread in threading.enumerate()))
