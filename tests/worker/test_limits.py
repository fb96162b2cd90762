"""How many deliveries of a destination may be claimed."""

from __future__ import annotations

import pytest

from router.units import Rate
from router.worker.limits import Bucket, room


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


def test_a_bucket_never_allows_more_than_its_rate_over_a_minute() -> None:
    bucket = Bucket.full(Rate(60, 60.0), now=0.0)
    taken = 0
    for tenth in range(600):
        allowed = bucket.allowed(tenth / 10)
        bucket.take(allowed)
        taken += allowed

    assert 60 <= taken <= 66


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
