"""What the worker makes of attempts that were made together."""

from __future__ import annotations

import os
import time

import pytest

from router.sender import Job, Outcome
from router.sender.batches import TIMES_LONGER
from router.sender.begun import Begun, memory
from router.sender.frames import encode
from router.store import State
from router.worker.claiming import lease
from tests.worker.bench import Bench

CONFIG = """
sources: {wavix: {}}
destinations:
  crm: {type: hubspot, token: t, breaker: {failures: 3}, retry: {first: 1h, max: 1h}}
always: [crm]
unmatched: drop
alerts: none
"""


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path, CONFIG)
    yield made
    made.close()


def in_hand(bench: Bench, count: int) -> list[Job]:
    bench.accept(calls=[f"call-{number}" for number in range(count)])
    bench.turn()
    jobs = []
    while len(jobs) < count:
        jobs += bench.jobs()
    return jobs


def end(bench: Bench, jobs: list[Job], kind: str, **more) -> None:
    now = time.time()
    bench.sender.sendall(
        encode([Outcome(job.delivery_id, job.attempt, kind, "why", None, None, now, now, **more) for job in jobs])
    )
    bench.turn()


def test_a_batch_that_failed_as_a_whole_is_one_failure_for_the_breaker(bench):
    jobs = in_hand(bench, 40)

    for batch in (jobs[:10], jobs[10:20]):
        end(bench, batch, "temporary", batch=batch[0].delivery_id)
    assert bench.worker.claiming.standings(time.time()) == {}
    end(bench, jobs[20:30], "temporary", batch=jobs[20].delivery_id)

    assert bench.worker.claiming.standings(time.time())["crm"]["state"] == "open"
    assert sum(one.attempts for one in bench.deliveries()) == 40


def test_a_batch_that_found_its_destination_unusable_pauses_it_and_says_so_once(bench, monkeypatch):
    said = []
    monkeypatch.setattr("router.worker.report.paused", lambda log, name, reason: said.append((name, reason)))
    jobs = in_hand(bench, 20)

    end(bench, jobs, "unusable", batch=jobs[0].delivery_id)

    assert said == [("crm", "why")]
    assert {(one.state, one.attempts) for one in bench.deliveries()} == {(State.READY, 0)}


def test_each_delivery_of_a_batch_is_recorded_for_itself(bench):
    jobs = in_hand(bench, 3)
    now = time.time()
    kinds = ("delivered", "temporary", "permanent")
    bench.sender.sendall(
        encode(
            [
                Outcome(job.delivery_id, 1, kind, kind, started_at=now, ended_at=now)
                for job, kind in zip(jobs, kinds, strict=True)
            ]
        )
    )
    bench.turn()

    states = {one.id: one.state for one in bench.deliveries()}
    assert [states[job.delivery_id] for job in jobs] == [State.DELIVERED, State.READY, State.DEAD]


def test_what_a_crashed_sender_had_begun_together_goes_out_again_one_at_a_time_and_alone(bench):
    descriptor = memory()
    theirs = Begun(os.dup(descriptor))
    bench.worker.gather(0)
    bench.sender.close()
    bench.connect(descriptor)
    bench.worker.gather(0)
    bench.worker.gather(0)
    jobs = in_hand(bench, 10)
    assert not any(job.alone for job in jobs)
    for job in jobs[:5]:
        theirs.begin(job.delivery_id, 1)
    theirs.close()
    bench.sender.close()
    bench.turn()
    with bench.store.transaction():
        bench.store._db.execute("UPDATE delivery SET due_at = 0 WHERE state = 0")

    bench.connect()
    bench.worker.gather(0)
    bench.worker.gather(0)
    bench.turn()

    again = bench.jobs()
    assert [job.delivery_id for job in again if job.alone] == [jobs[0].delivery_id]
    assert sorted(job.delivery_id for job in again if not job.alone) == [job.delivery_id for job in jobs[5:]]


@pytest.mark.parametrize("timeout", ["1s", "30s", "60s", "1h"])
def test_a_lease_outlives_everything_that_a_batch_may_ask(tmp_path, timeout):
    bench = Bench(tmp_path, CONFIG.replace("token: t", f"token: t, timeout: {timeout}"))
    try:
        assert lease(bench.config) > TIMES_LONGER * bench.config.destinations["crm"].timeout
    finally:
        bench.close()
