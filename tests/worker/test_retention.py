"""Forgetting: little by little, at the right time, never while the clock is in doubt, and in nobody's way."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from router.commands.file import CommandFile
from router.config.model import Retention
from router.errors import StoreError
from router.store import Forgotten
from router.store.sqlite.reading import SqliteReading
from router.worker.clockwatch import ClockWatch
from router.worker.retention import REST, SHARE, Forgetting
from tests.worker.bench import Bench

DAY = 86400.0


class Clock:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


class Slow:
    """A store in which every step takes *seconds* of *clock*, and events have so many *stretches*."""

    def __init__(self, clock: Clock, seconds: float, stretches: int) -> None:
        self.clock, self.seconds, self.stretches = clock, seconds, stretches
        self.limits: list[int] = []
        self.befores: list[float] = []

    def forget_events(self, before: float, dead_before: float, place: int, limit: int) -> Forgotten:
        self.clock.at += self.seconds
        self.limits.append(limit)
        self.befores += [before, dead_before]
        return Forgotten(limit, place + 1 if place + 1 < self.stretches else None)

    def forget_receipts(self, before: float, place: int, limit: int) -> Forgotten:
        self.befores.append(before)
        return Forgotten(0, None)

    forget_calls = forget_quarantine = forget_commands = forget_receipts


@pytest.fixture
def clock() -> Clock:
    return Clock()


def forgetting(store, clock, tmp_path, told=lambda *_: None):
    return Forgetting(store, CommandFile(tmp_path), told, first=0.0, monotonic=clock)


def events(bench: Bench) -> int:
    reading = SqliteReading.open(bench.data)
    try:
        return len(reading.history(0.0, 1e12, None, 100))
    finally:
        reading.close()


def old_event(bench: Bench) -> None:
    """One event that was received and delivered 31 days ago."""
    bench.accept(received_at=time.time() - 31 * DAY)
    bench.turn()
    with bench.store.transaction():
        bench.store._db.execute("UPDATE delivery SET ended_at = ended_at - 31 * 86400")


def forget_all(bench: Bench) -> None:
    """Let time for every kind come, one turn after the other."""
    for _ in range(5):
        bench.worker.upkeep.forgetting._next = 0.0
        bench.turn()


def test_a_step_longer_than_it_should_be_is_followed_by_a_smaller_one(clock, tmp_path):
    slow = Slow(clock, 0.05, stretches=50)
    it = forgetting(slow, clock, tmp_path)
    it._limit = 640
    for _ in range(20):
        clock.at += it.until_next()
        it.step(Retention(), 1e9, 0)

    assert slow.limits[:3] == [640, 320, 160]
    assert min(slow.limits) == slow.limits[-1] == 10


def test_between_two_steps_most_of_the_time_belongs_to_deliveries(clock, tmp_path):
    it = forgetting(Slow(clock, 0.02, stretches=50), clock, tmp_path)

    it.step(Retention(), 1e9, 0)

    assert it.until_next() == pytest.approx(0.02 * SHARE)


def test_a_pass_that_found_little_rests(clock, tmp_path):
    it = forgetting(Slow(clock, 0.0, stretches=1), clock, tmp_path)

    done = [it.step(Retention(), 1e9, 0) for _ in range(6)]

    assert done == [None] * 5 + [{"events": 10}]
    assert it.until_next() == pytest.approx(REST)


def test_never_is_before_all_time(clock, tmp_path):
    slow = Slow(clock, 0.0, stretches=1)
    it = forgetting(slow, clock, tmp_path)

    it.step(replace(Retention(), events=None, dead_letters=None), 1e9, 0)

    assert slow.befores == [float("-inf"), float("-inf")]


def test_a_step_that_fails_is_taken_again(clock, tmp_path):
    slow = Slow(clock, 0.0, stretches=3)
    it = forgetting(slow, clock, tmp_path)
    it.step(Retention(), 1e9, 0)

    def refuse(*_):
        raise StoreError("no")

    slow.forget_events, right = refuse, slow.forget_events
    with pytest.raises(StoreError):
        it.step(Retention(), 1e9, 0)
    assert it.until_next() > 0
    slow.forget_events = right
    assert it._place == 1


def test_nothing_is_forgotten_in_the_first_minutes_of_a_daemon(bench):
    assert bench.worker.upkeep.forgetting.until_next() > 200
    old_event(bench)

    bench.turn()

    assert events(bench) == 1


def test_the_worker_forgets_what_is_old_and_keeps_what_is_not(bench):
    old_event(bench)
    bench.accept(event_type="answered")
    bench.turn()

    forget_all(bench)

    assert events(bench) == 1


def test_while_the_clock_is_off_nothing_is_forgotten(bench):
    old_event(bench)
    bench.worker.watch = ClockWatch(time.time() - 7200)

    forget_all(bench)

    assert events(bench) == 1
    assert bench.worker.upkeep.forgetting.until_next() > 1


def test_a_reload_changes_how_long_things_are_kept(bench):
    old_event(bench)
    bench.move((bench.folder / "config.yaml").read_text() + "retention: {events: 60d}\n")
    forget_all(bench)
    assert events(bench) == 1

    bench.move((bench.folder / "config.yaml").read_text().replace("60d", "30d"))
    forget_all(bench)

    assert events(bench) == 0


def test_commands_are_forgotten_once_they_are_carried_out_and_old(tmp_path):
    commands = CommandFile(tmp_path)
    numbers = [commands.append("resume", {"destination": "crm"}, who="ada", now=at) for at in (100, 100, 300)]

    assert commands.forget(200.0, numbers[0], 10) == 1
    assert [command.id for command in commands.after(0)] == numbers[1:]
    assert commands.forget(200.0, numbers[2], 10) == 1
    assert [command.id for command in commands.after(0)] == numbers[2:]
    assert commands.append("resume", {}, who="ada", now=400) == numbers[2] + 1
    commands.close()
