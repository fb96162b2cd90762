"""Moments on the wall clock of a zone."""

from __future__ import annotations

import os
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from router import clock


@pytest.mark.parametrize(
    ("zone", "at", "began"),
    [
        ("Europe/London", "2026-07-01T00:00+01:00", "2026-07-01T00:00+01:00"),
        ("Europe/London", "2026-07-01T23:59+01:00", "2026-07-01T00:00+01:00"),
        # The day on which summer time begins has 23 hours, and the day on which it ends 25.
        ("Europe/London", "2026-03-29T23:30+01:00", "2026-03-29T00:00+00:00"),
        ("Europe/London", "2026-10-25T23:30+00:00", "2026-10-25T00:00+01:00"),
        ("Asia/Tokyo", "2026-07-01T16:00+00:00", "2026-07-02T00:00+09:00"),
        # A midnight that there is not, and one that comes twice.
        ("Africa/Cairo", "2026-04-24T09:00+03:00", "2026-04-24T01:00+03:00"),
        ("America/Havana", "2026-11-01T09:00-05:00", "2026-11-01T00:00-04:00"),
    ],
)
def test_a_day_begins_at_midnight_on_the_wall_clock_of_its_zone(zone, at, began):
    moments = [datetime.fromisoformat(one).timestamp() for one in (at, began)]

    assert clock.midnight(moments[0], ZoneInfo(zone)) == moments[1]


def test_what_is_followed_counts_on_and_does_not_move_with_the_clock_of_the_machine(monkeypatch):
    clock.follow(1_000_000.0)
    monkeypatch.setattr("time.time", lambda: 5.0)

    assert 1_000_000.0 <= clock.now() < 1_000_010.0


def test_who_follows_nothing_goes_by_the_clock_of_the_machine(monkeypatch):
    clock.follow(1_000_000.0)
    clock.follow(None)
    monkeypatch.setattr("time.time", lambda: 5.0)

    assert clock.now() == 5.0


def test_what_does_not_contradict_the_followed_clock_does_not_move_it(monkeypatch):
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    clock.follow(1_000_000.0)

    clock.follow(1_000_000.25, within=0.5)
    assert clock.now() == 1_000_000.0

    clock.follow(1_000_002.0, within=0.5)
    assert clock.now() == 1_000_002.0


def test_a_process_that_was_stopped_is_put_right_when_it_hears_the_time_again(monkeypatch):
    monotonic = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: monotonic[0])
    clock.follow(1_000_000.0)
    # The clock of a suspended machine stands still for an hour.
    clock.follow(1_003_600.0, within=0.001)

    assert clock.now() == 1_003_600.0


def test_what_one_process_of_a_daemon_hears_all_of_them_go_by():
    clock.follow(None)
    ours, theirs = os.pipe()
    if (pid := os.fork()) == 0:
        clock.follow(1_000_000.0)
        os.write(theirs, b".")
        os._exit(0)
    os.read(ours, 1)
    os.waitpid(pid, 0)
    os.close(ours)
    os.close(theirs)

    assert 1_000_000.0 <= clock.now() < 1_000_060.0
