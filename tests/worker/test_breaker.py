"""When a destination is left alone, and when it is tried again."""

from __future__ import annotations

import pytest

from router.retry import BreakerPolicy
from router.sender import Outcome
from router.worker.breaker import CLOSED, HALF_OPEN, OPEN, Breaker, says_it_is_ill

POLICY = BreakerPolicy(failures=3, within=60.0, pause=5.0, max=60.0)


def opened(now: float = 100.0) -> Breaker:
    breaker = Breaker(POLICY)
    for number in (1, 2, 3):
        breaker.failed(number, "503", now)
    return breaker


@pytest.mark.parametrize(
    ("kind", "status", "ill"),
    [
        ("temporary", None, True),  # no connection
        ("temporary", 500, True),
        ("temporary", 503, True),
        ("temporary", 429, True),
        ("temporary", 408, True),
        ("temporary", 425, False),
        ("temporary", 404, False),  # by answers: of the destination
        ("unknown", None, True),  # no answer in time
        ("unknown", 200, True),  # broke off in the middle of it
        ("permanent", 400, False),
        ("permanent", 500, False),  # by answers: too
        ("permanent", None, None),  # nothing was sent
        ("delivered", 200, False),
        ("delivered", None, False),
        ("unusable", 401, None),
        ("released", None, None),
        ("bug", None, None),
    ],
)
def test_only_what_speaks_of_the_destination_counts(kind, status, ill):
    assert says_it_is_ill(Outcome(1, 1, kind, status=status)) is ill


def test_it_opens_when_so_many_different_deliveries_failed_one_after_the_other():
    breaker = Breaker(POLICY)

    assert [breaker.failed(number, "503", 100.0) for number in (1, 2, 3)] == [False, False, True]
    assert (breaker.state, breaker.room(104.9)) == (OPEN, 0)


def test_one_delivery_that_fails_again_and_again_never_opens_it():
    breaker = Breaker(POLICY)

    assert not any(breaker.failed(number % 2, "503", 100.0) for number in range(50))
    assert (breaker.state, breaker.room(100.0)) == (CLOSED, None)


def test_a_good_answer_in_between_begins_the_count_anew():
    breaker = Breaker(POLICY)
    for number in (1, 2):
        breaker.failed(number, "503", 100.0)

    breaker.answered()

    assert not breaker.failed(3, "503", 100.0)
    assert breaker.state == CLOSED


def test_failures_far_apart_do_not_open_it():
    breaker = Breaker(POLICY)

    assert not any(breaker.failed(number, "503", 100.0 + 31 * number) for number in range(20))


def test_after_the_pause_one_delivery_tries_and_no_other():
    breaker = opened()

    assert breaker.room(105.0) == 1
    breaker.tries(9)

    assert (breaker.state, breaker.room(1000.0)) == (HALF_OPEN, 0)


def test_the_first_good_answer_closes_it():
    breaker = opened()
    breaker.tries(9)

    assert breaker.answered() == 100.0
    assert (breaker.state, breaker.room(105.0)) == (CLOSED, None)


def test_the_pause_doubles_with_every_try_that_fails_up_to_the_longest():
    breaker, now, pauses = opened(), 100.0, []
    for number in range(10, 17):
        pauses.append(breaker.until - now)
        now = breaker.until
        breaker.tries(number)
        assert breaker.failed(number, "503", now) is False

    assert pauses == [5, 10, 20, 40, 60, 60, 60]


def test_once_closed_it_begins_with_the_first_pause_again():
    breaker = opened()
    breaker.tries(9)
    breaker.failed(9, "503", 105.0)
    breaker.answered()

    for number in (1, 2, 3):
        breaker.failed(number, "503", 200.0)

    assert breaker.until == 205.0


def test_it_waits_as_long_as_the_destination_asks_up_to_the_longest_pause():
    for asked, until in ((2.0, 105.0), (30.0, 130.0), (36000.0, 160.0)):
        breaker = opened()
        breaker.answered()
        for number in (1, 2, 3):
            breaker.failed(number, "429", 100.0, asked)

        assert breaker.until == until


def test_what_was_under_way_when_it_opened_does_not_make_the_pause_longer():
    breaker = opened()

    assert breaker.failed(4, "503", 101.0) is False
    assert (breaker.until, breaker.clears) == (105.0, False)


def test_a_try_that_told_nothing_lets_another_one_try_at_once():
    breaker = opened()
    breaker.tries(9)

    breaker.let_go(8)
    assert breaker.room(106.0) == 0
    breaker.let_go(9)
    assert breaker.room(106.0) == 1
