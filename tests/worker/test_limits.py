"""How many deliveries of a destination may be claimed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.units import Rate
from router.worker.limits import LEAVES, Bucket, room


@pytest.mark.parametrize(
    ("concurrency", "in_hand", "free"),
    [(1, 0, 5), (1, 5, 0), (32, 0, 160), (32, 150, 10), (32, 200, 0), (100, 0, 356)],
)
def test_a_destination_has_room_for_what_it_sends_and_a_little_ahead(concurrency: int, in_hand: int, free: int) -> None:
    assert room(concurrency, in_hand) == free


@pytest.mark.parametrize(("concurrency", "in_hand", "free"), [(1, 0, 101), (2, 150, 52), (32, 0, 288)])
def test_a_destination_that_takes_a_hundred_at_once_has_room_for_a_batch(concurrency, in_hand, free) -> None:
    assert room(concurrency, in_hand, batch=100) == free


def test_a_full_bucket_allows_a_tenth_of_its_count_at_once() -> None:
    assert Bucket.full(Rate(60, 60.0), now=1000.0).allowed(1000.0) == 6


@given(
    count=st.integers(1, 3000),
    seconds=st.sampled_from([1.0, 10.0, 60.0, 3600.0]),
    steps=st.lists(st.floats(0.0, 0.2), min_size=20, max_size=400),
)
def test_no_stretch_of_the_time_of_a_rate_has_more_than_its_count(
    count: int, seconds: float, steps: list[float]
) -> None:
    bucket, now, taken = Bucket.full(Rate(count, seconds), now=0.0), 0.0, []
    for step in steps:
        now += step * seconds
        allowed = bucket.allowed(now)
        bucket.take(allowed)
        taken.append((now, allowed))

    for begin, _ in taken:
        assert sum(some for at, some in taken if begin <= at < begin + seconds) <= count


def test_a_bucket_that_is_emptied_at_once_gives_its_whole_rate() -> None:
    bucket = Bucket.full(Rate(100, 1.0), now=0.0)
    taken = 0
    for hundredth in range(10_000):
        allowed = bucket.allowed(hundredth / 100)
        bucket.take(allowed)
        taken += allowed

    # A twentieth of a second for each second is what may lie between a claim and the moment it leaves.
    assert 9_500 <= taken <= 10_000


def test_a_bucket_with_nothing_left_says_when_it_has_again() -> None:
    bucket = Bucket.full(Rate(2, 1.0), now=0.0)
    for at in (0.0, 0.5):
        assert bucket.allowed(at) == 1
        bucket.take(1)

    assert bucket.allowed(1.0) == 0
    assert bucket.next_at() == pytest.approx(1.0 + LEAVES)
    assert bucket.allowed(bucket.next_at()) == 1


def test_an_empty_bucket_says_when_it_allows_one_more() -> None:
    bucket = Bucket.full(Rate(10, 1.0), now=0.0)
    bucket.take(bucket.allowed(0.0))

    assert bucket.next_at() == pytest.approx(0.1)
    assert bucket.allowed(0.05) == 0
    assert bucket.allowed(0.1) == 1


def test_a_clock_that_jumps_back_gives_nothing_away() -> None:
    bucket = Bucket.full(Rate(10, 1.0), now=100.0)
    bucket.take(bucket.allowed(100.0))

    assert bucket.allowed(50.0) == 0
    assert bucket.next_at() == pytest.approx(50.1)


def test_a_clock_that_jumps_back_does_not_hold_up_what_the_rate_allows() -> None:
    bucket = Bucket.full(Rate(2, 1.0), now=5000.0)
    for at in (5000.0, 5000.5):
        bucket.take(bucket.allowed(at))
    bucket.allowed(50.0)

    assert bucket.next_at() == pytest.approx(50.5 + LEAVES)
    assert bucket.allowed(50.6) == 1
