"""When a failed delivery is tried again, and when no more."""

from __future__ import annotations

import pytest

from router.retry import RetryPolicy

DAY = 86400.0


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 5), (2, 15), (3, 45), (4, 135), (7, 3645), (8, 10935), (9, 14400), (5000, 14400)]
)
def test_waits_grow_by_the_factor_up_to_the_longest(attempt, seconds):
    wait = RetryPolicy().next_wait(attempt, since_accepted=0)

    assert seconds <= wait <= seconds * 1.1


def test_jitter_only_adds_and_differs_from_one_delivery_to_the_next():
    waits = {RetryPolicy(first=100).next_wait(1, since_accepted=0) for _ in range(50)}

    assert len(waits) > 40
    assert min(waits) >= 100
    assert max(waits) <= 110


@pytest.mark.parametrize(("retry_after", "at_least"), [(None, 5), (0, 5), (2, 5), (60, 60), (36000, 36000)])
def test_a_destination_may_ask_for_more_patience_but_not_for_less(retry_after, at_least):
    wait = RetryPolicy().next_wait(1, since_accepted=0, retry_after=retry_after)

    assert at_least <= wait <= at_least * 1.1


def test_it_gives_up_when_the_wait_would_end_too_late():
    policy = RetryPolicy(first=100, give_up_after=3 * DAY)

    assert policy.next_wait(1, since_accepted=3 * DAY - 200) is not None
    assert policy.next_wait(1, since_accepted=3 * DAY - 100) is None


def test_a_wish_beyond_the_end_of_patience_ends_the_delivery():
    assert RetryPolicy(give_up_after=3600).next_wait(1, since_accepted=0, retry_after=7200) is None


def test_it_gives_up_after_as_many_attempts_as_it_may_make():
    policy = RetryPolicy(attempts=3)

    assert [policy.next_wait(attempt, since_accepted=0) is None for attempt in (1, 2, 3, 4)] == [
        False,
        False,
        True,
        True,
    ]


def test_it_tries_for_three_days_by_default():
    policy, age, attempts = RetryPolicy(), 0.0, 1

    while (wait := policy.next_wait(attempts, since_accepted=age)) is not None:
        age += wait
        attempts += 1

    assert 2.8 * DAY < age < 3 * DAY
    assert 20 < attempts < 35
