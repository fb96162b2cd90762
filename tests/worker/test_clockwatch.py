"""A clock that jumps ends nothing."""

from __future__ import annotations

import pytest

from router.worker.clockwatch import ClockWatch


class Monotonic:
    def __init__(self) -> None:
        self.at = 500.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def monotonic() -> Monotonic:
    return Monotonic()


def test_time_that_passes_is_believed(monotonic: Monotonic) -> None:
    watch = ClockWatch(1_000_000.0, monotonic)
    monotonic.at += 86_400

    assert watch.believes(1_086_400.0)


@pytest.mark.parametrize(("jump", "believed"), [(59.0, True), (-59.0, True), (61.0, False), (-7200.0, False)])
def test_a_jump_of_more_than_a_minute_is_not_believed(monotonic: Monotonic, jump: float, believed: bool) -> None:
    watch = ClockWatch(1_000_000.0, monotonic)
    monotonic.at += 10

    assert watch.believes(1_000_010.0 + jump) is believed


def test_a_clock_that_was_set_right_is_believed_again(monotonic: Monotonic) -> None:
    watch = ClockWatch(1_000_000.0, monotonic)
    assert not watch.believes(2_000_000.0)

    monotonic.at += 5

    assert watch.believes(1_000_005.0)
