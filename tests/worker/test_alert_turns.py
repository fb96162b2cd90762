"""Alerts in the turns of a whole worker: made where their cause is recorded, sent like any delivery."""

from __future__ import annotations

import json

import pytest

from router.sender import Job
from router.store import Filter, State
from router.store.sqlite.reading import SqliteReading
from tests.worker.bench import CONFIG, Bench

TOLD = CONFIG.replace("alerts: none", "alerts: {to: [ops], disk: 0.001%}").replace(
    "always:", '  ops: {type: http, url: "https://ops.example", retry: {first: 1h, give_up_after: 3d}}\nalways:'
)


@pytest.fixture(autouse=True)
def alerts_are_told(bench: Bench) -> None:
    """By a reload: the bench begins with nobody to tell."""
    bench.move(TOLD)
    bench.everybody_moved()


def refuse(bench: Bench) -> None:
    """Let crm refuse an event for good."""
    bench.accept()
    bench.turn()
    [job] = bench.jobs()
    bench.answer(job, "permanent", "crm.example answered 422")


def alert(bench: Bench) -> Job:
    [job] = bench.jobs()
    assert (job.destination, json.loads(job.body)["event_type"]) == ("ops", "alert")
    return job


def state(bench: Bench, job: Job) -> State:
    reading = SqliteReading.open(bench.data)
    try:
        return next(row.state for row in reading.deliveries(Filter(), 10) if row.id == job.delivery_id)
    finally:
        reading.close()


def test_the_turn_that_records_a_dead_letter_sends_the_alert(bench: Bench) -> None:
    counter = bench.worker.metrics._alerts.labels("dead_letter")._value
    before = counter.get()
    refuse(bench)
    bench.turn()

    sentence = json.loads(alert(bench).body)["event_payload"]["sentence"]
    assert sentence.startswith("1 dead letter at crm: crm.example answered 422. See: ")
    assert counter.get() == before + 1


def test_an_alert_of_a_turn_that_the_store_undid_is_made_with_the_next(bench: Bench) -> None:
    refuse(bench)
    bench.store._db.execute(
        "CREATE TEMP TRIGGER full BEFORE UPDATE OF state ON delivery WHEN new.state = 1"
        " BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    bench.turn()
    assert not bench.hears()
    bench.store._db.execute("DROP TRIGGER full")
    bench.turn()

    alert(bench)


def test_an_alert_that_would_come_too_late_is_not_tried_again(bench: Bench) -> None:
    refuse(bench)
    bench.turn()
    bench.answer(alert(bench), "released")
    bench.store._db.execute("UPDATE event SET received_at = received_at - 11.5 * 3600 WHERE event_type = 'alert'")
    bench.turn()
    job = alert(bench)

    bench.answer(job, "temporary", "ops.example answered 503")
    bench.turn()

    assert state(bench, job) is State.EXPIRED


def test_an_alert_that_is_too_old_is_not_sent(bench: Bench) -> None:
    refuse(bench)
    bench.turn()
    job = alert(bench)
    bench.answer(job, "released")
    bench.store._db.execute("UPDATE event SET received_at = received_at - 13 * 3600 WHERE event_type = 'alert'")
    bench.turn()

    assert state(bench, job) is State.EXPIRED
    assert not bench.hears()


def test_a_dead_letter_that_a_crash_made_is_told_at_the_next_start(bench: Bench) -> None:
    bench.move(TOLD.replace("type: http, url", 'type: slack, unknown: hold, text: "x", url', 1))
    bench.everybody_moved()
    bench.accept()
    bench.turn()
    bench.jobs()

    bench.worker.recover()
    bench.worker.turn()

    assert "unknown: hold" in json.loads(alert(bench).body)["event_payload"]["reason"]


def test_a_lapsed_alert_makes_no_alert(bench: Bench) -> None:
    refuse(bench)
    bench.turn()
    alert(bench)
    bench.move(
        TOLD.replace("ops: {type: http, url", "ops: {type: slack, unknown: hold, url").replace("[ops]", "[ops, crm]")
    )
    bench.everybody_moved()

    bench.worker.recover()
    bench.turn()

    assert not bench.hears()
