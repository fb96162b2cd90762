"""A worker as one of several: its part of limits, what it may not do, and what it does for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from router.commands.file import CommandFile
from router.errors import StoreError
from router.sender import DIVIDED, RECALL, Job, divided
from router.shares import WAITING, WHOLE, Place
from router.store.nodes import Alone
from tests.harness.waiting import until
from tests.worker.bench import Bench

CONFIG = """
sources: {wavix: {}}
destinations:
  crm: {type: console, order: none, OPTIONS}
always: [crm]
unmatched: drop
alerts: none
"""


class Others(Alone):
    """A membership that is as the test says."""

    name = "north"

    def __init__(self) -> None:
        self.place, self.leads, self.silence, self.may_claim, self.until_next = WHOLE, True, 0.0, True, 0.0
        self.becomes: Place | None = None
        self.gains = False
        self.settled: list[bool] = []

    def tend(self, about: Mapping[str, Any], *, settled: bool) -> bool:
        self.settled.append(settled)
        if self.becomes is not None:
            self.place, self.becomes = self.becomes, None
        gained, self.gains = self.gains, False
        return gained


@pytest.fixture
def bench_with(tmp_path: Path) -> Iterator[Callable[..., tuple[Bench, Others]]]:
    made: list[Bench] = []

    def make(options: str = "concurrency: 4") -> tuple[Bench, Others]:
        made.append(Bench(tmp_path, CONFIG.replace("OPTIONS", options)))
        others = made[-1].worker.membership = Others()
        return made[-1], others

    yield make
    for one in made:
        one.close()


def calls(count: int, first: int = 0) -> list[str]:
    return [f"call-{number}" for number in range(first, first + count)]


def to_do(bench: Bench) -> list[Job]:
    return [job for job in bench.jobs() if job.attempt > RECALL] if bench.hears() else []


def test_senders_are_told_which_part_is_theirs_those_that_start_later_too(bench_with):
    bench, others = bench_with()
    others.becomes = Place(1, 3)
    bench.turn()
    assert [job for job in bench.jobs() if job.attempt == DIVIDED] == [divided(Place(1, 3))]

    bench.sender.close()
    bench.turn()
    bench.connect()
    bench.turn()
    assert [job for job in bench.jobs() if job.attempt == DIVIDED] == [divided(Place(1, 3))]


def test_a_node_that_waits_to_be_counted_in_claims_nothing(bench_with):
    bench, others = bench_with()
    others.becomes = WAITING
    bench.accept(calls=calls(5))
    bench.turn()
    assert to_do(bench) == []

    others.becomes = Place(1, 2)
    bench.turn()
    assert len(to_do(bench)) == 5


@pytest.mark.parametrize("options", ["concurrency: 1", "concurrency: 4, rate: 1/h"])
def test_a_node_whose_part_of_a_limit_is_nothing_leaves_the_destination_to_others(bench_with, options):
    bench, others = bench_with(options)
    others.becomes = Place(1, 2)
    bench.accept(calls=calls(5))
    bench.turn()

    assert to_do(bench) == []


def test_with_a_smaller_part_nothing_begins_until_what_is_out_is_back(bench_with):
    bench, others = bench_with()
    bench.accept(calls=calls(2))
    bench.turn()
    one, other = to_do(bench)
    others.becomes = Place(0, 2)
    bench.accept(calls=calls(1, first=50))
    bench.turn()
    bench.answer(one)
    bench.turn()
    assert to_do(bench) == []
    assert others.settled[-1] is False

    bench.answer(other)
    bench.turn()
    assert len(to_do(bench)) == 1
    bench.turn()
    assert others.settled[-1] is True


def test_with_a_larger_part_more_begins_beside_what_is_out(bench_with):
    bench, others = bench_with("concurrency: 2")
    others.becomes = Place(0, 2)
    bench.accept(calls=calls(1))
    bench.turn()
    assert len(to_do(bench)) == 1
    others.becomes = WHOLE
    bench.accept(calls=calls(1, first=50))
    bench.turn()

    assert len(to_do(bench)) == 1
    bench.turn()
    assert others.settled[-1] is True


def test_what_another_node_may_just_have_sent_of_a_rate_is_not_sent_again(bench_with):
    bench, others = bench_with("concurrency: 32, rate: 20/m")
    others.becomes = Place(0, 2)
    bench.turn()
    before = bench.worker.claiming.limits.buckets["crm"]
    assert before.rate.count == 10
    others.becomes = WHOLE
    bench.turn()
    bucket = bench.worker.claiming.limits.buckets["crm"]

    # Whatever it has itself, and what was another's, within any minute it is no more than twenty.
    now = bucket.at
    allowed = 0
    for second in range(1, 61):
        some = bucket.allowed(now + second)
        bucket.take(some)
        allowed += some
    assert allowed <= 10
    for second in range(61, 200):
        some = bucket.allowed(now + second)
        bucket.take(some)
        allowed += some
    assert allowed > 20


def test_the_only_node_has_its_whole_rate_when_it_starts(bench_with):
    bench, others = bench_with("concurrency: 32, rate: 20/m")
    others.becomes = WAITING
    bench.turn()
    others.becomes = WHOLE
    bench.accept(calls=calls(5))
    bench.turn()

    assert len(to_do(bench)) == 2


def test_a_node_that_the_others_do_not_hear_claims_nothing(bench_with):
    bench, others = bench_with()
    others.may_claim = False
    bench.accept(calls=calls(5))
    bench.turn()

    assert to_do(bench) == []


def test_a_node_without_its_database_takes_back_what_its_senders_have_not_begun(bench_with, monkeypatch):
    bench, others = bench_with()
    bench.accept(calls=calls(5))
    bench.turn()
    assert len(to_do(bench)) == 5

    def gone() -> None:
        raise StoreError("the database is away")

    monkeypatch.setattr(bench.store, "transaction", gone)
    others.silence = 4.0
    bench.turn()
    assert not bench.hears()
    others.silence = 6.0
    bench.turn()
    assert [job.destination for job in bench.jobs() if job.attempt == RECALL] == ["crm"]


def test_only_the_node_that_leads_carries_out_commands(bench_with):
    bench, others = bench_with()
    others.leads = False
    CommandFile(bench.data).append("pause", {"destination": "crm"}, who="ada", now=time.time())
    bench.turn()
    assert not bench.store.paused()

    others.leads = True
    # Commands are looked for once a second.
    until(lambda: (bench.turn(), bench.store.paused())[1])


def test_what_is_remembered_of_calls_is_forgotten_when_others_may_have_routed_them(bench_with, monkeypatch):
    bench, others = bench_with()
    forgot: list[bool] = []
    monkeypatch.setattr(bench.worker.routing, "forget", lambda: forgot.append(True))
    bench.turn()
    assert not forgot

    others.gains = True
    bench.turn()
    assert forgot
